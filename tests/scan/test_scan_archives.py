"""Archives are read in place; a hostile one is error records and nothing else."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command import fauxto
from fauxto.images import Limits
from fauxto.scan import containers
from fauxto.scan.containers import contents
from fauxto.scan.found import Found, Skipped, kind_of, stamp_of
from scan_runs import lines, png, tar_of, zip_of

LIMITS = Limits()


PACKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "a.tar": tar_of,
    "a.tar.gz": lambda members: gzip.compress(tar_of(members)),
    "a.tgz": lambda members: gzip.compress(tar_of(members)),
    "a.tar.bz2": lambda members: bz2.compress(tar_of(members)),
    "a.tar.xz": lambda members: lzma.compress(tar_of(members)),
    "a.zip": zip_of,
}


def found(path: Path) -> Found:
    return Found(str(path), kind_of(str(path)), stamp=stamp_of(str(path)))


def opened(path: Path, data: bytes | None = None, start: int = 0) -> list[str]:
    """Of each image the name in the archive, or the code of its error."""
    if data is not None:
        path.write_bytes(data)
    return [
        each.path.removeprefix(f"{path}::") if each.error is None else each.error.code
        for each in contents(found(path), LIMITS, Skipped(), start)
    ]


@pytest.mark.parametrize("name", PACKERS)
def test_members_are_judged_in_order_and_nothing_is_unpacked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, bright_bundle: Path, name: str
) -> None:
    archive = tmp_path / name
    members = {
        "000.jpg.png": png(255),
        "000.json": b"{}",
        "b/.x.png": png(0),
        "b/001.PNG": png(0),
        "a.png": b"text, no image",
    }
    archive.write_bytes(PACKERS[name](members))
    result = fauxto(capsys, "scan", archive, "--model", bright_bundle, "--format", "jsonl")
    records = lines(result.out)
    assert [record["path"] for record in records] == [
        f"{archive}::{member}" for member in ("000.jpg.png", "b/001.PNG", "a.png")
    ]
    assert [record["verdict"] for record in records] == ["ai", "no-sign", None]
    assert records[0]["image"]["width"] == 16
    assert "1 hidden, 1 not images by name" in result.err
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [name]


@pytest.mark.parametrize("name", PACKERS)
def test_reading_goes_on_where_an_earlier_run_stopped(tmp_path: Path, name: str) -> None:
    data = PACKERS[name]({f"{index}.png": png(index) for index in range(5)})
    assert opened(tmp_path / name, data, start=3) == ["3.png", "4.png"]
    assert opened(tmp_path / name, start=5) == []


@pytest.mark.parametrize(("name", "kept"), [("a.tar", 2600), ("a.tar.gz", 200), ("a.zip", 300)])
def test_a_cut_archive_gives_what_it_holds_and_then_its_own_error(
    tmp_path: Path, name: str, kept: int
) -> None:
    data = PACKERS[name]({f"{index}.png": png(index, (64, 64)) for index in range(3)})
    assert len(data) > kept
    *members, last = opened(tmp_path / name, data[:kept])
    assert last in ("corrupt", "truncated")
    # The error was the last record: an earlier run that stored it leaves nothing to do.
    assert opened(tmp_path / name, start=len(members) + 1) == []


@pytest.mark.parametrize("name", ["a.tar", "a.zip"])
@pytest.mark.parametrize("data", [b"", b"text, and no archive at all" * 40])
def test_no_archive_at_all(tmp_path: Path, name: str, data: bytes) -> None:
    assert opened(tmp_path / name, data) == ["corrupt"]
    assert opened(tmp_path / "absent.zip") == ["not-found"]


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_a_name_that_leads_out_of_the_archive_is_an_error(tmp_path: Path, pack: Callable[..., bytes]) -> None:
    hostile = {
        "/etc/a.png": png(0),
        "../b.png": png(0),
        "x/../../c.png": png(0),
        "C:\\d.png": png(0),
        "good.png": png(0),
    }
    archive = tmp_path / ("a.tar" if pack is tar_of else "a.zip")
    assert opened(archive, pack(hostile)) == ["unsupported"] * 4 + ["good.png"]


def test_links_and_devices_in_a_tar_are_errors(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(0))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for index, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)):
            header = tarfile.TarInfo(f"{index}.png")
            header.type, header.linkname = kind, str(secret)
            tar.addfile(header)
    assert opened(tmp_path / "a.tar", buffer.getvalue()) == ["unsupported"] * 4


def test_links_and_encrypted_members_in_a_zip_are_errors(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, str(tmp_path / "secret.png"))
        archive.writestr("secret.png", png(0))
    data = bytearray(buffer.getvalue())
    data[data.rindex(b"PK\1\2") + 8] |= 1  # the flag of encryption in the last entry of the directory
    assert opened(tmp_path / "a.zip", bytes(data)) == ["unsupported", "unsupported"]


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_a_huge_member_is_refused_unread_and_the_next_is_judged(
    tmp_path: Path, pack: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("test_scan_archives.LIMITS", Limits(max_bytes=100_000))
    archive = tmp_path / ("a.tar" if pack is tar_of else "a.zip")
    archive.write_bytes(pack({"huge.png": bytes(60_000_000), "good.png": png(0)}))
    tracemalloc.start()
    assert opened(archive) == ["too-large", "good.png"]
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.xz", "a.zip"])
def test_a_decompression_bomb_is_stopped(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers.Expansion, "FREE", 1_000_000)
    zeros = bytes(500_000)
    codes = opened(tmp_path / name, PACKERS[name]({f"{index}.png": zeros for index in range(40)}))
    assert codes[-1] == "too-large" and len(codes) < 10


def test_members_of_a_zip_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    data = zip_of({"a.png": bytes(range(256)) * 64, "b.png": png(0)})
    directory = data.index(b"PK\1\2")
    end = data.index(b"PK\5\6")
    first = data[directory : data.index(b"PK\1\2", directory + 4)]
    size = struct.pack("<HHLL", 200, 200, 200 * len(first), directory)
    shared = data[:directory] + first * 200 + data[end : end + 8] + size + b"\0\0"
    assert opened(tmp_path / "a.zip", shared) == ["corrupt"]


def test_headers_that_claim_what_cannot_be_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 8 << 30
    sparse = tmp_path / "a.tar"
    with sparse.open("wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        file.truncate(9 << 30)  # a hole: eight gigabytes that take no room on the disk
    tracemalloc.start()
    assert opened(sparse) == ["corrupt"]
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_zip_whose_directory_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    end = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xF0000000, 0, 0)
    assert opened(tmp_path / "a.zip", b"PK\3\4" + bytes(100) + end) == ["too-large"]


def test_headers_do_not_pile_up_in_memory(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar_of({f"{index:05}.png": b"x" for index in range(5000)}))
    tracemalloc.start()
    assert sum(1 for _ in contents(found(archive), LIMITS, Skipped())) == 5000
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_an_archive_that_changed_since_it_was_listed_is_an_error(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zip_of({"a.png": png(0)}))
    listed: Any = found(archive)
    archive.write_bytes(zip_of({"b.png": png(0), "a.png": png(0)}))
    (only,) = contents(listed, LIMITS, Skipped())
    assert only.error is not None and "has changed since the scan began" in only.error.message


def test_a_changed_or_vanished_archive_is_an_error_however_much_of_it_was_read(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar_of({f"{index}.png": png(0) for index in range(5)}))
    listed = found(archive)

    def resumed(at: int) -> list[str]:
        return [
            each.error.code if each.error else each.path for each in contents(listed, LIMITS, Skipped(), at)
        ]

    archive.write_bytes(tar_of({"0.png": png(0)}))
    assert [resumed(at) for at in (0, 1, 4)] == [["unreadable"]] * 3
    archive.unlink()
    assert [resumed(at) for at in (0, 1, 4)] == [["not-found"]] * 3


@pytest.mark.parametrize("name", ["a.tar", "a.zip"])
def test_an_archive_with_fewer_members_than_were_read_is_an_error(tmp_path: Path, name: str) -> None:
    """A web server's archives have no stamp by which to tell that they changed."""
    (tmp_path / name).write_bytes(PACKERS[name]({"0.png": png(0), "1.png": png(0)}))
    unstamped = Found(str(tmp_path / name), kind_of(name))
    (only,) = contents(unstamped, LIMITS, Skipped(), 3)
    assert only.error is not None and "has changed" in only.error.message


def test_damage_before_the_place_where_an_earlier_run_stopped_is_an_error(tmp_path: Path) -> None:
    data = zip_of({f"{index}.png": png(0) for index in range(5)})
    assert opened(tmp_path / "a.zip", data[:-30], start=4) == ["corrupt"]


def at_header(data: bytes, member: int) -> int:
    """Where a member's header begins."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getmembers()[member].offset


def damage(data: bytes, start: int, new: bytes) -> bytes:
    return data[:start] + new + data[start + len(new) :]


@pytest.mark.parametrize(
    "harm",
    [
        lambda data, at: damage(data, at + 150, b"??????"),  # the checksum
        lambda data, at: damage(data, at, bytes(512)),  # a hole
        lambda data, at: data[: at + 200],
        lambda data, at: data[:at],
        lambda data, at: data[:at] + bytes(200),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_tar_that_breaks_off_between_members_is_an_error(
    tmp_path: Path, harm: Callable[[bytes, int], bytes], pack: Callable[[bytes], bytes]
) -> None:
    data = tar_of({f"{index}.png": png(index) for index in range(5)})
    harmed = pack(harm(data, at_header(data, 3)))
    assert opened(tmp_path / "a.tar", harmed) == ["0.png", "1.png", "2.png", "corrupt"]
    assert opened(tmp_path / "a.tar", start=4) == []


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.bz2", "a.tar.xz"])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("harm", ["cut", "flipped"])
def test_compression_that_breaks_within_a_member_ends_its_archive_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    bright_bundle: Path,
    name: str,
    share: float,
    harm: str,
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 60_000), dtype=np.uint8)
    data = PACKERS[name]({f"{index}.png": png(255) + one.tobytes() for index, one in enumerate(noise)})
    at = int(len(data) * share)
    harmed = data[:at] if harm == "cut" else damage(data, at, bytes(value ^ 0xFF for value in data[at:][:8]))
    (tmp_path / name).write_bytes(harmed)
    (tmp_path / "sound.png").write_bytes(png(0))
    result = fauxto(
        capsys, "scan", tmp_path / name, tmp_path / "sound.png", "--model", bright_bundle, "--format", "jsonl"
    )
    assert result.code == 2 and "Aborted" not in result.err and "defect" not in result.err
    *members, sound = lines(result.out)
    assert sound["verdict"] == "no-sign"
    assert members[-1]["status"] == "error"


def test_a_tar_may_end_with_one_block_of_zeros_or_many(tmp_path: Path) -> None:
    data = tar_of({"0.png": png(0), "1.png": png(1)}).rstrip(b"\0")
    data += bytes(-len(data) % 512)
    for blocks in (1, 2, 300):
        assert opened(tmp_path / "a.tar", data + bytes(512 * blocks)) == ["0.png", "1.png"]
    assert opened(tmp_path / "a.tar", data) == ["0.png", "1.png", "corrupt"]


def test_what_lies_behind_the_end_of_a_tar_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    joined = tar_of({"0.png": png(0)}) + tar_of({"1.png": png(1)})
    assert opened(tmp_path / "a.tar", joined) == ["0.png", "corrupt"]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("spared", [0, 4, 9])
def test_a_member_of_a_zip_that_cannot_be_unpacked_costs_one_record(
    tmp_path: Path, method: int, spared: int
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for index in range(3):
            archive.writestr(f"{index}.png", png(index) * 50)
        second = archive.infolist()[1]
    begin = second.header_offset + 30 + len(second.filename) + spared
    noise = bytes((index * 89 + 7) % 256 for index in range(second.compress_size - spared))
    harmed = damage(buffer.getvalue(), begin, noise)
    assert opened(tmp_path / "a.zip", harmed) == ["0.png", "corrupt", "2.png"]
