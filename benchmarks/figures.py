"""Puts the figures of results/ into the README: python benchmarks/figures.py [--check]

Between `<!-- figures: NAME -->` and `<!-- /figures -->` stands what this script writes and nothing else; with
--check it changes nothing and fails where the README differs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"<!-- figures: ([a-z-]+) -->\n.*?<!-- /figures -->", re.DOTALL)


def read(name: str) -> Any:
    """A file of results/."""
    return json.loads((ROOT / "results" / name).read_text(encoding="utf-8"))


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"


def demo() -> str:
    return "```\n" + (ROOT / "results" / "demo.txt").read_text(encoding="utf-8").rstrip() + "\n```"


def models() -> str:
    rows = ["| model | for | sides | version |", "|---|---|---|---|"]
    for path in sorted((ROOT / "src" / "fauxto" / "models").glob("*/config.json")):
        config = json.loads(path.read_text(encoding="utf-8"))
        domain = config["domain"]
        card = path.parent.relative_to(ROOT) / "MODEL_CARD.md"
        rows.append(
            f"| [`{config['name']}`]({card}) | {domain['content']} | "
            f"{domain['min_side']} to {domain['max_side']} px | {config['version']} |"
        )
    return "\n".join(rows)


def thumb() -> str:
    found = read("thumb.json")
    result, figures = found["result"], found["result"]["figures"]
    verdicts = {row["label"]: row for row in result["verdicts"]["by_class"]}
    rows = [
        "| figure | value (95 % interval) |",
        "|---|---|",
        f"| accuracy | {interval(figures['accuracy'])} |",
        f"| AUROC | {interval(figures['auroc'])} |",
        f"| precision | {interval(figures['precision'])} |",
        f"| recall | {interval(figures['recall'])} |",
        f"| recall at 1 % false positives | {interval(figures['tpr_at_1_percent_fpr'])} |",
        f"| verdict `ai` on AI-generated images | {percent(verdicts['ai']['ai']['rate'])} |",
        f"| verdict `ai` on photographs | {percent(verdicts['not-ai']['ai']['rate'])} |",
        f"| verdict `uncertain` | {percent(result['verdicts']['abstentions']['value'])} |",
    ]
    for row in result["robustness"]:
        if row["name"] in {"jpeg-50", "jpeg-40", "rescale-24", "rescale-16"}:
            rows.append(f"| AUROC after {row['label']} | {row['auroc']['value']:.4f} |")
    model = f"{result['model']['name']} {result['model']['version']}"
    rows.append("")
    rows.append(
        f"{model}, {found['data']['images']:,} images, seed {found['seed']}; `results/thumb.json`. "
        "The published reference, a fine-tuned ResNet50, reached an accuracy of 0.922."
    )
    return "\n".join(rows)


def face() -> str:
    found = read("face.json")
    result, figures = found["result"], found["result"]["figures"]
    rows = [
        "| figure | value (95 % interval) |",
        "|---|---|",
        f"| accuracy | {interval(figures['accuracy'])} |",
        f"| AUROC | {interval(figures['auroc'])} |",
        f"| precision | {interval(figures['precision'])} |",
        f"| recall | {interval(figures['recall'])} |",
    ]
    model = f"{result['model']['name']} {result['model']['version']}"
    rows += [
        "",
        f"{model}, {found['data']['images']:,} images, seed {found['seed']}; `results/face.json`. The "
        "published reference, a fine-tuned ResNet50, reached an accuracy of 0.85.",
    ]
    return "\n".join(rows)


def photo() -> str:
    found = read("photo.json")
    rows = [
        "| held-out origins | origins | images | AUROC, pooled | AUROC, mean | recall at 1 % FPR |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in found["held-out origins"]["clean"].items():
        rows.append(
            f"| {name} | {row['groups']} | {row['images']:,} | {row['pooled']:.3f} | {row['mean']:.3f} | "
            f"{percent(row['recall_at_1_percent'])} |"
        )
    verdicts = found["verdicts"]
    rows += [
        "",
        "| verdict, on pictures of held-out origins | share |",
        "|---|---|",
        f"| `ai` on photographs ({verdicts['photographs']:,}) | "
        f"{percent(verdicts['photographs called ai'])} |",
        f"| `ai` on AI-generated images ({verdicts['ai-generated images']:,}) | "
        f"{percent(verdicts['ai-generated called ai'])} |",
        f"| `uncertain` on all | {percent(verdicts['uncertain'])} |",
        "",
        f"{found['model']}, seed {found['run']['seed']}; `results/photo.json`.",
    ]
    return "\n".join(rows)


def gate() -> str:
    found = read("photo.json")["gate"]
    rows = ["| pictures | number | let through | called `ai` |", "|---|---|---|---|"]
    for name, row in found["kinds"].items():
        rows.append(
            f"| {name} | {row['pictures']} | {percent(row['let through'])} | {percent(row['called ai'])} |"
        )
    rows += [
        "",
        f"Of photographs {percent(found['photographs turned away'])} are turned away, of AI-generated images "
        f"that look like photographs {percent(found['ai-generated turned away'])}; `results/photo.json`.",
    ]
    return "\n".join(rows)


def false_accusations() -> str:
    found = read("false-accusations.json")
    photographs = found["photographs"]
    rows = ["| images | number | verdict `ai` |", "|---|---|---|"]
    names = {
        "origins of the train part": "shrunk photographs, origins seen in training",
        "origins of the validation part": "shrunk photographs, origins that the threshold was chosen on",
        "origins of the test part": "shrunk photographs, origins never used",
        "all": "all shrunk photographs",
    }
    for name, words in names.items():
        row = photographs[name]
        rows.append(f"| {words} | {row['images']:,} | {row['share_ai']:.2%} |")
    for name, row in found["graphics"].items():
        rows.append(f"| drawn: {name} | {row['images']:,} | {row['share_ai']:.2%} |")
    rows += ["", f"{found['model']}, seed {found['seed']}; `results/false-accusations.json`."]
    return "\n".join(rows)


def speed() -> str:
    startup, throughput, provenance = read("startup.json"), read("throughput.json"), read("provenance.json")
    readers = provenance["all_readers"]
    processors = read("processors.json")["greatest_difference"]
    greatest = max(value for models in processors.values() for value in models.values())
    return "\n".join(
        [
            "| what | measured |",
            "|---|---|",
            "| one thumbnail, cold process, against the bare imports of onnxruntime, Pillow and numpy | "
            f"{startup['ratio']:.2f} times |",
            f"| a folder of {throughput['images']:,} thumbnails, of the rate that decoding and inference "
            f"alone allow | {throughput['share_of_bar']:.0%}, {throughput['scan_per_s']:,} images a second |",
            f"| all provenance readers, unsigned JPEG of about 1 MB | "
            f"{readers['JPEG of about 1 MB, unsigned']['median_ms']:.2f} ms |",
            f"| all provenance readers, signed JPEG of about 1 MB | "
            f"{readers['JPEG of about 1 MB, signed']['median_ms']:.1f} ms |",
            f"| greatest difference of a score to ONNX's reference evaluator, on {len(processors)} kinds of "
            f"processor | {greatest:.0e} |",
            "",
            "Two cores of a server; `results/startup.json`, `results/throughput.json`, "
            "`results/provenance.json`, `results/processors.json` (natively and under qemu-user).",
        ]
    )


BLOCKS: dict[str, Callable[[], str]] = {
    "demo": demo,
    "models": models,
    "thumb": thumb,
    "false-accusations": false_accusations,
    "photo": photo,
    "gate": gate,
    "face": face,
    "speed": speed,
}


def filled(text: str) -> str:
    """The text with every block as results/ has it."""
    return BLOCK.sub(
        lambda found: f"<!-- figures: {found[1]} -->\n{BLOCKS[found[1]]()}\n<!-- /figures -->", text
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    if arguments.check:
        sys.exit(
            None if filled(text) == text else "README.md differs from results/; run benchmarks/figures.py"
        )
    readme.write_text(filled(text), encoding="utf-8")


if __name__ == "__main__":
    main()
