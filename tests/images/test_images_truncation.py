"""A truncated file is always an error, wherever it was cut, also where Pillow forgives it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fauxto.errors import InputError
from fauxto.images import decode
from image_files import encode, samples, textured

SAMPLES = samples()


def cuts(length: int) -> list[int]:
    """Every length near both ends, and about 150 between them; at least 2 bytes, or nothing can be told."""
    ends = [*range(2, min(length, 80)), *range(max(2, length - 40), length)]
    return sorted({*ends, *range(2, length, max(1, length // 150))})


@pytest.mark.parametrize("name", SAMPLES)
def test_the_sample_itself_is_complete(name: str) -> None:
    assert decode(SAMPLES[name], name=name).pixels.size


@pytest.mark.parametrize("name", SAMPLES)
def test_cut_anywhere_a_file_is_truncated(name: str) -> None:
    whole = SAMPLES[name]
    outcomes = {}
    for length in cuts(len(whole)):
        try:
            decode(whole[:length], name=name)
            outcomes[length] = "decoded"
        except InputError as error:
            outcomes[length] = error.code
    if name.endswith(("avif", "heic")):
        del outcomes[2], outcomes[3]  # zero bytes may begin anything: not-an-image
    if name.endswith("heic"):  # cut just after the box of metadata, which could be all of a picture
        outcomes = {at: "truncated" if code == "corrupt" else code for at, code in outcomes.items()}
    assert {at: code for at, code in outcomes.items() if code != "truncated"} == {}


@pytest.mark.parametrize("name", ["baseline.jpg", "progressive.jpg", "rgb.png", "still.gif", "lzw.tif"])
def test_cut_and_filled_up_with_zeros_a_file_is_an_error(name: str) -> None:
    whole = SAMPLES[name]
    for part in (0.4, 0.6, 0.8):
        kept = int(len(whole) * part)
        with pytest.raises(InputError) as caught:
            decode(whole[:kept] + bytes(len(whole) - kept), name=name)
        assert caught.value.code in ("truncated", "corrupt")


def test_a_progressive_jpeg_without_its_last_scans_is_truncated() -> None:
    whole = encode(textured(), "JPEG", progressive=True)
    last_scan = whole.rindex(b"\xff\xda")
    with pytest.raises(InputError) as caught:
        decode(whole[:last_scan], name="half.jpg")
    assert caught.value.code == "truncated"


def test_the_end_marker_of_an_embedded_thumbnail_is_not_the_end_of_the_image() -> None:
    thumbnail = b"Exif\0\0" + encode(Image.new("RGB", (8, 8)), "JPEG")
    block = b"\xff\xe1" + (2 + len(thumbnail)).to_bytes(2, "big") + thumbnail
    whole = SAMPLES["baseline.jpg"][:2] + block + SAMPLES["baseline.jpg"][2:]
    assert decode(whole, name="whole.jpg").width == 64
    with pytest.raises(InputError) as caught:
        decode(whole[:-2], name="cut.jpg")
    assert caught.value.code == "truncated"


def test_a_png_with_its_end_but_without_its_last_data_is_truncated() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    whole = encode(Image.fromarray(noise), "PNG")
    last = whole.rindex(b"IDAT") - 4
    with pytest.raises(InputError) as caught:
        decode(whole[:last] + whole[-12:], name="short.png")
    assert caught.value.code == "truncated"


def test_pillow_alone_would_accept_some_of_these() -> None:
    """The reason why the structure is checked here: should this fail, Pillow has become strict."""
    forgiven = 0
    for name in ("progressive.jpg", "animated.gif", "runs.bmp", "animated.png"):
        whole = SAMPLES[name]
        for length in cuts(len(whole)):
            try:
                with Image.open(io.BytesIO(whole[:length])) as image:
                    image.convert("RGB")
                forgiven += 1
            except Exception:
                continue
    assert forgiven > 0
