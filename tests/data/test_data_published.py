"""`fauxto data stream`: a balanced part of a published set becomes data that fauxto loads."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from command import fauxto
from fauxto.data import load
from fauxto.data.published import PUBLISHED, stream
from fauxto.errors import DataError, UsageError


def jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def row(name: str, seed: int, *, ai: bool) -> dict[str, Any]:
    """A row as the set has it."""
    generator = f"generator{seed % 3}"
    if name == "genimage":
        path = f"{generator}/train/{'ai' if ai else 'nature'}/{seed}.jpg"
        return {"image": {"bytes": jpeg(seed), "path": None}, "image_path": path}
    if name == "community-forensics":
        names = {"model_name": generator if ai else None, "real_source": None if ai else "coco"}
        return {"image_data": jpeg(seed), "label": int(ai), **names}
    names = {"label": "fake" if ai else "real", "model": generator if ai else "real"}
    return {"image": {"bytes": jpeg(seed), "path": None}, **names}


@pytest.fixture(params=sorted(PUBLISHED))
def name(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A published set in small, in a folder in place of the hub; two thirds of it AI-generated."""
    name = str(request.param)
    folder = tmp_path / "repository"
    folder.mkdir()
    rows = [row(name, seed, ai=seed % 3 > 0) for seed in range(60)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")
    local = replace(PUBLISHED[name], repository=str(folder), revision=None)
    monkeypatch.setitem(PUBLISHED, name, local)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    # Five seconds that the library waits for the threads of a remote stream.
    monkeypatch.setattr("datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN", 0, raising=False)
    return name


def test_a_balanced_part_with_sources_and_untouched_bytes(name: str, tmp_path: Path) -> None:
    found = stream(name, 20, tmp_path / "part.parquet")
    assert found == {"real": 10, "fake": 10}
    dataset = load(tmp_path / "part.parquet")
    assert sorted(dataset.labels.tolist()) == [0] * 10 + [1] * 10
    assert {source for item in dataset if item.label for source in [item.source]} <= {
        "generator0",
        "generator1",
        "generator2",
    }
    originals = {jpeg(seed) for seed in range(60)}
    assert all(item.read() in originals for item in dataset)
    assert sorted(one.name for one in tmp_path.iterdir() if "part" in one.name) == ["part.parquet"]


def test_the_seed_decides_which(name: str, tmp_path: Path) -> None:
    for file, seed in (("a", 0), ("b", 0), ("c", 1)):
        stream(name, 10, tmp_path / f"{file}.parquet", seed=seed)
    first, again, other = (load(tmp_path / f"{file}.parquet").hashes for file in "abc")
    assert first == again
    assert first != other


def test_a_file_that_is_there_stays(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists"):
        stream(name, 10, tmp_path / "mine.parquet")
    assert (tmp_path / "mine.parquet").read_bytes() == b"mine"


def test_a_changed_layout_is_said_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    rows = [{"picture": jpeg(seed), "label": "fake"} for seed in range(4)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "repository" / "train.parquet")
    with pytest.raises(DataError, match="layout has changed"):
        stream(name, 2, tmp_path / "part.parquet")
    assert not [one for one in tmp_path.iterdir() if "part" in one.name]


def test_without_a_network_it_says_so_in_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="cannot be reached"):
        stream("openfake", 2, tmp_path / "part.parquet")


def test_the_command_says_what_came_and_the_licence(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = fauxto(capsys, "data", "stream", name, "--images", 6, "--output", tmp_path / "part.parquet")
    assert answer.code == 0, answer.err
    assert "3 photographs, 3 AI-generated" in answer.out
    assert "licence: CC BY" in answer.err
