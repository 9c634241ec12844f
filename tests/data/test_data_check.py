"""`fauxto data check`: what it finds in data that were spoiled on purpose, and that it is quiet elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fauxto.cli.data import app
from fauxto.data import CheckReport, check, load, shortcut_test
from fauxto.data.checks import shortcut_warning
from fauxto.data.duplicates import grey_thumbnail, perceptual_groups
from fauxto.errors import DataError, MissingExtraError
from labelled_images import encoded, write_parquet, write_tree

CIFAKE = Path(__file__).parents[3] / "shared" / "data" / "cifake" / "test.parquet"


def two_classes(root: Path, count: int, real: dict[str, object], fake: dict[str, object]) -> CheckReport:
    """Check `count` images a class, whose pixels are drawn alike and whose files are written as said."""
    reals = {f"real/{seed}.jpg": encoded(seed, **real) for seed in range(count)}  # type: ignore[arg-type]
    fakes = {
        f"fake/{seed}.jpg": encoded(count + seed, **fake)  # type: ignore[arg-type]
        for seed in range(count)
    }
    return check(load(write_tree(root, reals | fakes)))


def test_the_shortcut_test_fires_when_the_jpeg_quality_differs_by_class(tmp_path: Path) -> None:
    report = two_classes(tmp_path, 60, {"quality": 75}, {"quality": 95})
    assert report.shortcut is not None
    assert report.shortcut.auroc > 0.99
    assert report.shortcut.alone["JPEG quality"] > 0.99
    assert report.shortcut.alone["width"] == 0.5
    assert any(warning.startswith("Shortcut") for warning in report.warnings)


@pytest.mark.parametrize(
    ("fake", "feature"), [({"side": 40, "quality": 75}, "width"), ({"kind": "PNG"}, "format")]
)
def test_the_shortcut_test_names_the_feature_that_gives_the_class_away(
    tmp_path: Path, fake: dict[str, object], feature: str
) -> None:
    report = two_classes(tmp_path, 40, {"quality": 75}, fake)
    assert report.shortcut is not None
    assert report.shortcut.alone[feature] > 0.99
    assert report.shortcut.shortcut


def test_the_shortcut_test_is_quiet_when_both_classes_are_written_alike(tmp_path: Path) -> None:
    report = two_classes(tmp_path, 200, {"quality": 85}, {"quality": 85})
    assert report.shortcut is not None
    assert report.shortcut.auroc < 0.6
    assert report.shortcut.without_file_size == 0.5
    assert report.warnings == ()


@pytest.mark.parametrize("jpegs", [0, 1])
def test_data_with_hardly_a_jpeg_are_tested_all_the_same(tmp_path: Path, jpegs: int) -> None:
    files = {
        f"{name}/{seed}.png": encoded(seed, kind="PNG") for name in ("real", "fake") for seed in range(24)
    }
    files |= {f"real/{seed}.png": encoded(seed) for seed in range(jpegs)}
    files |= {f"fake/{seed}.png": encoded(seed + 24, 40, "PNG") for seed in range(24)}
    report = check(load(write_tree(tmp_path, files)))
    assert report.shortcut is not None
    assert report.shortcut.alone["JPEG quality"] == pytest.approx(0.5, abs=0.1)
    assert report.shortcut.alone["width"] > 0.95


def test_a_figure_that_so_few_images_may_give_by_chance_is_called_that(tmp_path: Path) -> None:
    features = np.full((40, 5), 32.0)
    labels = np.array([0, 1] * 20, np.int8)
    # Of 40 images, five of one class are twice as wide: an AUROC of about 0.62.
    features[labels.nonzero()[0][:5], 1] = 64
    found = shortcut_test(features, labels, [f"{row:064x}" for row in range(40)])
    assert found is not None
    assert found.shortcut
    assert found.low < 0.5
    assert "may be chance" in shortcut_warning(found)


def test_a_handful_of_images_gives_no_shortcut_figure(tmp_path: Path) -> None:
    assert two_classes(tmp_path, 9, {}, {}).shortcut is None


def test_the_report_counts_by_class_split_and_source(tmp_path: Path) -> None:
    files = {
        "train/fake/flux/a.jpg": encoded(1, side=48, quality=92),
        "train/fake/flux/b.png": encoded(2, kind="PNG"),
        "test/real/c.jpg": encoded(3, quality=70, subsampling=0),
    }
    report = check(load(write_tree(tmp_path, files)))
    assert [(one.label, one.split, one.source, one.images) for one in report.counts] == [
        ("ai", "train", "flux", 2),
        ("not-ai", "test", "", 1),
    ]
    not_ai, ai = report.classes
    assert (not_ai.label, not_ai.jpeg_qualities, not_ai.subsampling) == ("not-ai", {"70": 1}, {"4:4:4": 1})
    assert ai.formats == {"JPEG": 1, "PNG": 1}
    assert ai.width == (32, 40, 48)
    assert ai.common_sizes == {"32x32": 1, "48x48": 1}


def test_duplicates_are_counted_within_and_across_splits_and_classes(tmp_path: Path) -> None:
    files = {
        "train/real/a.jpg": encoded(1, quality=90),
        "train/real/b.jpg": encoded(2, quality=90),
        "train/real/b again.jpg": encoded(2, quality=90),
        "train/fake/c.jpg": encoded(3, quality=90),
        "test/real/a of lower quality.jpg": encoded(1, quality=60),
        "test/real/c under another label.jpg": encoded(3, quality=90),
    }
    report = check(load(write_tree(tmp_path, files)))
    exact, perceptual = report.exact_duplicates, report.perceptual_duplicates
    assert (exact.groups, exact.images) == (2, 4)
    assert (exact.within_splits, exact.across_splits, exact.across_classes) == (1, 1, 1)
    assert [Path(name).name for name in exact.examples[0]] == ["c under another label.jpg", "c.jpg"]
    assert (perceptual.groups, perceptual.across_splits, perceptual.across_classes) == (1, 1, 0)
    text = " ".join(report.warnings)
    assert "Exact duplicates lie in several splits (1 group)" in text
    assert "Exact duplicates lie in both classes" in text
    assert "Perceptual duplicates lie in several splits" in text


def test_a_photograph_and_its_remake_that_the_data_pair_are_no_contradiction(tmp_path: Path) -> None:
    images = [encoded(1, side=128, quality=90), encoded(1, side=128, quality=70)]
    joined = write_parquet(tmp_path / "joined.parquet", images, [0, 1], pair=["dcaf", "dcaf"])
    loose = write_parquet(tmp_path / "loose.parquet", images, [0, 1], pair=["dcaf", None])
    assert check(load(joined)).perceptual_duplicates.groups == 1
    assert check(load(joined)).warnings == ()
    assert "a column 'pair' should join" in check(load(loose)).warnings[0]


def test_more_metadata_in_one_class_is_told_from_another_encoding(tmp_path: Path) -> None:
    report = two_classes(tmp_path, 40, {"quality": 85, "comment": b"x" * 5000}, {"quality": 85})
    assert report.shortcut is not None
    assert report.shortcut.auroc > 0.99
    assert report.shortcut.without_file_size == 0.5
    assert "more metadata" in report.warnings[0]


def test_unreadable_images_are_listed_and_do_not_end_the_check(tmp_path: Path) -> None:
    files = {
        "real/a.jpg": encoded(1),
        "fake/b.jpg": encoded(2),
        "fake/text.jpg": b"hello",
        "fake/zero.jpg": b"",
    }
    report = check(load(write_tree(tmp_path, files)))
    assert report.images == 2
    assert {(Path(one.name).name, one.code) for one in report.unreadable} == {
        ("text.jpg", "not-an-image"),
        ("zero.jpg", "empty"),
    }
    assert report.warnings[0] == "2 images cannot be read: repair or remove them."


def test_data_of_which_nothing_can_be_read_are_an_error(tmp_path: Path) -> None:
    write_tree(tmp_path, {"real/a.jpg": b"", "fake/b.jpg": b""})
    with pytest.raises(DataError, match="none of its 2 images can be read"):
        check(load(tmp_path))


def test_one_class_alone_is_warned_about(tmp_path: Path) -> None:
    report = check(load(write_tree(tmp_path, {"real/a.jpg": encoded(1)})))
    assert report.warnings == ("Only one class is here: nothing can be trained or measured on it alone.",)


def test_without_scikit_learn_the_error_comes_before_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load(write_tree(tmp_path, {"real/a.jpg": b""}))
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"fauxto\[evaluate\]"):
        check(dataset)


def test_the_command_prints_tables_or_json(tmp_path: Path) -> None:
    images = [encoded(seed, quality=75 if seed % 2 else 95) for seed in range(24)]
    path = write_parquet(
        tmp_path / "set.parquet", images, [seed % 2 for seed in range(24)], source=["[s]"] * 24
    )
    table = CliRunner().invoke(app, ["check", str(path)], catch_exceptions=False)
    assert table.exit_code == 0
    assert "[s]" in table.output
    assert "Shortcut test: AUROC 1.000" in table.output.replace("\n", " ")
    assert "Warning:" in table.output
    answer = CliRunner().invoke(app, ["check", str(path), "--format", "json"], catch_exceptions=False)
    report = json.loads(answer.stdout)
    assert report["images"] == 24
    assert report["shortcut"]["shortcut"] is True


def test_nothing_ever_says_that_an_image_is_real(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "set.parquet", [encoded(1), encoded(2)], [0, 1])
    assert "real" not in CliRunner().invoke(app, ["check", str(path)]).output.lower()


def test_on_cifake_tiny_pictures_of_one_kind_do_not_drown_the_report_in_false_pairs() -> None:
    if not CIFAKE.exists():
        pytest.skip("needs ../shared for CIFAKE")
    dataset = load(CIFAKE)
    assert dataset.labels.sum() == 2492
    assert {item.source for item in dataset if item.label} == {"stable-diffusion-1.4"}
    thumbnails = [grey_thumbnail(image.pixels) for _, image in dataset.decoded()]
    assert len(perceptual_groups(np.stack(thumbnails))) <= 3
