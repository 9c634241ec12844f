"""Small images decoded once: re-used while the data stay, made anew when they change, never half done."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from fauxto.data import Dataset, arrays, decode_small, load
from fauxto.errors import DataError
from labelled_images import encoded, picture, write_parquet, write_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {f"fake/flux/{seed}.png": encoded(seed, kind="PNG") for seed in range(3)}
    return write_tree(tmp_path / "set", files | {"real/9.png": encoded(9, kind="PNG")})


@pytest.fixture
def decoding(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Positions of the images that are really decoded, in the order in which that happens."""
    done: list[int] = []
    decoded = Dataset.decoded

    def counted(dataset: Dataset):  # type: ignore[no-untyped-def]
        for index, image in decoded(dataset):
            done.append(index)
            yield index, image

    monkeypatch.setattr(Dataset, "decoded", counted)
    return done


def test_the_arrays_hold_the_pixels_labels_hashes_and_sources(tree: Path, tmp_path: Path) -> None:
    dataset = load(tree)
    small = decode_small(dataset, side=32, cache=tmp_path / "cache")
    assert np.array_equal(small.images, [picture(0), picture(1), picture(2), picture(9)])
    assert isinstance(small.images, np.memmap)
    assert not small.images.flags.writeable
    assert small.labels.tolist() == [1, 1, 1, 0]
    assert small.sources == ("flux", "flux", "flux", "")
    assert small.hashes == dataset.hashes
    assert len(small) == 4


def test_a_second_call_decodes_nothing(tree: Path, tmp_path: Path, decoding: list[int]) -> None:
    first = decode_small(load(tree), side=32, cache=tmp_path / "cache")
    assert len(decoding) == 4
    again = decode_small(load(tree), side=32, cache=tmp_path / "cache")
    assert len(decoding) == 4
    assert np.array_equal(first.images, again.images)


def test_changed_images_are_decoded_anew(tree: Path, tmp_path: Path, decoding: list[int]) -> None:
    decode_small(load(tree), side=32, cache=tmp_path / "cache")
    write_tree(tree, {"fake/flux/1.png": encoded(100, kind="PNG")})
    small = decode_small(load(tree), side=32, cache=tmp_path / "cache")
    assert len(decoding) == 8
    assert np.array_equal(small.images[1], picture(100))


def test_labels_come_from_the_data_and_never_from_the_cache(tmp_path: Path) -> None:
    images = [encoded(seed) for seed in range(2)]
    first = load(write_parquet(tmp_path / "first.parquet", images, ["ai", "real"], names=None))
    second = load(write_parquet(tmp_path / "second.parquet", images, ["real", "ai"], names=None))
    assert decode_small(first, side=32, cache=tmp_path / "cache").labels.tolist() == [1, 0]
    assert decode_small(second, side=32, cache=tmp_path / "cache").labels.tolist() == [0, 1]


def test_an_interrupted_run_leaves_nothing_that_looks_complete(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, whole = load(tree), Dataset.decoded

    def killed(self: Dataset):  # type: ignore[no-untyped-def]
        yield next(whole(self))
        raise KeyboardInterrupt

    monkeypatch.setattr(Dataset, "decoded", killed)
    with pytest.raises(KeyboardInterrupt):
        decode_small(dataset, side=32, cache=tmp_path / "cache")
    monkeypatch.setattr(Dataset, "decoded", whole)
    small = decode_small(dataset, side=32, cache=tmp_path / "cache")
    assert np.array_equal(small.images[3], picture(9))
    assert not list((tmp_path / "cache").glob("*.partial"))


def test_arrays_that_a_disk_cut_short_are_made_anew(tree: Path, tmp_path: Path) -> None:
    decode_small(load(tree), side=32, cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").glob("*/images.npy")
    file.write_bytes(file.read_bytes()[:-1])
    assert np.array_equal(decode_small(load(tree), side=32, cache=tmp_path / "cache").images[3], picture(9))


def test_several_processes_that_want_the_same_arrays_get_them(
    tree: Path, tmp_path: Path, decoding: list[int]
) -> None:
    results: list[arrays.SmallArrays] = []

    def work() -> None:
        results.append(decode_small(load(tree), side=32, cache=tmp_path / "cache"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert len(decoding) == 4, "one decodes, the others wait"


def test_skipped_images_leave_no_row_and_stay_known_from_the_cache(tree: Path, tmp_path: Path) -> None:
    write_tree(tree, {"real/1.png": encoded(1, kind="PNG")[:100]})
    for _ in range(2):
        dataset = load(tree, on_error="skip")
        small = decode_small(dataset, side=32, cache=tmp_path / "cache")
        assert small.rows.tolist() == [0, 1, 2, 4]
        assert small.images.shape == (4, 32, 32, 3)
        assert small.labels.tolist() == [1, 1, 1, 0]
        assert list(dataset.unreadable) == [3]
    with pytest.raises(DataError, match=r"1\.png"):
        decode_small(load(tree), side=32, cache=tmp_path / "cache")


def test_an_image_of_another_size_is_named_and_not_resized(tree: Path, tmp_path: Path) -> None:
    write_tree(tree, {"real/big.png": encoded(5, side=40, kind="PNG")})
    with pytest.raises(DataError, match=r"big\.png: 40 x 40 pixels, not 32 x 32"):
        decode_small(load(tree), side=32, cache=tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_named(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="file: decoded images cannot be kept here"):
        decode_small(load(tree), side=32, cache=tmp_path / "file")
