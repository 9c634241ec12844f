"""Where an image may come from: a path, bytes, a file object, a Pillow image, an array."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fauxto.errors import InputError
from fauxto.images import Limits, open_image, printable, read_bytes
from image_files import encode, oriented_exif, quadrants, samples, textured, with_hole

JPEG = samples()["baseline.jpg"]
DEFAULT = Limits()


@pytest.fixture(autouse=True)
def _no_test_may_hang() -> Iterator[None]:
    signal.alarm(120)  # a pipe that is opened blocks for good
    yield
    signal.alarm(0)


def refused_path(path: Any, limits: Limits = DEFAULT) -> InputError:
    with pytest.raises(InputError) as caught:
        read_bytes(path, limits=limits)
    return caught.value


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    return path


def test_path_bytes_and_file_object_give_the_same_image(photo: Path) -> None:
    with photo.open("rb") as file:
        sources = (photo, str(photo), JPEG, bytearray(JPEG), memoryview(JPEG), io.BytesIO(JPEG), file)
        images = [open_image(source) for source in sources]
    assert {image.sha256 for image in images} == {hashlib.sha256(JPEG).hexdigest()}
    assert all(np.array_equal(image.pixels, images[0].pixels) for image in images)


def test_reading_gives_the_bytes(photo: Path) -> None:
    assert read_bytes(photo) == read_bytes(str(photo)) == JPEG


def test_a_link_that_is_named_is_followed(photo: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.jpg"
    link.symlink_to(photo)
    assert read_bytes(link) == JPEG


def test_a_missing_path_is_not_found(tmp_path: Path) -> None:
    error = refused_path(tmp_path / "nowhere.jpg")
    assert error.code == "not-found"
    assert "nowhere.jpg" in error.message
    for path in ("", "a\0b.jpg", tmp_path / ("x" * 300), "\ud800.jpg"):
        assert refused_path(path).code == "not-found"


def test_a_path_through_a_file_is_not_found(photo: Path) -> None:
    assert refused_path(photo / "inner.jpg").code == "not-found"


def test_a_dangling_link_is_not_found(tmp_path: Path) -> None:
    link = tmp_path / "link.jpg"
    link.symlink_to(tmp_path / "gone.jpg")
    assert refused_path(link).code == "not-found"


def test_an_address_on_the_web_is_not_fetched_and_that_is_said() -> None:
    error = refused_path("https://example.org/cat.jpg")
    assert error.code == "unreadable"  # as `fauxto scan` says of it: nobody has looked whether it is there
    assert "download" in error.message


def test_a_file_of_zero_bytes_is_empty(tmp_path: Path) -> None:
    (tmp_path / "zero.jpg").touch()
    assert refused_path(tmp_path / "zero.jpg").code == "empty"


def test_a_folder_is_unreadable(tmp_path: Path) -> None:
    error = refused_path(tmp_path)
    assert error.code == "unreadable"
    assert "folder" in error.message


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    error = refused_path(tmp_path / "pipe.jpg")
    assert error.code == "unreadable"
    assert "pipe" in error.message


def test_a_path_that_turns_into_a_pipe_after_the_check_does_not_hang(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    honest = photo.stat()
    monkeypatch.setattr(os, "stat", lambda path, **_: honest)
    assert refused_path(tmp_path / "pipe.jpg").code == "unreadable"


def test_sockets_and_devices_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.jpg")
        assert refused_path("s.jpg").code == "unreadable"
    assert refused_path("/dev/zero").code == "unreadable"


def test_a_file_that_may_not_be_read_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        locked = Path(folder) / "locked.jpg"
        locked.write_bytes(JPEG)
        locked.chmod(0)
        try:
            if os.geteuid() == 0:  # root reads everything: be nobody for a moment
                os.seteuid(65534)
        except OSError:  # a container that has no nobody
            monkeypatch.setattr(os, "open", _denied)
        try:
            error = refused_path(locked)
        finally:
            os.seteuid(os.getuid())
    assert error.code == "unreadable"
    assert "permission" in error.message


def _denied(*_: object, **__: object) -> int:
    raise PermissionError(13, "Permission denied")


def test_an_error_of_the_disk_is_unreadable_and_says_which(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "open", failing)
    error = refused_path(photo)
    assert error.code == "unreadable"
    assert "Input/output error" in error.message


def test_a_file_over_the_byte_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    sparse = tmp_path / "huge.jpg"
    with sparse.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing: reading it would be noticed
    assert refused_path(sparse).code == "too-large"


def test_a_name_that_is_not_utf8_can_be_read_and_is_printed_escaped(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    with os.fdopen(os.open(raw, os.O_WRONLY | os.O_CREAT), "wb") as file:
        file.write(JPEG)
    path = os.fsdecode(raw)
    assert read_bytes(path) == JPEG
    with pytest.raises(InputError) as caught:
        open_image(path, limits=Limits(max_pixels=1))
    assert caught.value.message.startswith(f"{tmp_path}/caf\\xe9.jpg: ")
    caught.value.message.encode("utf-8")


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("plain name (1).jpg", "plain name (1).jpg"),
        ("Grüße 写真 😀.jpg", "Grüße 写真 😀.jpg"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x7f\x9b31m", r"\x7f\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2066\u200f\u200b", r"\u2066\u200f\u200b"),
        ("line\u2028end", r"line\u2028end"),
        (os.fsdecode(b"\xff\xfe.jpg"), r"\xff\xfe.jpg"),
        ("\ud800", r"\ud800"),
    ],
)
def test_names_are_printed_without_anything_that_a_terminal_obeys(name: str, printed: str) -> None:
    assert printable(name) == printed
    assert printable(printed) == printed


def test_a_stream_is_read_from_where_it_stands() -> None:
    stream = io.BytesIO(b"header" + JPEG)
    stream.seek(6)
    assert open_image(stream).width == 64


def test_a_stream_at_its_end_is_empty_and_the_remedy_is_said() -> None:
    stream = io.BytesIO()
    stream.write(JPEG)
    with pytest.raises(InputError) as caught:
        open_image(stream)
    assert caught.value.code == "empty"
    assert "seek(0)" in caught.value.message


def test_an_endless_stream_is_refused_at_the_byte_limit() -> None:
    with Path("/dev/zero").open("rb") as zeros, pytest.raises(InputError) as caught:
        open_image(zeros, limits=Limits(max_bytes=1000))
    assert caught.value.code == "too-large"


def test_a_raw_stream_that_gives_a_little_at_a_time_is_read_to_its_end() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 100))

    assert open_image(Trickle(JPEG)).sha256 == hashlib.sha256(JPEG).hexdigest()


def test_a_stream_that_fails_is_unreadable() -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            raise OSError("connection reset")

    with pytest.raises(InputError) as caught:
        open_image(io.BufferedReader(Broken()))
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("array", [np.asarray(textured()), np.asarray(textured())[::-1, ::2]])
def test_an_rgb_array_is_taken_as_it_is(array: NDArray[np.uint8]) -> None:
    image = open_image(array)
    assert np.array_equal(image.pixels, array)
    assert image.pixels.flags.c_contiguous
    assert (image.format, image.frames) == ("array", 1)
    assert image.sha256 == hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def test_a_grey_array_becomes_rgb_and_rgba_is_laid_over_white() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(open_image(grey).pixels, np.stack([grey] * 3, axis=2))
    assert open_image(np.asarray(with_hole(quadrants()))).pixels[47, 63].tolist() == [255, 255, 255]


def test_what_the_caller_does_to_an_array_later_changes_nothing() -> None:
    array = np.zeros((4, 4, 3), np.uint8)
    image = open_image(array)
    array[:] = 255
    assert image.pixels.max() == 0


@pytest.mark.parametrize("source", [5, None, 3.5, ["a.jpg"], object(), io.StringIO("text"), {"a": 1}])
def test_a_wrong_type_is_a_type_error(source: Any) -> None:
    with pytest.raises(TypeError):
        open_image(source)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint16),
        np.zeros((4, 4, 3), np.int64),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((3, 4, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_an_array_of_another_dtype_or_shape_is_a_type_error(array: NDArray[Any]) -> None:
    with pytest.raises(TypeError, match=r"uint8|shape"):
        open_image(array)


def test_an_array_or_image_without_pixels_is_empty_and_a_huge_one_too_large() -> None:
    for source in (np.zeros((0, 4, 3), np.uint8), Image.new("RGB", (0, 3))):
        with pytest.raises(InputError) as caught:
            open_image(source)
        assert caught.value.code == "empty"
    for source in (np.zeros((4, 4, 3), np.uint8), Image.new("RGB", (4, 4))):
        with pytest.raises(InputError) as caught:
            open_image(source, limits=Limits(max_pixels=15))
        assert caught.value.code == "too-large"


@pytest.mark.parametrize(
    "mode", ["RGB", "L", "1", "P", "CMYK", "YCbCr", "HSV", "RGBX", "RGBA", "LA", "RGBa", "La"]
)
def test_a_pillow_image_of_any_common_mode_is_taken(mode: str) -> None:
    straight = quadrants().convert({"RGBa": "RGBA", "La": "LA"}.get(mode, mode))
    source = straight.convert(mode)
    image = open_image(source)
    expected = np.asarray(straight.convert("RGB")).astype(int)
    assert np.abs(image.pixels - expected).max() <= 1
    assert (image.format, source.mode) == ("PIL", mode)


def test_a_pillow_image_of_16_bits_is_scaled() -> None:
    source = Image.fromarray(np.array([[0, 32_768, 65_535]], np.uint16))
    assert open_image(source).pixels[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("mode", ["F", "I"])
def test_a_pillow_image_that_does_not_say_what_white_is_is_unsupported(mode: str) -> None:
    with pytest.raises(InputError) as caught:
        open_image(Image.new(mode, (4, 4)))
    assert caught.value.code == "unsupported"


def test_a_pillow_image_from_a_file_equals_the_file() -> None:
    for kind in ("JPEG", "PNG", "TIFF"):
        data = encode(quadrants(), kind, exif=oriented_exif(6))
        with Image.open(io.BytesIO(data)) as source:
            image = open_image(source)
        assert np.array_equal(image.pixels, open_image(data).pixels), kind
        assert image.format == kind
        assert image.sha256 == hashlib.sha256(image.pixels.tobytes()).hexdigest()


def test_a_lazy_pillow_image_of_a_broken_file_is_a_typed_error() -> None:
    with Image.open(io.BytesIO(JPEG[:700])) as source, pytest.raises(InputError) as caught:
        open_image(source)
    assert caught.value.code == "truncated"


def test_the_name_given_is_the_name_in_the_error(photo: Path) -> None:
    for source in (b"text", io.BytesIO(b"text")):
        with pytest.raises(InputError, match=r"^upload 3: "):
            open_image(source, name="upload 3")
    with pytest.raises(InputError, match=r"^upload 3: "):
        open_image(photo.with_name("gone.jpg"), name="upload 3")
    photo.write_bytes(b"text")
    with pytest.raises(InputError, match=r"photo\.jpg: "), photo.open("rb") as file:
        open_image(file)


def test_decoders_are_loaded_only_for_the_format_at_hand(photo: Path) -> None:
    code = (
        "import sys; from fauxto.images import open_image\n"
        "heavy = {'pi_heif', 'PIL.features'} | {f'PIL.{name}ImagePlugin' for name in ('Png', 'Tiff')}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "open_image(sys.argv[1])\n"
        "assert 'PIL.JpegImagePlugin' in sys.modules\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    child = subprocess.run([sys.executable, "-c", code, str(photo)], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
