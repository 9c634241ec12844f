"""Parquet in the Hugging Face image layout, and CSV: labels go by their names."""

from __future__ import annotations

import pickle
import random
import sys
from pathlib import Path

import pytest

from fauxto.data import fingerprint, load
from fauxto.data import parquet as parquet_module
from fauxto.errors import DataError, MissingExtraError
from labelled_images import encoded, write_parquet, write_tree

IMAGES = [encoded(seed) for seed in range(8)]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("FAKE", "REAL"), [0, 1, 1, 0]),
        (("REAL", "FAKE"), [1, 0, 0, 1]),
        (("nature", "ai"), [1, 0, 0, 1]),
        (("ai_generated", "photo"), [0, 1, 1, 0]),
    ],
)
def test_numbers_mean_what_the_schema_names_them(
    tmp_path: Path, names: tuple[str, str], labels: list[int]
) -> None:
    path = write_parquet(tmp_path / "set.parquet", IMAGES[:4], labels, names=names)
    assert load(path).labels.tolist() == [1, 0, 0, 1]


def test_string_labels_need_no_metadata(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "set.parquet", IMAGES[:2], ["fake", "real"], names=None)
    assert load(path).labels.tolist() == [1, 0]


def test_numbers_without_names_are_refused_and_ask_for_names(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "set.parquet", IMAGES[:2], [0, 1], names=None)
    with pytest.raises(DataError, match=r"the label is the number 0 .*store names in place of numbers"):
        load(path)


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, 2], ("FAKE", "REAL"), "label 2 has no name"),
        ([0, -1], ("FAKE", "REAL"), "label -1 has no name"),
        ([0, None], ("FAKE", "REAL"), "#1: the label is missing"),
        ([0, 1], ("cat", "dog"), "unknown class 'cat'; expected names as in REAL/FAKE"),
    ],
)
def test_labels_that_name_no_known_class_are_refused(
    tmp_path: Path, labels: list[int | None], names: tuple[str, str], message: str
) -> None:
    path = write_parquet(tmp_path / "set.parquet", IMAGES[:2], labels, names=names)
    with pytest.raises(DataError, match=message):
        load(path)


def test_rows_give_their_bytes_in_any_order_across_row_groups(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "set.parquet", IMAGES, [0, 1] * 4, row_group_size=3)
    dataset = load(path)
    order = list(range(8)) * 2
    random.Random(0).shuffle(order)
    assert [dataset[row].read() for row in order] == [IMAGES[row] for row in order]


def test_large_row_groups_are_streamed_and_the_cache_stays_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_module, "_BATCH_ROWS", 4)
    monkeypatch.setattr(parquet_module, "_CACHE_BYTES", 20_000)
    images = [bytes([row]) * 1000 for row in range(100)]
    path = write_parquet(tmp_path / "set.parquet", images, [0, 1] * 50, row_group_size=90)
    dataset = load(path)
    order = [*range(100), 3, 95, 89, 90, 0, 99, 50]
    assert [dataset[row].read()[0] for row in order] == order
    held = dataset[0].encoded.images._cache.values()  # type: ignore[attr-defined]
    assert sum(batch.nbytes for batch in held) <= 20_000


def test_a_data_set_can_be_sent_to_another_process(tmp_path: Path) -> None:
    dataset = load(write_parquet(tmp_path / "set.parquet", IMAGES, [0, 1] * 4))
    assert dataset[5].read() == IMAGES[5]
    assert pickle.loads(pickle.dumps(dataset))[5].read() == IMAGES[5]


def test_sources_and_pairs_are_read_where_the_file_has_them(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "set.parquet", IMAGES[:2], [0, 1], source=["flux", None], pair=["dcaf", None]
    )
    dataset = load(path)
    assert dataset.sources == ("flux", "")
    assert dataset.pairs == ("dcaf", None)


def test_a_folder_of_shards_is_one_data_set_with_its_splits(tmp_path: Path) -> None:
    write_parquet(tmp_path / "data/train-00000-of-00002.parquet", IMAGES[:3], [0, 1, 0])
    write_parquet(tmp_path / "data/train-00001-of-00002.parquet", IMAGES[3:5], [1, 0])
    write_parquet(tmp_path / "data/test-00000-of-00001.parquet", IMAGES[5:], [1, 0, 1])
    dataset = load(tmp_path)
    assert [item.read() for item in dataset.select("train")] == IMAGES[:5]
    assert load(tmp_path, split="test").labels.tolist() == [0, 1, 0]


def test_a_single_file_declares_no_split_by_its_name(tmp_path: Path) -> None:
    assert load(write_parquet(tmp_path / "train.parquet", IMAGES[:2], [0, 1])).splits == ()


def test_shards_of_which_only_some_name_a_split_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", IMAGES[:2], [0, 1])
    write_parquet(tmp_path / "wild.parquet", IMAGES[2:4], [0, 1])
    with pytest.raises(DataError, match=r"wild\.parquet#0.* to none"):
        load(tmp_path)


def test_no_text_of_a_file_reaches_the_terminal_as_it_is(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "set.parquet", IMAGES[:2], [0, 1], source=["a\x1b[31m", "b"])
    assert [item.source for item in load(path)] == [r"a\x1b[31m", "b"]


def test_a_row_without_bytes_is_reported_with_its_place(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "set.parquet", [IMAGES[0], None], [0, 1])
    dataset = load(path, on_error="skip")
    assert [index for index, _ in dataset.decoded()] == [0]
    assert dataset.unreadable[1].code == "empty"
    assert "set.parquet#1" in dataset.unreadable[1].message


def test_a_damaged_part_of_a_file_costs_only_the_rows_in_it(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "set.parquet", IMAGES, [0, 1] * 4, row_group_size=4)
    data = bytearray(path.read_bytes())
    inside = data.index(IMAGES[1][100:120])
    data[inside - 300 : inside] = b"\xff" * 300
    path.write_bytes(data)
    dataset = load(path, on_error="skip")
    for _ in range(2):
        assert [index for index, _ in dataset.decoded()][-4:] == [4, 5, 6, 7]
    assert set(dataset.unreadable) <= {0, 1, 2, 3}
    assert dataset.unreadable


def test_what_is_no_parquet_file_and_what_lacks_a_column_is_named(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_tree(tmp_path, {"broken.parquet": b"PAR1 and then nothing"})
    with pytest.raises(DataError, match=r"broken\.parquet: not a readable parquet file"):
        load(tmp_path / "broken.parquet")
    for label in (["ai"], {"name": "ai"}):
        pq.write_table(pa.table({"image": [b"x"], "label": [label]}), tmp_path / "nested.parquet")
        with pytest.raises(DataError, match=r"nested\.parquet: the column 'label' is (list|struct)"):
            load(tmp_path / "nested.parquet")
    pq.write_table(pa.table({"img": [b"x"], "label": ["ai"]}), tmp_path / "columns.parquet")
    with pytest.raises(DataError, match="no column 'image'; it has 'img', 'label'"):
        load(tmp_path / "columns.parquet")


def test_without_pyarrow_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "set.parquet", IMAGES[:2], [0, 1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"reading parquet .*fauxto\[parquet\]"):
        load(path)


def test_a_csv_names_paths_relative_to_itself(tmp_path: Path) -> None:
    write_tree(tmp_path, {"pictures/a.jpg": IMAGES[0], "elsewhere/b.jpg": IMAGES[1]})
    absolute = tmp_path / "elsewhere/b.jpg"
    table = f"Path,Label,source,split\npictures/a.jpg,AI,flux,train\n{absolute},Real,,valid\n"
    (tmp_path / "labels.csv").write_text(table, encoding="utf-8-sig")
    dataset = load(tmp_path / "labels.csv")
    assert [(item.label, item.source, item.split) for item in dataset] == [
        (1, "flux", "train"),
        (0, "", "validation"),
    ]
    assert [item.read() for item in dataset] == IMAGES[:2]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,label\na.jpg,ai\n", "no column 'path'; the first line must name the columns"),
        ("path,label\na.jpg,1\n", "line 2: unknown label '1'; a number does not say"),
        ("path,label\na.jpg,ai\nb.jpg,\n", "line 3: unknown label ''"),
        ("path,label\n,ai\n", "line 2: the path is empty"),
        ("path,label,split\na.jpg,ai,later\n", "unknown split 'later'"),
        ("path,label\n", "no images in it"),
        ("", "no column 'path'"),
    ],
)
def test_a_csv_that_leaves_something_open_is_refused(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "labels.csv")


def test_a_csv_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00path")
    with pytest.raises(DataError, match=r"labels\.csv: not a readable CSV"):
        load(tmp_path / "labels.csv")


def test_a_file_that_the_csv_names_and_nobody_has_is_unreadable_not_dropped(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\nmissing.jpg,ai\n")
    dataset = load(tmp_path / "labels.csv", on_error="skip")
    assert dataset.hashes == ("",)
    assert dataset.unreadable[0].code == "not-found"


def test_the_same_images_have_one_fingerprint_in_every_layout(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"real/z.jpg": IMAGES[0], "fake/a.jpg": IMAGES[1]})
    table = write_parquet(tmp_path / "set.parquet", IMAGES[:2], [1, 0])
    assert fingerprint(load(tree)) == fingerprint(load(table))
    relabelled = write_parquet(tmp_path / "other.parquet", IMAGES[:2], [0, 1])
    assert fingerprint(load(relabelled)) != fingerprint(load(table))
