"""Class folders: the label is a folder's name, in the layouts that public data sets use."""

from __future__ import annotations

from pathlib import Path

import pytest

from fauxto.data import load
from fauxto.errors import DataError
from labelled_images import encoded, write_tree

IMAGE = encoded(0)


@pytest.mark.parametrize(
    ("not_ai", "ai"),
    [
        ("REAL", "FAKE"),
        ("real", "fake"),
        ("Real", "Fake"),
        ("real", "ai"),
        ("0_real", "1_fake"),
        ("nature", "ai"),
        ("Nature", "AI"),
        ("real_images", "fake_images"),
        ("Human", "AI-Generated"),
    ],
)
def test_class_folders_are_known_by_the_usual_names_in_any_case(tmp_path: Path, not_ai: str, ai: str) -> None:
    write_tree(tmp_path, {f"{not_ai}/a.jpg": IMAGE, f"{ai}/b.png": IMAGE})
    labels = {Path(item.name).name: item.label for item in load(tmp_path)}
    assert labels == {"a.jpg": 0, "b.png": 1}


def test_a_number_before_the_name_does_not_decide(tmp_path: Path) -> None:
    write_tree(tmp_path, {"0_fake/a.jpg": IMAGE, "1_real/b.jpg": IMAGE})
    assert {Path(item.name).name: item.label for item in load(tmp_path)} == {"a.jpg": 1, "b.jpg": 0}


def test_the_cifake_archive_as_kaggle_unpacks_it(tmp_path: Path) -> None:
    parts = [f"{split}/{name}" for split in ("train", "test") for name in ("REAL", "FAKE")]
    write_tree(tmp_path, {f"{part}/0001 (2).jpg": IMAGE for part in parts})
    dataset = load(tmp_path)
    assert dataset.splits == ("train", "test")
    assert sorted((item.split, item.label, item.source) for item in dataset) == [
        ("test", 0, ""),
        ("test", 1, ""),
        ("train", 0, ""),
        ("train", 1, ""),
    ]


def test_the_140k_faces_archive_as_kaggle_unpacks_it(tmp_path: Path) -> None:
    base = "real_vs_fake/real-vs-fake"
    parts = [f"{base}/{split}/{name}" for split in ("train", "valid", "test") for name in ("real", "fake")]
    tables = {"train.csv": b"id,path\n", "valid.csv": b"id,path\n", "test.csv": b"id,path\n"}
    write_tree(tmp_path, {f"{part}/00001.jpg": IMAGE for part in parts} | tables)
    dataset = load(tmp_path)
    assert dataset.splits == ("train", "validation", "test")
    assert [item.label for item in dataset.select("valid")] == [1, 0]
    assert {item.source for item in dataset} == {""}
    assert dataset.ignored == {".csv": 3}


def test_one_split_can_be_asked_for_by_any_of_its_names(tmp_path: Path) -> None:
    write_tree(tmp_path, {"train/real/a.jpg": IMAGE, "val/real/b.jpg": IMAGE, "val/fake/c.jpg": IMAGE})
    for name in ("val", "valid", "validation"):
        assert len(load(tmp_path, split=name)) == 2
    with pytest.raises(DataError, match="no split 'test'; it declares 'train', 'validation'"):
        load(tmp_path, split="test")


def test_the_folder_below_the_class_folder_is_the_source(tmp_path: Path) -> None:
    write_tree(tmp_path, {"fake/sdxl/x/a.jpg": IMAGE, "fake/flux/b.jpg": IMAGE, "real/c.jpg": IMAGE})
    assert {Path(item.name).name: item.source for item in load(tmp_path)} == {
        "a.jpg": "sdxl",
        "b.jpg": "flux",
        "c.jpg": "",
    }


def test_class_folders_below_one_folder_a_generator_take_its_name_as_source(tmp_path: Path) -> None:
    write_tree(tmp_path, {"g/Midjourney/train/ai/a.png": IMAGE, "g/ADM/train/nature/b.png": IMAGE})
    assert {item.source for item in load(tmp_path)} == {"Midjourney", "ADM"}


def test_an_unknown_class_folder_is_named_with_what_was_expected(tmp_path: Path) -> None:
    write_tree(tmp_path, {"real/a.jpg": IMAGE, "dubious/b.jpg": IMAGE})
    with pytest.raises(DataError, match=r"'dubious'.*expected class folders named REAL/FAKE"):
        load(tmp_path)


def test_images_beside_the_class_folders_are_not_dropped_silently(tmp_path: Path) -> None:
    write_tree(tmp_path, {"real/a.jpg": IMAGE, "fake/b.jpg": IMAGE, "sample.jpg": IMAGE})
    with pytest.raises(DataError, match="outside class folders, in 'the folder itself'"):
        load(tmp_path)


@pytest.mark.parametrize("inner", ["fake/nature/a.jpg", "train/fake/test/a.jpg"])
def test_a_path_that_names_two_classes_or_splits_is_refused(tmp_path: Path, inner: str) -> None:
    write_tree(tmp_path, {inner: IMAGE})
    with pytest.raises(DataError, match="two classes or two splits"):
        load(tmp_path)


def test_splits_for_some_images_only_are_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, {"train/real/a.jpg": IMAGE, "fake/b.jpg": IMAGE})
    with pytest.raises(DataError, match=r"belongs to the split train and .*b\.jpg' to none"):
        load(tmp_path)


def test_a_folder_with_images_and_parquet_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, {"real/a.jpg": IMAGE, "train.parquet": b"PAR1"})
    with pytest.raises(DataError, match=r"both parquet files .*and image files"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no images and no parquet files in it; expected class folders named"),
        ({"real/.DS_Store": b"", "notes.txt": b""}, "no images"),
        ({"labels.csv": b"path,label\n"}, "give the path of the .csv itself"),
    ],
)
def test_an_empty_folder_is_an_error_that_says_what_was_expected(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(write_tree(tmp_path, files))


def test_a_missing_path_and_a_file_of_another_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such file or folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "data.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"data\.zip: not a data set; expected a folder"):
        load(tmp_path / "data.zip")


def test_linked_class_folders_are_followed_and_a_loop_ends(tmp_path: Path) -> None:
    store = write_tree(tmp_path / "store", {"a.jpg": IMAGE})
    root = write_tree(tmp_path / "set", {"real/b.jpg": IMAGE})
    (root / "fake").symlink_to(store)
    (root / "real" / "again").symlink_to(root)
    assert sorted(load(root).labels.tolist()) == [0, 1]


def test_hidden_files_and_other_files_are_counted(tmp_path: Path) -> None:
    write_tree(tmp_path, {"real/a.jpg": IMAGE, "real/._a.jpg": b"mac", "real/Thumbs.db": b"", "README": b""})
    assert load(tmp_path).ignored == {".db": 1, "hidden": 1, "no suffix": 1}


def test_a_name_that_is_not_utf8_is_readable_and_printable(tmp_path: Path) -> None:
    write_tree(tmp_path, {"real/b.jpg": IMAGE})
    name = b"f\xff.jpg".decode("utf-8", "surrogateescape")
    try:
        (tmp_path / "real" / name).write_bytes(IMAGE)
    except OSError:
        return  # this file system holds no such name, so nobody can have one in a data set
    odd = load(tmp_path)[1]
    assert odd.name.endswith(r"f\xff.jpg")
    assert odd.read() == IMAGE
    (tmp_path / "real" / b"f.\xff\x1b[31m".decode("utf-8", "surrogateescape")).write_bytes(IMAGE)
    assert load(tmp_path).ignored == {r".\xff\x1b[31m": 1}


def test_a_class_folder_may_be_given_itself(tmp_path: Path) -> None:
    write_tree(tmp_path / "Photos", {"a.jpg": IMAGE, "mine/b.jpg": IMAGE})
    found = load(tmp_path / "Photos")
    assert found.labels.tolist() == [0, 0]
    assert [item.source for item in found] == ["", "mine"]
    write_tree(tmp_path / "Photos", {"fake/c.jpg": IMAGE})
    with pytest.raises(DataError, match="outside class folders"):  # then its own name says nothing
        load(tmp_path / "Photos")


def test_an_unreadable_image_stops_a_pass_and_says_how_to_go_on(tmp_path: Path) -> None:
    write_tree(tmp_path, {"real/a.jpg": IMAGE, "fake/broken.jpg": IMAGE[:200]})
    with pytest.raises(DataError, match=r"broken\.jpg.*on_error='skip'"):
        list(load(tmp_path).decoded())


def test_skipped_images_are_counted_with_their_errors(tmp_path: Path) -> None:
    write_tree(tmp_path, {"real/a.jpg": IMAGE, "fake/broken.jpg": IMAGE[:200], "fake/zero.png": b""})
    dataset = load(tmp_path, on_error="skip")
    positions = [index for index, _ in dataset.decoded()]
    assert [dataset[index].label for index in positions] == [0]
    assert {Path(dataset[index].name).name: error.code for index, error in dataset.unreadable.items()} == {
        "broken.jpg": "truncated",
        "zero.png": "empty",
    }
    list(dataset.decoded())
    assert len(dataset.unreadable) == 2, "a second pass does not count them twice"
