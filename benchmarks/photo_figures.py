"""The figures of the photo model as pages show them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from results_text import ROOT, percent, read

# What docs/photo.md calls the views.
VIEWS = {
    "clean": "as they are",
    "reencoded": "encoded anew at random",
    "draws": "cut and degraded at random",
    "web": "*web*: JPEG 60",
    "hard": "*hard*: JPEG 40",
    "jpeg-70": "JPEG 70",
    "resize-0.75": "to 0.75 of their size and back",
}
PARTS = ("all", "no remakes", "remakes")


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
    verdicts, elsewhere = found["verdicts"], found["verdicts by thresholds of other origins"]
    rows += [
        "",
        "| verdict, on pictures of held-out origins | share |",
        "|---|---|",
        f"| `ai` on AI-generated images ({verdicts['ai-generated images']:,}) | "
        f"{percent(verdicts['ai-generated called ai'])} |",
        f"| `ai` on photographs ({verdicts['photographs']:,}), which the threshold was chosen on | "
        f"{percent(verdicts['photographs called ai'])} |",
        f"| `ai` on photographs, by thresholds chosen without their origin | "
        f"{bounded(elsewhere['photographs'])} |",
        f"| `uncertain` on all | {percent(verdicts['uncertain'])} |",
        "",
        f"{found['model']}, seed {found['run']['seed']}; `results/photo.json`.",
    ]
    return "\n".join(rows)


def bounded(row: dict[str, Any]) -> str:
    """A share with its exact upper bound."""
    share = row["called ai"] / row["photographs"]
    return f"{percent(share)} (upper bound {percent(row['upper bound'])})"


def photo_views() -> str:
    """The model under degradation, and its photographs by collection."""
    found = read("photo.json")
    flips, elsewhere = found["verdicts that flip"], found["verdicts by thresholds of other origins"]
    called = {"clean": elsewhere["photographs"], **elsewhere["photographs, by view"]}
    rows = [
        "| pictures | AUROC, all | no remakes | remakes | verdicts that change | `ai` on photographs | "
        "photographs turned away |",
        "|---|---|---|---|---|---|---|",
    ]
    for view, words in VIEWS.items():
        parts = [f"{found['held-out origins'][view][part]['pooled']:.3f}" for part in PARTS]
        changed = "" if view == "clean" else percent(flips[view])
        away = percent(found["gate"]["photographs turned away"][view])
        rows.append(f"| {words} | " + " | ".join([*parts, changed, bounded(called[view]), away]) + " |")
    rows += ["", "| photographs of | number | `ai`, as they are |", "|---|---|---|"]
    for name, row in elsewhere["photographs, by collection"].items():
        rows.append(f"| {name} | {row['photographs']:,} | {bounded(row)} |")
    shapes = ", ".join(f"{value:.3f} among {name} ones" for name, value in found["AUROC by shape"].items())
    rows += [
        "",
        "`ai` on photographs is by thresholds chosen without their origin; upper bounds are exact and "
        "one-sided, 95 %. "
        f"The calibration error (expected, over pictures of origins with both classes) is "
        f"{found['calibration error']:.3f}. AUROC within one shape of picture: {shapes}. "
        f"{found['model']}, seed {found['run']['seed']}; `results/photo.json`.",
    ]
    return "\n".join(rows)


def photo_aims() -> str:
    """What the project set out for beside what was reached."""
    found, large = read("photo.json"), read("large-pictures.json")
    origins, flips = found["held-out origins"], found["verdicts that flip"]
    clean, gate = origins["clean"]["no remakes"], found["gate"]
    recall = clean["recall_at_1_percent"]
    others = {k: v for k, v in found["AUROC by large group"].items() if k not in found["remakes"].split()}
    least = min(others.items(), key=lambda pair: pair[1])
    elsewhere = found["verdicts by thresholds of other origins"]
    large_ones = [
        row for row in elsewhere["photographs, by collection"].values() if row["photographs"] >= 100
    ]
    accused = max(large_ones, key=lambda row: row["called ai"] / row["photographs"])
    no_photographs = read("photo-gate.json")
    kinds = [row for kinds in no_photographs["kinds"].values() for row in kinds.values()]
    worst = max(kinds, key=lambda row: (row["called ai"], row["upper bound"]))
    size = (ROOT / "src" / "fauxto" / "models" / "photo" / "model.onnx").stat().st_size / 1e6
    aims = [
        ("AUROC without remakes, pooled", 0.93, clean["pooled"]),
        ("the same, mean of the origins", 0.93, clean["mean"]),
        (f"the least of an origin with 20 of each class, no remake (here {least[0]})", 0.75, least[1]),
        ("AUROC on remakes", 0.75, origins["clean"]["remakes"]["pooled"]),
        ("AUROC without remakes, *web*", 0.90, origins["web"]["no remakes"]["pooled"]),
        ("AUROC without remakes, *hard*", 0.85, origins["hard"]["no remakes"]["pooled"]),
    ]
    rows = ["| | aim | reached |", "|---|---|---|"]
    rows += [f"| {name} | {aim:.2f} | {value:.3f} |" for name, aim, value in aims]
    rows += [
        f"| recall at 1 % false positives, without remakes | 55 % | {percent(recall)} |",
        f"| calibration error | at most 0.05 | {found['calibration error']:.3f} |",
        f"| verdicts that change under JPEG 70 | at most 10 % | {percent(flips['jpeg-70'])} |",
        f"| verdicts that change by a resize to 0.75 and back | at most 10 % | "
        f"{percent(flips['resize-0.75'])} |",
        f"| photographs that the gate turns away, worst view | at most 3 % | "
        f"{percent(max(gate['photographs turned away'].values()))} |",
        f"| `ai` on photographs | at most 1 % | {bounded(elsewhere['photographs'])} |",
        f"| `ai` on photographs of any collection with a hundred or more | under 3 % | {bounded(accused)} |",
        f"| `ai` on any kind of rendered non-photograph | at most 1 % | {percent(worst['called ai'])} "
        f"(upper bound {percent(worst['upper bound'])}) |",
        f"| model, MB | 25, at most 65 | {size:.0f} |",
        f"| rate on 1280x720 JPEGs, of ResNet50's with decoding | a third, better 1 | "
        f"{large['1280x720']['share of its rate']:.2f} |",
        f"| time for a JPEG of 4000x3000, of decoding and ResNet50 | at most 2.5 | "
        f"{large['4000x3000']['times as long as decoding and ResNet50']:.2f} |",
        "",
        f"{found['model']}, seed {found['run']['seed']}; `results/photo.json`; non-photographs: "
        f"{no_photographs['model']}, seed {no_photographs['seed']}, `results/photo-gate.json`; both rates: "
        "`results/large-pictures.json`, with an earlier head on the same tower.",
    ]
    return "\n".join(rows)


Place = tuple[str, str]
"""A view and a part of the origins."""
_RECALL: Place = ("clean", "all")
_FEWER = "fitted on "
"""How the names of rows begin whose head saw fewer origins: a curve of their own."""


def rows_of(file: str) -> list[dict[str, str]]:
    """The rows of a table under results/."""
    with (ROOT / "results" / file).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def compared(
    file: str, key: str, title: str, degraded: dict[Place, str]
) -> tuple[list[str], list[dict[str, str]]]:
    """A row for each name under `key`: AUROC of all scores by place, and the recall on clean pictures.

    Args:
        file: under results/, of one row for each name, view and part of the origins.
        key: the column with the names.
        title: of the names' column on the page.
        degraded: further places, and what the page calls them.

    Returns:
        The page's lines, and the file's rows.
    """
    table = rows_of(file)
    clean = [("clean", part) for part in PARTS]
    heads = [title, *PARTS, "recall at 1 % FPR", *degraded.values()]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in dict.fromkeys(row[key] for row in table):
        found = {(row["view"], row["origins"]): row for row in table if row[key] == name}
        values = [
            f"{float(found[place]['pooled']):.3f}" if place in found else "" for place in (*clean, *degraded)
        ]
        values.insert(len(clean), percent(float(found[_RECALL]["recall_at_1_percent"])))
        lines.append(f"| {' | '.join([name, *values])} |")
    return lines, table


def photo_tried() -> str:
    """Other methods on the shipped model's features."""
    degraded = {("web", "no remakes"): "no remakes, *web*", ("hard", "no remakes"): "no remakes, *hard*"}
    lines, table = compared("photo-tried.csv", "method", "method", degraded)
    lines = [line for line in lines if not line.startswith(f"| {_FEWER}")]
    seeds = ", ".join(sorted({row["seed"] for row in table}))
    return "\n".join([*lines, "", f"Seed {seeds}; `results/photo-tried.csv`."])


def photo_origins() -> str:
    """AUROC by how many origins with both classes the head was fitted on, as a curve and as a table."""
    table = [row for row in rows_of("photo-tried.csv") if row["view"] == "clean"]
    # How many others there are for each origin that is left out, and what a head on all of them reaches.
    whole = [row for row in table if row["method"] == "no views encoded anew"]
    others = next(int(row["groups"]) for row in whole if row["origins"] == "all") - 1
    drawn: dict[int, list[dict[str, str]]] = {}
    for row in table:
        if row["method"].startswith(_FEWER):
            drawn.setdefault(int(row["method"].split()[2]), []).append(row)
    points = dict(sorted(drawn.items())) | {others: whole}
    rows = [f"| origins | draws | {' | '.join(PARTS)} |", "|---" * (2 + len(PARTS)) + "|"]
    curves: dict[str, list[str]] = {part: [] for part in PARTS}
    for number, found in points.items():
        by_part = {part: [float(row["pooled"]) for row in found if row["origins"] == part] for part in PARTS}
        for part, values in by_part.items():
            curves[part].append(f"{sum(values) / len(values):.3f}")
        shown = [ranged(values) for values in by_part.values()]
        rows.append(f"| {number} | {len(by_part['all'])} | {' | '.join(shown)} |")
    chart = [
        "```mermaid",
        "xychart-beta",
        f'  title "AUROC: {", ".join(PARTS)}"',
        f'  x-axis "origins fitted on" [{", ".join(map(str, points))}]',
        '  y-axis "AUROC" 0.5 --> 0.95',
        *(f"  line [{', '.join(values)}]" for values in curves.values()),
        "```",
    ]
    return "\n".join(
        [*chart, "", *rows, "", "Means of the draws, and their range; `results/photo-tried.csv`."]
    )


def ranged(values: list[float]) -> str:
    """A mean, and the least and the greatest where there are several."""
    mean = f"{sum(values) / len(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


def photo_ablation() -> str:
    """AUROC of the scores of origins left out, by what differs from the recipe."""
    degraded = {
        (view, part): f"{part}, *{view}*" for view in ("web", "hard") for part in ("all", "no remakes")
    }
    lines, table = compared("photo-ablation.csv", "factor", "head", degraded)
    images = {row["images"] for row in table if row["origins"] == "all"}
    seeds = ", ".join(sorted({row["seed"] for row in table}))
    return "\n".join(
        [*lines, "", f"{', '.join(sorted(images))} images, seed {seeds}; `results/photo-ablation.csv`."]
    )


def photo_data() -> str:
    """What the pictures' shapes alone tell of the class."""
    found = read("photo-data.json")
    square = {row["label"]: row["common_sizes"].get("480x480", 0) / row["images"] for row in found["classes"]}
    shortcut = found["shortcut"]
    return (
        f"Of {Path(found['location']).name}, {percent(square['ai'])} of the AI-generated pictures and "
        f"{percent(square['not-ai'])} of the photographs are 480 x 480; a small classifier that sees width, "
        f"height, file size and JPEG quality and nothing else reaches AUROC {shortcut['auroc']:.3f} "
        f"({shortcut['images']:,} pictures; `fauxto data check`, `results/photo-data.json`)."
    )


def adapt() -> str:
    """What ten images of a generator are worth, by origin left out, and in the mean of the origins."""
    table = rows_of("adapt.csv")
    shares = ("recall", "accused")
    rows = [
        "| origin | AUROC before | after | AI-generated called `ai`, before | after | its photographs called "
        "`ai`, before | after | photographs elsewhere newly called `ai` |",
        "|---|---|---|---|---|---|---|---|",
    ]

    def line(name: str, row: dict[str, float]) -> str:
        aurocs = [f"{row[f'auroc_{when}']:.3f}" for when in ("before", "after")]
        others = [percent(row[f"{what}_{when}"]) for what in shares for when in ("before", "after")]
        return f"| {name} | " + " | ".join([*aurocs, *others, percent(row["newly_accused_elsewhere"])]) + " |"

    numbers = [{k: float(v) for k, v in row.items() if k != "origin"} for row in table]
    rows += [line(row["origin"], found) for row, found in zip(table, numbers, strict=True)]
    rows.append(line("mean", {k: sum(row[k] for row in numbers) / len(numbers) for k in numbers[0]}))
    one = table[0]
    return "\n".join(
        [
            *rows,
            "",
            f"Adapted with {one['images']} images of each class of the origin and "
            f"{one['further_photographs']} photographs of others, mean of {one['draws']} draws; "
            "`results/adapt.csv`.",
        ]
    )


def gate() -> str:
    """What becomes of pictures that are no photographs, and how many photographs are turned away."""
    others, found = read("photo-gate.json"), read("photo.json")["gate"]
    rows = [
        "| pictures | number | let through | called `ai` | JPEG 40: let through | called `ai` |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in others["kinds"]["clean"].items():
        degraded = others["kinds"]["hard"][name]
        shares = [one[key] for one in (row, degraded) for key in ("let through", "called ai")]
        rows.append(f"| {name} | {row['pictures']} | " + " | ".join(map(percent, shares)) + " |")
    away = found["photographs turned away"]
    least = min(others["kinds"]["clean"].values(), key=lambda row: (row["called ai"], row["upper bound"]))
    rows += [
        "",
        f"{percent(least['called ai'])} of {least['pictures']} pictures leaves up to "
        f"{percent(least['upper bound'])} possible (exact one-sided 95 % bound); {others['model']}, "
        f"{others['data']}, seed {others['seed']}, `results/photo-gate.json`. "
        f"Of photographs {percent(away['clean'])} are turned away, at most {percent(max(away.values()))} in "
        f"any of {len(away)} views, degraded ones among them; of AI-generated images that look like "
        f"photographs {percent(found['ai-generated turned away']['clean'])}; `results/photo.json`.",
    ]
    return "\n".join(rows)
