"""What is refused, with which code, and that the message names the file and the remedy."""

from __future__ import annotations

import io
import json
import random
import struct
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fauxto.errors import InputError
from fauxto.images import Limits, decode
from image_files import encode, heic, one_colour_png, oriented_exif, png, png_chunk, samples, textured, tiff

SAMPLES = samples()
DEFAULT = Limits()


def refusal(data: bytes, name: str = "test", limits: Limits = DEFAULT) -> InputError:
    with pytest.raises(InputError) as caught:
        decode(data, name=name, limits=limits)
    return caught.value


@pytest.mark.parametrize(
    ("data", "looks_like"),
    [
        (b"just a note\n", "plain text"),
        ("schöne Grüße\n".encode(), "plain text"),
        ("\ufeffnote".encode("utf-16"), "plain text"),
        (b"BMW makes cars, and this is a note about one.\n", "plain text"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\n  <HTML>", "web page"),
        (b"<?xml version='1.0'?><note/>", "XML"),
        (b'{"error": "not found"}', "JSON"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"PK\x03\x04\x14\0\0\0\x08\0" + b"x" * 40, "ZIP"),
        (b"\x7fELF\x02\x01\x01" + bytes(50), "a program"),
        (bytes(5000), "zero bytes"),
        (random.Random(1).randbytes(3000), "no image that fauxto knows"),
        (b"\x07", "no image that fauxto knows"),
    ],
)
def test_what_is_no_image_is_called_what_it_looks_like(data: bytes, looks_like: str) -> None:
    error = refusal(data, name="holiday.jpg")
    assert error.code == "not-an-image"
    assert looks_like in error.message


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"%PDF-1.7\n" + bytes(100), "PDF"),
        (b"8BPS\0\1" + bytes(100), "Photoshop"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<?xml version='1.0'?>\n<svg/>", "SVG"),
        (b"\xff\x0a" + bytes(100), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100), "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100), "JPEG 2000"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + bytes(100), "video"),
        (b"\0\0\0\x14ftypqt  \0\0\2\0qt  " + bytes(100), "video"),
        (b"\x1aE\xdf\xa3" + bytes(100), "video"),
        (b"RIFF\x40\0\0\0AVI " + bytes(100), "video"),
        (b"\0\0\0\x14ftypcrx \0\0\0\1crx " + bytes(100), "raw"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"\0\0\1\0\1\0" + bytes(100), "icon"),
        (b"P6\n1 1\n255\n\0\0\0", "Netpbm"),
        (b"qoif" + bytes(100), "QOI"),
        (tiff(np.zeros((4, 4), np.uint8), tags={50706: 1}), "raw"),
        (tiff(np.zeros((4, 4), np.uint8), tags={254: 1}), "raw"),
        (tiff(np.zeros((4, 4), np.float32)), "white"),
        (tiff(np.zeros((4, 4), np.int16)), "white"),
    ],
)
def test_a_format_that_is_not_decoded_is_named_with_what_to_do(data: bytes, named: str) -> None:
    error = refusal(data, name="in.jpg")
    assert error.code == "unsupported"
    assert named in error.message
    assert any(word in error.message for word in ("convert", "export", "save")), error.message


def test_no_other_decoder_of_pillow_is_ever_reached() -> None:
    """PCX, SGI, TGA, PPM, ICO ...: every one more is one more that hostile bytes can reach."""
    for kind in ("PCX", "SGI", "TGA", "PPM", "ICO", "DDS", "JPEG2000", "SPIDER", "MSP"):
        picture = textured().convert("1" if kind == "MSP" else "L" if kind == "SPIDER" else "RGB")
        picture = picture.convert("F") if kind == "SPIDER" else picture
        assert refusal(encode(picture, kind)).code in ("unsupported", "not-an-image"), kind


def test_kinds_of_jpeg_that_few_can_read_are_unsupported_and_not_corrupt() -> None:
    baseline = SAMPLES["baseline.jpg"]
    lossless = baseline.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc3\0\x11\x08", 1)
    twelve_bits = baseline.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c", 1)
    assert {refusal(lossless).code, refusal(twelve_bits).code} == {"unsupported"}


def test_no_bytes_are_empty() -> None:
    assert refusal(b"").code == "empty"


@pytest.mark.parametrize("name", ["rgb.png", "animated.png", "still.gif", "lzw.tif"])
def test_damage_that_a_checksum_or_a_code_shows_is_an_error(name: str) -> None:
    data = bytearray(SAMPLES[name])
    middle = len(data) // 2 if name != "animated.png" else data.index(b"IDAT") + 1000
    data[middle : middle + 60] = bytes(b ^ 0xA5 for b in data[middle : middle + 60])
    assert refusal(bytes(data)).code in ("corrupt", "truncated")


def _with_ispe(data: bytes, side: int) -> bytes:
    sides = side.to_bytes(4, "big") * 2
    parts = data.split(b"ispe")
    return b"ispe".join([parts[0], *(part[:4] + sides + part[12:] for part in parts[1:])])


def _huge(name: str) -> bytes:
    """A file whose header announces far more pixels than it holds."""
    data, sides = bytearray(SAMPLES[name]), (30_000).to_bytes(2, "big")
    if name.endswith("jpg"):
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = sides * 2
    elif name == "alpha.webp":
        data[24:30] = (16_000).to_bytes(3, "little") * 2
    elif name == "lossy.webp":
        data[26:30] = (16_000).to_bytes(2, "little") * 2
    elif name == "lossless.webp":
        data[21:25] = (0x3FFF | 0x3FFF << 14).to_bytes(4, "little")
    elif name.endswith("gif"):
        data[6:10] = sides[::-1] * 2
    return bytes(data)


def _gif_with_a_huge_frame() -> bytes:
    data = bytearray(SAMPLES["still.gif"])
    at = data.index(b",", 13 + 768)
    data[at + 5 : at + 9] = b"\xff" * 4
    return bytes(data)


HUGE = {
    "rgb.png": one_colour_png(30_000),
    **{
        name: _huge(name)
        for name in ("baseline.jpg", "alpha.webp", "lossy.webp", "lossless.webp", "still.gif")
    },
    "frame.gif": _gif_with_a_huge_frame(),
    "rgb.tif": tiff(np.zeros((4, 4), np.uint8), tags={256: 30_000, 257: 30_000}),
    "still.avif": _with_ispe(SAMPLES["still.avif"], 30_000),
    "still.heic": _with_ispe(heic(), 30_000),
}

_CHILD = """
import json, sys, time
from pathlib import Path
from fauxto.errors import InputError
from fauxto.images import decode

def peak_mb():
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1000

for file in sorted(Path(sys.argv[1]).iterdir()):
    data, times = file.read_bytes(), []
    for _ in range(3):
        start = time.process_time()  # of this process alone, whatever else the machine is doing
        try:
            decode(data, name="huge")
            code = "decoded"
        except InputError as error:
            code = error.code
        times.append(time.process_time() - start)
    print(json.dumps([file.name, code, min(times), peak_mb()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_too_many_pixels_are_refused_within_100_ms_and_200_mb(tmp_path: Path) -> None:
    for name, data in HUGE.items():
        (tmp_path / name).write_bytes(data)
    child = subprocess.run([sys.executable, "-c", _CHILD, str(tmp_path)], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    measured = [json.loads(line) for line in child.stdout.splitlines()]
    assert {name: code for name, code, _, _ in measured} == dict.fromkeys(HUGE, "too-large")
    assert [name for name, _, seconds, _ in measured if seconds >= 0.1] == []
    assert [name for name, _, _, peak in measured if peak >= 200] == []


def test_the_huge_png_is_a_sound_one() -> None:
    """So that the refusal above is for its size: the same file, smaller, decodes."""
    image = decode(one_colour_png(300), name="small")
    assert (image.width, image.height, image.pixels.max()) == (300, 300, 0)


@pytest.mark.parametrize("name", [n for n in SAMPLES if n != "runs.bmp"])
def test_the_pixel_limit_is_settable_and_inclusive(name: str) -> None:
    pixels = 64 * 48
    assert decode(SAMPLES[name], name=name, limits=Limits(max_pixels=4096)).pixels.size == pixels * 3
    error = refusal(SAMPLES[name], limits=Limits(max_pixels=pixels - 1))
    assert error.code == "too-large"
    assert "max_pixels" in error.message


def test_the_limit_holds_for_every_header_of_a_jpeg_with_two() -> None:
    """A hostile file may state harmless sides first and others later."""
    data = SAMPLES["baseline.jpg"]
    at = data.index(b"\xff\xc0")
    first = data[at : at + 19]
    second = first[:5] + (20_000).to_bytes(2, "big") * 2 + first[9:]
    assert refusal(data[:at] + first + second + data[at + 19 :]).code == "too-large"


def test_the_byte_limit_is_settable_and_inclusive() -> None:
    data = SAMPLES["baseline.jpg"]
    assert decode(data, name="x", limits=Limits(max_bytes=len(data))).width == 64
    error = refusal(data, limits=Limits(max_bytes=len(data) - 1))
    assert error.code == "too-large"
    assert "max_bytes" in error.message


def test_a_file_of_countless_tiny_blocks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fauxto.images.completeness.MAX_BLOCKS", 1000)
    chunks = png_chunk(b"abCd", b"") * 1001
    comments = b"\xff\xfe\0\2" * 1001
    jpeg, heif = SAMPLES["baseline.jpg"], SAMPLES["still.heic"]
    boxes = b"\0\0\0\x08free" * 1001
    for data in (png(np.zeros((2, 2), np.uint8), extra=chunks), jpeg[:2] + comments + jpeg[2:], heif + boxes):
        assert refusal(data).code == "corrupt"


def test_tiff_directories_that_lead_in_a_circle_come_to_an_end() -> None:
    data = bytearray(tiff(np.zeros((4, 4), np.uint8)))
    count = int.from_bytes(data[8:10], "little")
    following = 10 + 12 * count
    data[following : following + 4] = (8).to_bytes(4, "little")
    assert decode(bytes(data), name="circle.tif").frames == 1


def test_running_out_of_memory_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.Image.core.new", exhausted)
    error = refusal(SAMPLES["rgb.png"])
    assert error.code == "too-large"
    assert "memory" in error.message


@pytest.mark.parametrize("name", SAMPLES)
def test_hostile_bytes_give_pixels_or_a_typed_error_and_no_warning(name: str) -> None:
    rng = random.Random(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(60):
            data = bytearray(SAMPLES[name])
            for _ in range(rng.choice([1, 2, 8])):
                at = rng.randrange(4, min(len(data), rng.choice([60, 400, 10**9])))
                data[at] = rng.choice([0, 255, rng.randrange(256)])
            try:
                decode(bytes(data), name=name)
            except InputError as error:
                assert error.message.startswith(f"{name}: ")


def test_warnings_of_pillow_never_reach_the_user_and_the_filters_stay() -> None:
    plain = tiff(np.zeros((4, 4), np.uint8), tags={296: 2})
    one, two_values = struct.pack("<HHII", 296, 4, 1, 2), struct.pack("<HHII", 296, 3, 2, 2)
    corrupt_tag = plain.replace(one, two_values)
    with pytest.warns(UserWarning, match="too many entries"), Image.open(io.BytesIO(corrupt_tag)) as image:
        image.load()
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for data in (corrupt_tag, encode(textured(), "JPEG", exif=oriented_exif(6)[:30])):
            decode(data, name="x")
    assert caught == []
    assert warnings.filters == before


def test_decoding_in_several_threads_gives_the_same_pixels() -> None:
    names = [name for name in SAMPLES for _ in range(4)]
    expected = {name: decode(SAMPLES[name], name=name).pixels for name in SAMPLES}
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda name: decode(SAMPLES[name], name=name).pixels, names))
    assert all(np.array_equal(pixels, expected[name]) for name, pixels in zip(names, results, strict=True))


def test_decoding_in_several_threads_leaves_the_warning_filters_as_they_were() -> None:
    before, interval = list(warnings.filters), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads do meet between saving the filters and restoring them
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: decode(SAMPLES["raw.tif"], name="x"), range(400)))
    finally:
        sys.setswitchinterval(interval)
        after = list(warnings.filters)
        warnings.filters[:] = before  # type: ignore[index]
    assert after == before


@pytest.mark.parametrize(
    ("data", "remedies"),
    [
        (b"", ("download it again",)),
        (b"hello", ("check that",)),
        (SAMPLES["baseline.jpg"][:500], ("copy or download",)),
        (SAMPLES["rgb.png"][:500], ("copy or download",)),
        (HUGE["rgb.png"], ("shrink", "raise the limit")),
        (b"%PDF-1.7", ("export",)),
    ],
)
def test_a_message_names_the_file_and_the_remedy_in_one_printable_line(
    data: bytes, remedies: tuple[str, ...]
) -> None:
    message = refusal(data, name="in\nbox/\x1b[31m\u202egpj.exe").message
    assert message.startswith("in\\nbox/\\x1b[31m\\u202egpj.exe: ")
    assert message.isprintable()
    assert all(remedy in message for remedy in remedies)


def test_what_pillow_says_is_made_printable_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise ValueError("bad\x1b[2J\ntext")

    monkeypatch.setattr(io, "BytesIO", failing)
    assert refusal(SAMPLES["baseline.jpg"]).message.isprintable()
