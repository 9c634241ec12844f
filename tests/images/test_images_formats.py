"""Every format and mode that fauxto decodes comes out as upright 8-bit RGB over white."""

from __future__ import annotations

import hashlib
import io
import sys
import zlib
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fauxto.errors import InputError
from fauxto.images import FORMAT_EXTENSIONS, DecodedImage, decode, formats
from image_files import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    YELLOW,
    encode,
    heic,
    oriented_exif,
    png,
    png_chunk,
    quadrants,
    rle_bmp,
    samples,
    textured,
    tiff,
    with_hole,
)

SAMPLES = samples()
FORMAT_BY_EXTENSION = {
    "jpg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "gif": "GIF",
    "tif": "TIFF",
    "bmp": "BMP",
    "avif": "AVIF",
    "heic": "HEIF",
}


def decoded(data: bytes) -> DecodedImage:
    return decode(data, name="test")


def corners(image: DecodedImage) -> list[tuple[int, ...]]:
    """The colours of the four quadrants: upper left, upper right, lower left, lower right."""
    h, w = image.height, image.width
    places = [(h // 4, w // 4), (h // 4, 3 * w // 4), (3 * h // 4, w // 4), (3 * h // 4, 3 * w // 4)]
    return [tuple(int(v) for v in image.pixels[place]) for place in places]


def assert_close(actual: list[tuple[int, ...]], expected: list[tuple[int, ...]], tolerance: int) -> None:
    assert np.abs(np.array(actual) - np.array(expected)).max() <= tolerance, f"{actual} != {expected}"


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_gives_contiguous_read_only_rgb_with_its_name_and_hash(name: str) -> None:
    image = decoded(SAMPLES[name])
    assert image.pixels.dtype == np.uint8
    assert image.pixels.shape == (image.height, image.width, 3)
    assert image.pixels.flags.c_contiguous
    assert not image.pixels.flags.writeable
    assert image.format == FORMAT_BY_EXTENSION[name.rpartition(".")[2]]
    assert image.sha256 == hashlib.sha256(SAMPLES[name]).hexdigest()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "packbits"}),
    ],
)
def test_lossless_formats_give_the_pixels_back(kind: str, options: dict[str, str]) -> None:
    assert np.array_equal(decoded(encode(textured(), kind, **options)).pixels, np.asarray(textured()))


def test_a_gif_gives_its_palette_colours_back() -> None:
    assert np.array_equal(decoded(encode(quadrants(), "GIF")).pixels, np.asarray(quadrants()))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
def test_a_jpeg_decodes_to_what_pillow_gives(options: dict[str, int]) -> None:
    data = encode(textured(), "JPEG", **options)
    with Image.open(io.BytesIO(data)) as reference:
        assert np.array_equal(decoded(data).pixels, np.asarray(reference))


@pytest.mark.parametrize(
    "data",
    [
        encode(quadrants(), "JPEG", quality=95, subsampling=0),
        encode(quadrants().convert("CMYK"), "JPEG", quality=95),  # as Adobe does: inverted
        encode(quadrants(), "WEBP", quality=95),
        encode(quadrants(), "AVIF", quality=95),
        encode(quadrants().convert("CMYK"), "TIFF"),
        encode(quadrants(), "TIFF", compression="jpeg", quality=95),
        heic(),
    ],
    ids=["jpeg", "jpeg-cmyk", "webp", "avif", "tiff-cmyk", "tiff-jpeg", "heic"],
)
def test_lossy_formats_and_cmyk_keep_colours_and_places(data: bytes) -> None:
    assert_close(corners(decoded(data)), [RED, GREEN, BLUE, YELLOW], tolerance=12)


def test_grey_becomes_three_equal_channels() -> None:
    image = decoded(encode(textured().convert("L"), "JPEG"))
    assert np.ptp(image.pixels, axis=2).max() == 0
    assert image.pixels.max() > 100


def test_one_bit_images_are_black_and_white() -> None:
    checks = Image.fromarray(np.indices((8, 8)).sum(axis=0) % 2 == 0)
    for kind in ("PNG", "TIFF", "BMP"):
        pixels = decoded(encode(checks, kind)).pixels
        assert np.array_equal(pixels[..., 0], np.asarray(checks) * 255), kind


@pytest.mark.parametrize(
    ("data", "tolerance"),
    [
        (encode(with_hole(quadrants()), "PNG"), 0),
        (encode(with_hole(quadrants()), "WEBP", lossless=True), 0),
        (encode(with_hole(quadrants()), "TIFF"), 0),
        (encode(with_hole(quadrants()), "AVIF", quality=95), 12),
        (encode(with_hole(quadrants()), "GIF"), 0),
        (heic("transparent"), 12),
    ],
    ids=["png", "webp", "tiff", "avif", "gif", "heic"],
)
def test_alpha_is_composited_over_white(data: bytes, tolerance: int) -> None:
    assert_close(corners(decoded(data)), [RED, GREEN, BLUE, WHITE], tolerance)


def test_half_transparent_black_over_white_is_middle_grey() -> None:
    veil = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert decoded(encode(veil, "PNG")).pixels[0, 0].tolist() == [127, 127, 127]
    assert decoded(encode(veil.convert("LA"), "PNG")).pixels[0, 0].tolist() == [127, 127, 127]


def test_a_transparent_palette_entry_becomes_white() -> None:
    palette = quadrants().quantize(4)
    yellow = palette.getpixel((63, 47))
    data = encode(palette, "PNG", transparency=yellow)
    assert_close(corners(decoded(data)), [RED, GREEN, BLUE, WHITE], tolerance=0)


def test_a_palette_with_an_alpha_for_each_entry_is_blended() -> None:
    data = encode(quadrants().quantize(4), "PNG", transparency=bytes([128] * 4))
    blended = [
        tuple(round(255 - (255 - v) * 128 / 255) for v in colour) for colour in (RED, GREEN, BLUE, YELLOW)
    ]
    assert_close(corners(decoded(data)), blended, tolerance=1)


@pytest.mark.parametrize(
    ("grid", "bits", "colour"),
    [
        (np.array([[3, 200]], np.uint8), 8, 200),
        (np.array([[0, 2]], np.uint8), 2, 2),
        (np.array([[0, 1]], np.uint8), 1, 1),
        (np.array([[0, 40_000]], np.uint16), 16, 40_000),
    ],
)
def test_the_transparent_grey_of_a_png_becomes_white_at_every_depth(
    grid: NDArray[np.uint8], bits: int, colour: int
) -> None:
    hole = png_chunk(b"tRNS", colour.to_bytes(2, "big"))
    solid, pierced = decoded(png(grid, bits=bits)).pixels, decoded(png(grid, bits=bits, extra=hole)).pixels
    assert np.array_equal(solid[0, 0], pierced[0, 0])
    assert pierced[0, 1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_transparent_colour_of_an_rgb_png_becomes_white(dtype: type) -> None:
    scale = 1 if dtype is np.uint8 else 257
    grid: NDArray[Any] = (np.array([[[10, 20, 30], [40, 50, 60]]]) * scale).astype(dtype)
    hole = png_chunk(b"tRNS", b"".join(int(v).to_bytes(2, "big") for v in grid[0, 1]))
    assert decoded(png(grid, extra=hole)).pixels.tolist() == [[[10, 20, 30], [255, 255, 255]]]


SIXTEEN_BITS = np.array([[0, 128, 129, 257, 32_768, 65_406, 65_407, 65_535]], np.uint16)
AS_EIGHT = np.round(SIXTEEN_BITS / 257).astype(int).tolist()


@pytest.mark.parametrize(
    "data",
    [png(SIXTEEN_BITS), tiff(SIXTEEN_BITS), tiff(SIXTEEN_BITS, order=">")],
    ids=["png", "tiff-little-endian", "tiff-big-endian"],
)
def test_16_bit_grey_is_scaled_and_not_clipped(data: bytes) -> None:
    assert decoded(data).pixels[..., 0].tolist() == AS_EIGHT


def test_16_bit_grey_where_white_is_zero_is_inverted() -> None:
    pixels = decoded(tiff(SIXTEEN_BITS, photometric=0)).pixels
    assert pixels[..., 0].tolist() == (255 - np.array(AS_EIGHT)).tolist()


def test_12_bit_grey_is_scaled_by_its_own_white() -> None:
    packed = np.array([[0x00, 0x0F, 0xFF, 0x80, 0x08, 0x00]], np.uint8)  # 0, 4095, 2048, 2048
    assert decoded(tiff(packed, bits=12)).pixels[0, :, 0].tolist() == [0, 255, 128, 128]


def test_16_bit_rgb_keeps_its_colours() -> None:
    grid = (np.asarray(quadrants()).astype(np.uint16) * 257).astype(np.uint16)
    assert_close(corners(decoded(png(grid))), [RED, GREEN, BLUE, YELLOW], tolerance=1)


def test_a_run_length_coded_bitmap_is_decoded() -> None:
    pixels = decoded(rle_bmp()).pixels
    assert pixels[0, 0].tolist() == [0, 0, 255]
    assert pixels[15, 15].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_a_single_pixel_is_an_image(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    image = decoded(encode(Image.new("RGB", (1, 1), (200, 200, 200)), kind, **options))
    assert (image.width, image.height) == (1, 1)
    assert_close([tuple(image.pixels[0, 0])], [(200, 200, 200)], tolerance=4)


@pytest.mark.parametrize(
    ("kind", "unit"),
    [("PNG", "frames"), ("GIF", "frames"), ("WEBP", "frames"), ("AVIF", "frames"), ("TIFF", "pages")],
)
def test_of_an_animation_the_first_frame_is_decoded_and_that_is_said(kind: str, unit: str) -> None:
    others = [Image.new("RGB", (64, 48), colour) for colour in (BLUE, YELLOW)]
    data = encode(quadrants(), kind, save_all=True, append_images=others, duration=100)
    image = decoded(data)
    assert image.frames == 3
    assert image.notes == (f"first of 3 {unit}",)
    assert_close(corners(image), [RED, GREEN, BLUE, YELLOW], tolerance=40)


def test_a_still_image_has_one_frame_and_no_notes() -> None:
    image = decoded(SAMPLES["baseline.jpg"])
    assert (image.frames, image.notes) == (1, ())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind in ("JPEG", "AVIF") else {}
    data = encode(quadrants(), kind, exif=oriented_exif(orientation), **options)
    tagged = quadrants()
    tagged.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(tagged)
    image = decoded(data)
    assert (image.width, image.height) == upright.size
    expected = corners(DecodedImage(np.asarray(upright), "", ""))
    assert_close(corners(image), expected, tolerance=12)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_of_16_bits_is_turned_too(order: Literal["<", ">"]) -> None:
    pixels = decoded(tiff(SIXTEEN_BITS, order=order, tags={274: 6})).pixels
    assert pixels[:, 0, 0].tolist() == AS_EIGHT[0]


def test_a_heic_is_turned_by_its_container_and_not_by_exif() -> None:
    turned = decoded(heic("turned"))
    assert (turned.width, turned.height) == (48, 64)
    assert_close(corners(turned), [BLUE, RED, YELLOW, GREEN], tolerance=12)
    assert_close(corners(decoded(heic("exif"))), [RED, GREEN, BLUE, YELLOW], tolerance=12)


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"II*\0\xff\xff\xff\xff", oriented_exif(6)[:20], b"\0" * 50]
)
def test_a_broken_exif_block_leaves_the_pixels_as_they_are(exif: bytes) -> None:
    plain = encode(quadrants(), "JPEG")
    block = b"Exif\0\0" + exif.removeprefix(b"Exif\0\0")
    data = plain[:2] + b"\xff\xe1" + (2 + len(block)).to_bytes(2, "big") + block + plain[2:]
    assert np.array_equal(decoded(data).pixels, decoded(plain).pixels)


def test_orientations_that_do_not_exist_are_ignored() -> None:
    for orientation in (0, 9, 65535):
        image = decoded(encode(quadrants(), "JPEG", exif=oriented_exif(orientation)))
        assert (image.width, image.height) == (64, 48)


def test_metadata_of_a_png_cannot_keep_its_pixels_from_being_decoded() -> None:
    plain = np.asarray(quadrants())
    huge_text = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(70_000_000)))
    huge_profile = png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(2_000_000)))
    wrong_checksum = png_chunk(b"tEXt", b"a\0b")[:-1] + b"!"
    no_animation = png_chunk(b"acTL", b"\0\0\0\0\0\0\0\0")
    for extra in (huge_text, huge_profile, wrong_checksum, no_animation):
        image = decoded(png(plain, extra=extra))
        assert np.array_equal(image.pixels, plain)
        assert image.frames == 1


def test_a_jpeg_may_be_followed_by_other_data() -> None:
    data = SAMPLES["baseline.jpg"]
    for trailer in (b"\0" * 1000, b"<html>not found</html>", SAMPLES["grey.jpg"], SAMPLES["grey.jpg"][:300]):
        assert np.array_equal(decoded(data + trailer).pixels, decoded(data).pixels)


def test_a_jpeg_may_have_junk_between_its_segments() -> None:
    data = SAMPLES["baseline.jpg"]
    after_jfif = 2 + 18
    junk = data[:after_jfif] + b"junk\xff\xff" + data[after_jfif:]
    assert np.array_equal(decoded(junk).pixels, decoded(data).pixels)


def test_a_multi_picture_jpeg_is_its_first_picture() -> None:
    data = encode(quadrants(), "MPO", save_all=True, append_images=[Image.new("RGB", (64, 48), BLUE)])
    image = decoded(data)
    assert (image.format, image.frames) == ("JPEG", 1)
    assert_close(corners(image), [RED, GREEN, BLUE, YELLOW], tolerance=40)


def test_the_format_is_told_by_the_contents_and_never_by_the_name() -> None:
    assert decode(SAMPLES["rgb.png"], name="photo.jpg").format == "PNG"


def test_folder_scans_pick_up_every_decoded_format() -> None:
    extensions = (
        "jpg",
        "jpeg",
        "jfif",
        "png",
        "apng",
        "webp",
        "gif",
        "tif",
        "tiff",
        "bmp",
        "avif",
        "heic",
        "heif",
        "hif",
    )
    assert {f".{name}" for name in extensions} <= FORMAT_EXTENSIONS
    assert all(name == name.lower() and name.startswith(".") for name in FORMAT_EXTENSIONS)


def test_this_installation_can_tell_what_it_decodes() -> None:
    supported = {support.name: support for support in formats()}
    assert set(supported) == set(FORMAT_BY_EXTENSION.values())
    assert all(support.decoder for support in supported.values())
    assert str(supported["HEIF"].decoder).startswith("pi-heif ")
    assert {end for support in supported.values() for end in support.extensions} == FORMAT_EXTENSIONS


def test_a_missing_decoder_is_told_and_named_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)  # importing it fails
    assert {support.name: support.decoder for support in formats()}["HEIF"] is None
    with pytest.raises(InputError) as caught:
        decoded(heic())
    assert caught.value.code == "unsupported"
    assert "pip install pi-heif" in caught.value.message


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_large_picture_has_the_pixels_that_pillow_has(mode: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, (130, 160, 3), dtype=np.uint8)
    large = Image.fromarray(values).resize((2111, 2003), Image.Resampling.NEAREST).convert(mode)
    data = encode(large, "JPEG", quality=85)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(decode(data, name="large").pixels, np.asarray(image.convert("RGB")))
