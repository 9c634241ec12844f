"""`fauxto evaluate`, from labelled files to the three outputs, with a model that can be checked by hand."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from typer.testing import CliRunner

from coloured import channel_logits, write_bundle, write_images
from fauxto.cli.evaluate import evaluate as command
from fauxto.data import fingerprint, load
from fauxto.errors import DataError, FauxtoError, UsageError
from fauxto.evaluate import Evaluation, Metrics, evaluate
from fauxto.evaluate.degradations import LADDERS
from fauxto.evaluate.measure import VERDICT_NAMES, verdicts
from fauxto.evaluate.run import limited
from fauxto.images import open_image
from fauxto.models import load_bundle
from fauxto.models.bundle import sigmoid
from fauxto.verdict import Thresholds, decide

WEIGHTS = (4.0, 0.0, -4.0)
QUICK = ["--bootstrap", "200", "--seed", "7"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled data in `data`, bundles `model` and `other`, all below a folder of a telling name."""
    folder = tmp_path_factory.mktemp("secretplace")
    data = folder / "data"
    write_images(data / "ai" / "easy-generator", 40, redness=60, seed=1)
    write_images(data / "ai" / "hard-generator", 20, redness=0, seed=2)
    write_images(data / "real" / "cold-camera", 40, redness=-40, seed=3)
    write_images(data / "real" / "warm-camera", 30, redness=10, seed=4)
    write_images(data / "real" / "large-camera", 6, redness=0, side=80, seed=5)
    (data / "real" / "warm-camera" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    shutil.copy(data / "real" / "cold-camera" / "0000.png", data / "real" / "cold-camera" / "copy.png")
    write_bundle(folder / "model", weights=WEIGHTS)
    write_bundle(folder / "other", weights=(1.0, 1.0, -3.0), name="other")
    return folder


def run(arguments: list[str | Path]) -> str:
    """Run the command as the shell does and give what it printed."""
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def output(place: Path) -> Path:
    folder = place / "out"
    arguments: list[str | Path] = [place / "data", "--model", place / "model", "--output", folder]
    run([*arguments, "--robustness", "--compare", place / "other", *QUICK])
    return folder


@pytest.fixture(scope="module")
def metrics(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def rows(output: Path) -> list[dict[str, str]]:
    with (output / "predictions.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def scored(rows: list[dict[str, str]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    kept = [row for row in rows if row["score"]]
    return np.array([row["label"] == "ai" for row in kept]), np.array([float(row["score"]) for row in kept])


def source(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(row for row in rows if row["source"] == name)


def test_every_image_has_a_row_with_the_models_own_score(place: Path, rows: list[dict[str, str]]) -> None:
    assert len(rows) == len(load(place / "data"))
    row = next(row for row in rows if row["name"] == "ai/easy-generator/0003.png")
    pixels = open_image(place / "data" / row["name"]).pixels
    assert float(row["score"]) == pytest.approx(sigmoid(channel_logits([pixels], WEIGHTS))[0], abs=1e-5)
    assert (row["source"], row["label"], row["error"]) == ("easy-generator", "ai", "")


def test_verdicts_are_by_the_bundles_thresholds(rows: list[dict[str, str]]) -> None:
    for row in rows:
        if row["score"]:
            score = float(row["score"])
            expected = "ai" if score >= 0.7 else "no-sign" if score < 0.3 else "uncertain"
            assert row["verdict"] == expected


@pytest.mark.parametrize("score", [0.0, 0.3, 0.31, 0.7, 0.69999, 1.0, None])
def test_verdicts_are_those_of_a_scan_without_evidence(score: float | None) -> None:
    thresholds = Thresholds(ai=0.7, no_sign=0.3)
    (code,) = verdicts(np.array([np.nan if score is None else score]), thresholds)
    assert VERDICT_NAMES[code] == decide([], score, thresholds)[0]


def test_figures_are_scikit_learns_on_the_predictions(
    rows: list[dict[str, str]], metrics: dict[str, Any]
) -> None:
    labels, scores = scored(rows)
    figures = metrics["result"]["figures"]
    assert figures["auroc"]["value"] == pytest.approx(roc_auc_score(labels, scores), abs=2e-6)
    average = average_precision_score(labels, scores)
    assert figures["average_precision"]["value"] == pytest.approx(average, abs=2e-6)
    assert figures["f1"]["value"] == pytest.approx(f1_score(labels, scores >= 0.5), abs=2e-6)
    assert figures["accuracy"]["value"] == pytest.approx(((scores >= 0.5) == labels).mean(), abs=2e-6)


def test_every_figure_has_an_interval_around_it(metrics: dict[str, Any]) -> None:
    figures = metrics["result"]["figures"]
    assert figures.pop("tpr_at_0_1_percent_fpr") == {"value": None, "low": None, "high": None}
    for name, figure in figures.items():
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1, name
        assert figure["low"] < figure["high"], name


def test_images_outside_the_domain_are_abstentions_and_never_errors_of_the_model(
    rows: list[dict[str, str]], metrics: dict[str, Any]
) -> None:
    large = [row for row in rows if row["source"] == "large-camera"]
    assert {(row["score"], row["verdict"]) for row in large} == {("", "uncertain")}
    result = metrics["result"]
    assert (result["scored"], result["outside_domain"]) == (131, 6)
    assert sum(result["confusion"].values()) == 131
    others = next(one for one in result["verdicts"]["by_class"] if one["label"] == "not-ai")
    assert (others["outside_domain"]["count"], others["outside_domain"]["total"]) == (6, 77)
    assert others["ai"]["count"] + others["uncertain"]["count"] + others["no_sign"]["count"] == 77
    camera = source(result["not_ai_sources"], "large-camera")
    assert camera["called_ai"] == {"count": 0, "total": 0, "rate": None, "low": None, "high": None}


def test_abstentions_and_accuracy_on_the_rest(rows: list[dict[str, str]], metrics: dict[str, Any]) -> None:
    judged = [row for row in rows if not row["error"]]
    decided = [row for row in judged if row["verdict"] != "uncertain"]
    right = [(row["verdict"] == "ai") == (row["label"] == "ai") for row in decided]
    found = metrics["result"]["verdicts"]
    assert found["abstentions"]["value"] == pytest.approx(1 - len(decided) / len(judged), abs=1e-6)
    assert found["accuracy_on_the_rest"]["value"] == pytest.approx(np.mean(right), abs=1e-6)


def test_unreadable_images_are_named_and_are_in_no_figure(
    rows: list[dict[str, str]], metrics: dict[str, Any]
) -> None:
    broken = next(row for row in rows if row["name"].endswith("broken.png"))
    assert (broken["score"], broken["verdict"], broken["error"]) == ("", "", "truncated")
    unreadable = [{"name": "real/warm-camera/broken.png", "code": "truncated"}]
    assert metrics["data"]["unreadable"] == unreadable
    assert metrics["data"]["images"] == len(rows) - 1


def test_without_skipping_an_unreadable_image_stops_the_evaluation(place: Path) -> None:
    with pytest.raises(DataError, match=r"broken\.png"):
        evaluate(load(place / "data"), load_bundle(place / "model"), resamples=100)


def test_sources_come_worst_first_with_exact_intervals(metrics: dict[str, Any]) -> None:
    result = metrics["result"]
    generators = result["ai_sources"]
    assert [row["source"] for row in generators] == ["hard-generator", "easy-generator"]
    assert generators[0]["called_ai"]["rate"] < generators[1]["called_ai"]["rate"]
    cameras = result["not_ai_sources"]
    assert [row["source"] for row in cameras] == ["warm-camera", "cold-camera", "large-camera"]
    rate = cameras[0]["called_ai"]
    assert rate["low"] < rate["count"] / rate["total"] < rate["high"]


def test_calibration_bins_hold_every_scored_image(
    rows: list[dict[str, str]], metrics: dict[str, Any]
) -> None:
    labels, scores = scored(rows)
    bins = metrics["result"]["calibration"]
    assert len(bins) == 15
    assert sum(one["images"] for one in bins) == len(scores)
    top = scores >= 14 / 15
    assert bins[-1]["images"] == top.sum()
    assert bins[-1]["share_ai"] == pytest.approx(labels[top].mean(), abs=1e-6)
    assert bins[-1]["mean_score"] == pytest.approx(scores[top].mean(), abs=1e-6)


def test_curves_run_from_corner_to_corner(metrics: dict[str, Any]) -> None:
    roc = metrics["result"]["roc"]
    assert (roc["x"][0], roc["y"][0], roc["x"][-1], roc["y"][-1]) == (0, 0, 1, 1)
    assert roc["x"] == sorted(roc["x"])


def test_every_rung_is_measured_on_both_classes_alike(metrics: dict[str, Any]) -> None:
    rungs = metrics["result"]["robustness"]
    assert [rung["name"] for rung in rungs] == ["clean", *(rung.name for rung in LADDERS["small"])]
    assert {rung["images"] for rung in rungs} == {131}  # the large ones are outside the domain
    clean = rungs[0]
    assert clean["auroc"]["value"] == metrics["result"]["figures"]["auroc"]["value"]
    assert clean["flip_rate"]["value"] == 0
    for rung in rungs[1:]:
        for name in ("auroc", "accuracy", "flip_rate"):
            figure = rung[name]
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
    # This model sees mean colours only: heavy noise clips little, JPEG 10 moves colours most.
    flips = {rung["name"]: rung["flip_rate"]["value"] for rung in rungs}
    assert flips["jpeg-10"] > flips["jpeg-90"]


def test_a_flip_is_a_verdict_that_changed(place: Path) -> None:
    data, bundle = load(place / "data" / "real" / "..", on_error="skip"), load_bundle(place / "model")
    found = evaluate(data, bundle, robustness=True, resamples=100)
    rung = next(one for one in LADDERS["small"] if one.name == "jpeg-10")
    flips = images = 0
    for item in data:
        if item.name.endswith("broken.png") or "large" in item.name:
            continue
        pixels = item.decode().pixels
        before, after = (bundle.scores([one])[0] for one in (pixels, rung.apply(pixels)))
        flips += bundle.thresholds.band(before) != bundle.thresholds.band(after)
        images += 1
    result = next(one for one in found.metrics.result.robustness if one.name == "jpeg-10")
    assert result.images == images
    assert result.flip_rate.value == pytest.approx(flips / images, abs=1e-6)


def test_two_models_are_compared_on_the_same_images(
    rows: list[dict[str, str]], metrics: dict[str, Any]
) -> None:
    both = [row for row in rows if row["score"] and row["second_score"]]
    comparison = metrics["comparison"]
    assert comparison["common_images"] == len(both) == 131
    labels, first = scored(rows)
    second = np.array([float(row["second_score"]) for row in both])
    first_right, second_right = (first >= 0.5) == labels, (second >= 0.5) == labels
    assert comparison["mcnemar"]["only_first"] == (first_right & ~second_right).sum()
    assert comparison["mcnemar"]["only_second"] == (second_right & ~first_right).sum()
    assert comparison["delong"]["second"] == pytest.approx(roc_auc_score(labels, second), abs=1e-5)
    assert comparison["second"]["model"]["name"] == "other"
    assert len(comparison["second"]["robustness"]) == len(metrics["result"]["robustness"])


def test_metrics_name_data_model_and_command_but_no_private_path(
    place: Path, output: Path, metrics: dict[str, Any]
) -> None:
    readable = load(place / "data", on_error="skip")
    kept = readable.subset(
        row for row, item in enumerate(readable.items) if not item.name.endswith("broken.png")
    )
    assert metrics["data"]["fingerprint"] == fingerprint(kept)
    assert metrics["data"]["name"] == "data"
    assert metrics["data"]["duplicates"] == 1
    assert metrics["result"]["model"]["version"] == "1.2.3"
    assert metrics["command"] == (
        "fauxto evaluate data --model model --output out --robustness --compare other --seed 7 "
        "--bootstrap 200"
    )
    for name in ("metrics.json", "predictions.csv", "report.html"):
        assert "secretplace" not in (output / name).read_text()


def test_a_table_may_name_images_elsewhere_whose_place_stays_private(place: Path, tmp_path: Path) -> None:
    (place / "elsewhere").mkdir()
    (place / "elsewhere" / "broken.png").write_bytes(b"")
    lines = ["path,label", f"{place / 'elsewhere' / 'broken.png'},real"]
    lines += [f"{place / 'data' / 'ai' / 'hard-generator' / name},ai" for name in ("0001.png", "0002.png")]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    data = load(tmp_path / "table.csv", on_error="skip")
    evaluate(data, load_bundle(place / "model"), resamples=100).write(tmp_path / "out")
    for name in ("metrics.json", "report.html"):
        assert "elsewhere/broken.png" in (tmp_path / "out" / name).read_text()
        assert "secretplace" not in (tmp_path / "out" / name).read_text()


def test_metrics_json_is_its_documented_schema(output: Path, metrics: dict[str, Any]) -> None:
    Metrics.model_validate_json((output / "metrics.json").read_text())
    document = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()

    def names(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set(value).union(*map(names, value.values()))
        return set().union(*map(names, value)) if isinstance(value, list) else set()

    missing = {name for name in names(metrics) if f"`{name}`" not in document}
    assert not missing


def test_the_same_call_gives_the_same_bytes(place: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        evaluation = small_evaluation(place)
        evaluation.write(tmp_path / name)
    for file in ("metrics.json", "predictions.csv", "report.html"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def small_evaluation(place: Path, **options: Any) -> Evaluation:
    data = load(place / "data", on_error="skip")
    return evaluate(data, load_bundle(place / "model"), resamples=100, **options)


def test_measuring_and_calibrating_need_no_torch(place: Path, tmp_path: Path) -> None:
    model = ["--model", str(place / "model")]
    commands = [
        ["evaluate", str(place / "data"), *model, "--output", str(tmp_path / "out"), *QUICK],
        ["calibrate", str(place / "data"), *model, "--output", str(tmp_path / "new"), "--max-fpr", "0.1"],
    ]
    for arguments in commands:
        code = (
            "import sys\nfrom fauxto.cli import main\n"
            "try:\n    main()\nfinally:\n    print('torch' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("False\n")
    assert (tmp_path / "out" / "report.html").is_file() and (tmp_path / "new" / "config.json").is_file()


def test_the_report_needs_nothing_beside_itself(output: Path) -> None:
    page = re.sub(r"base64,[A-Za-z0-9+/=]+", "base64,", (output / "report.html").read_text())
    assert "//" not in page  # no address, with or without a scheme
    assert not re.findall(r'(?:src|href)="(?!data:image/png;base64,|#)', page)
    assert "@import" not in page
    assert "<script" not in page
    assert not re.findall(r"url\((?!#)", page)


def test_the_report_says_what_was_measured(output: Path, metrics: dict[str, Any]) -> None:
    page = (output / "report.html").read_text()
    for fact in (
        metrics["data"]["fingerprint"],
        "coloured 1.2.3",
        metrics["result"]["model"]["sha256"],
        "<td>7, 200</td>",
        metrics["command"],
        "broken.png",
        "hard-generator",
    ):
        assert fact in page, fact


def test_the_report_reads_on_a_phone_and_in_the_dark(output: Path) -> None:
    page = (output / "report.html").read_text()
    assert '<meta name="viewport" content="width=device-width' in page
    assert "color-scheme: light dark" in page
    plots = re.findall(r"<svg[^>]*>", page)
    assert len(plots) == 5  # ROC, precision-recall, calibration, AUROC and flips by rung
    assert all("viewBox" in plot and "width" not in plot for plot in plots)
    assert "currentColor" in page


def test_the_contact_sheet_shows_the_most_confident_mistakes(
    output: Path, rows: list[dict[str, str]]
) -> None:
    page = (output / "report.html").read_text()
    sheet = page[page.index("Most confident mistakes") :]
    alarms = [row for row in rows if row["label"] == "not-ai" and row["score"] and float(row["score"]) >= 0.5]
    worst = max(alarms, key=lambda row: float(row["score"]))
    assert re.search(rf'<img src="data:image/png;base64,[^"]+" alt="{re.escape(worst["name"])}">', sheet)
    assert sheet.count("<img") == min(12, len(alarms)) + 12 - max(0, 12 - misses(rows))


def misses(rows: list[dict[str, str]]) -> int:
    return sum(row["label"] == "ai" and bool(row["score"]) and float(row["score"]) < 0.5 for row in rows)


def test_names_cannot_smuggle_markup_into_the_report(tmp_path: Path) -> None:
    write_images(tmp_path / "d" / "ai" / "<script>alert(1)", 3, redness=-60)
    write_images(tmp_path / "d" / "real" / "x", 3, redness=-80, seed=9)
    bundle = load_bundle(write_bundle(tmp_path / "m"))
    evaluate(load(tmp_path / "d"), bundle, resamples=100).write(tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("label", ["ai", "real"])
def test_one_class_alone_gives_what_it_can(place: Path, tmp_path: Path, label: str) -> None:
    data = tmp_path / "data" / label
    shutil.copytree(place / "data" / label, data)
    bundle = load_bundle(place / "model")
    found = evaluate(load(tmp_path / "data", on_error="skip"), bundle, resamples=100, robustness=True)
    found.write(tmp_path / "out")
    figures = found.metrics.result.figures
    assert figures.accuracy.value is not None
    assert figures.auroc.value is None
    assert found.metrics.result.roc.x == ()
    assert bool(found.metrics.result.ai_sources) == (label == "ai")


def test_data_wholly_outside_the_domain_are_all_abstentions(place: Path, tmp_path: Path) -> None:
    bundle = load_bundle(write_bundle(tmp_path / "narrow", max_side=10))
    found = evaluate(load(place / "data", on_error="skip"), bundle, resamples=100, robustness=True)
    found.write(tmp_path / "out")
    assert found.metrics.result.scored == 0
    assert found.metrics.result.verdicts.abstentions.value == 1
    assert found.metrics.result.figures.accuracy.value is None


def test_a_model_without_thresholds_is_compared_by_its_scores_alone(place: Path, tmp_path: Path) -> None:
    imported = load_bundle(write_bundle(tmp_path / "imported", fitted=False, ai=1.0, no_sign=0.0))
    small_evaluation(place, compare=imported).write(tmp_path / "out")
    found = Metrics.model_validate_json((tmp_path / "out" / "metrics.json").read_text())
    assert found.comparison is not None
    second = found.comparison.second
    assert (second.model.ai_threshold, second.model.no_sign_threshold) == (None, None)
    assert second.verdicts.abstentions.value == 1
    assert second.figures.auroc == found.result.figures.auroc
    assert "no thresholds are set" in (tmp_path / "out" / "report.html").read_text()


def test_a_limit_keeps_every_class_and_source_and_depends_on_the_seed(place: Path) -> None:
    data = load(place / "data")
    part = limited(data, 40, seed=0)
    assert 36 <= len(part) <= 44
    assert set(part.sources) == set(data.sources)
    assert [item.name for item in part] != [item.name for item in limited(data, 40, seed=1)]
    names = [item.name for item in data]
    places = [names.index(item.name) for item in part]
    assert places == sorted(places)
    assert len(limited(data, 10_000, seed=0)) == len(data)


def test_only_the_named_split_is_measured(place: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_images(tmp_path / "d" / split / "ai", 5, redness=40, seed=len(split))
        write_images(tmp_path / "d" / split / "real", 6, redness=-40, seed=2 * len(split) + 1)
    out = tmp_path / "out"
    run([tmp_path / "d", "--model", place / "model", "--output", out, "--split", "test", *QUICK])
    data = json.loads((out / "metrics.json").read_text())["data"]
    assert (data["images"], data["split"]) == (11, "test")


def test_wrong_use_is_an_error_with_a_remedy_before_anything_is_read(place: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    cases: list[tuple[list[str | Path], type[FauxtoError], str]] = [
        ([place / "nothing", "--model", place / "model", "--output", tmp_path], DataError, "nothing"),
        ([place / "data", "--model", "no-such-model", "--output", tmp_path], UsageError, "no-such-model"),
        (
            [place / "data", "--model", place / "model", "--output", tmp_path / "file"],
            UsageError,
            "not a folder",
        ),
    ]
    app = typer.Typer()
    app.command()(command)
    for arguments, error, message in cases:
        with pytest.raises(error, match=message):
            CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
