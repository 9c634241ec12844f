"""Small pictures in numbers, and `fauxto scan` as a process that can be killed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image

from fauxto.scan.plan import Options


def png(value: int, size: tuple[int, int] = (16, 16)) -> bytes:
    """A grey picture; its brightness decides the verdict of the `bright` bundle."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (value,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


def pictures(folder: Path, count: int) -> Path:
    """`count` pictures of all brightnesses, the seventh of every hundred cut off."""
    folder.mkdir(parents=True, exist_ok=True)
    encoded = [png(value) for value in range(256)]
    for index in range(count):
        data = encoded[index * 37 % 256]
        (folder / f"{index:05}.png").write_bytes(data[:40] if index % 100 == 7 else data)
    return folder


def command(*arguments: object) -> list[str]:
    """`fauxto scan ARGUMENTS...` for a process of its own."""
    return [sys.executable, "-m", "fauxto", "scan", *map(str, arguments)]


def start(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    """Run it and do not wait."""
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=os.environ | environment,
    )


def parts(folder: Path) -> list[Path]:
    """The parts of an output folder, in order."""
    return sorted(folder.glob("part-*"))


def stored(folder: Path) -> list[dict[str, Any]]:
    """The records of an output folder, in order."""
    return [json.loads(line) for path in parts(folder) for line in path.read_text("utf-8").splitlines()]


def lines(text: str) -> list[dict[str, Any]]:
    """JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def tar_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def options(**changes: object) -> Options:
    """The options of a scan of nothing."""
    values: dict[str, object] = {
        "arguments": (), "working_folder": "", "format": "jsonl", "part_size": 4,
        "model": "auto", "models": (),
        "max_pixels": 1, "max_bytes": 1, "allow_network": False, "trust_list": None, "trust": (), **changes,
    }  # fmt: skip
    return Options(**values)  # type: ignore[arg-type]
