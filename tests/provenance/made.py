"""Image files that the tests make: one small picture in any container, with metadata where it belongs."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

Pixels = NDArray[np.uint8]

MAKE, MODEL, SOFTWARE, ARTIST, DESCRIPTION = 0x010F, 0x0110, 0x0131, 0x013B, 0x010E
USER_COMMENT, MAKER_NOTE, EXPOSURE, ISO, LENS, EXIF_IFD = 0x9286, 0x927C, 0x829A, 0x8827, 0xA434, 0x8769

WEBUI = (
    "a cat on a mat\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 512x512, Model hash: abcd1234"
)
COMFYUI = json.dumps(
    {
        "3": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 20}},
        "9": {"class_type": "SaveImage", "inputs": {}},
    }
)
COMFYUI_WORKFLOW = json.dumps(
    {"nodes": [{"id": 3, "type": "KSampler"}, {"id": 9, "type": "SaveImage"}], "links": []}
)
COMFYUI_UPSCALE = json.dumps({"1": {"class_type": "ImageUpscaleWithModel", "inputs": {}}})


def picture(height: int = 32, width: int = 32, seed: int = 0) -> Pixels:
    """Smooth random colours."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(2, height // 16), max(2, width // 16), 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encode(pixels: Pixels, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def comment(text: str, code: bytes = b"UNICODE\0", encoding: str = "utf-16-be") -> bytes:
    """An EXIF UserComment."""
    return code + text.encode(encoding)


def exif(image: dict[int, Any] | None = None, inner: dict[int, Any] | None = None) -> bytes:
    """An EXIF block with tags of IFD0 and of the EXIF directory."""
    block = Image.Exif()
    block.update(image or {})
    if inner:
        block.get_ifd(EXIF_IFD).update(inner)
    return block.tobytes()


def with_exif(kind: str, image: dict[int, Any] | None = None, inner: dict[int, Any] | None = None) -> bytes:
    return encode(picture(), kind, exif=exif(image, inner))


def stored_png(rgb: Pixels) -> bytes:
    """A PNG whose pixels stand in it as they are: no filter, no compression."""
    height, width = rgb.shape[:2]
    lines = b"".join(b"\0" + row.tobytes() for row in rgb)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(lines, 0)) + chunk(b"IEND", b"")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunks(*chunks: bytes, pixels: Pixels | None = None) -> bytes:
    """A PNG with these chunks before its end."""
    data = encode(picture() if pixels is None else pixels)
    return data[:-12] + b"".join(chunks) + data[-12:]


def text(keyword: str, value: str) -> bytes:
    return chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + value.encode("utf-8"))


def ztext(keyword: str, value: str) -> bytes:
    return chunk(b"zTXt", keyword.encode("latin-1") + b"\0\0" + zlib.compress(value.encode("utf-8")))


def itext(keyword: str, value: str, compressed: bool = False) -> bytes:
    body = value.encode("utf-8")
    body = zlib.compress(body) if compressed else body
    return chunk(b"iTXt", keyword.encode("latin-1") + bytes([0, compressed, 0]) + b"en\0\0" + body)


def png(**texts: str) -> bytes:
    """A PNG with tEXt chunks; underscores in names stand for themselves."""
    return with_chunks(*(text(keyword, value) for keyword, value in texts.items()))


NAMESPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:xmpNote="http://ns.adobe.com/xmp/note/" '
    'xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"'
)


def packet(elements: str = "", attributes: str = "") -> bytes:
    """An XMP packet with these properties of the image."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF {NAMESPACES}><rdf:Description rdf:about="" {attributes}>{elements}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def with_xmp(kind: str, xmp: bytes) -> bytes:
    """A file of this kind with an XMP packet where its format keeps it."""
    if kind == "PNG":
        return with_chunks(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    if kind == "TIFF":
        info = TiffImagePlugin.ImageFileDirectory_v2()
        info[700] = xmp
        info.tagtype[700] = 1
        return encode(picture(), "TIFF", tiffinfo=info)
    return encode(picture(), kind, xmp=xmp)


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segments(*segments: bytes, pixels: Pixels | None = None, quality: int = 85) -> bytes:
    """A JPEG with these segments right after its start."""
    data = encode(picture() if pixels is None else pixels, "JPEG", quality=quality)
    return data[:2] + b"".join(segments) + data[2:]


def extended_xmp(
    elements: str, guid: bytes = b"0123456789ABCDEF0123456789ABCDEF", portion: int = 400
) -> bytes:
    """A JPEG whose main XMP packet names extended XMP, cut into portions stored last one first."""
    main = packet(attributes=f'xmpNote:HasExtendedXMP="{guid.decode()}"')
    whole = packet(elements)
    starts = range(0, len(whole), portion)
    parts = [
        segment(
            0xE1,
            b"http://ns.adobe.com/xmp/extension/\0"
            + guid
            + struct.pack(">II", len(whole), at)
            + whole[at : at + portion],
        )
        for at in reversed(starts)
    ]
    return with_segments(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + main), *parts)


def iim(*sets: tuple[int, int, bytes]) -> bytes:
    """A JPEG with IPTC-IIM data sets in a Photoshop resource."""
    block = b"".join(struct.pack(">BBBH", 0x1C, record, number, len(v)) + v for record, number, v in sets)
    resource = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(block)) + block + b"\0" * (len(block) % 2)
    return with_segments(segment(0xED, b"Photoshop 3.0\0" + resource))


def samsung_trailer(**blocks: str) -> bytes:
    """A Samsung trailer with these blocks."""
    body, entries = b"", []
    for name, value in blocks.items():
        block = struct.pack("<HHI", 0, 0x0BA1, len(name)) + name.encode() + value.encode()
        entries.append((len(body), len(block)))
        body += block
    directory = b"SEFH" + struct.pack("<II", 107, len(entries))
    for start, size in entries:
        directory += struct.pack("<HHII", 0, 0x0BA1, len(body) - start, size)
    return body + directory + struct.pack("<I", len(directory)) + b"SEFT"


def stealth(pixels: Pixels, magic: str, payload: bytes) -> Pixels:
    """Write the stealth channel: RGBA for the alpha magics, RGB for the others."""
    bits = np.unpackbits(
        np.frombuffer(magic.encode() + struct.pack(">I", len(payload) * 8) + payload, np.uint8)
    )
    height, width = pixels.shape[:2]
    if magic.startswith("stealth_png"):
        alpha = np.full(height * width, 254, np.uint8)
        alpha[: bits.size] |= bits
        return np.dstack([pixels, alpha.reshape(width, height).T])
    columns = pixels.swapaxes(0, 1).reshape(-1).copy()
    columns[: bits.size] = columns[: bits.size] & 0xFE | bits
    return columns.reshape(width, height, 3).swapaxes(0, 1)


def stealth_png(magic: str, settings: str, side: int = 64) -> bytes:
    payload = settings.encode()
    if magic.endswith("comp"):
        payload = gzip.compress(payload)
    return encode(stealth(picture(side, side), magic, payload))


def sign_novelai(comment: dict[str, Any], rgb: Pixels, private_key: Any) -> str:
    """NovelAI's comment with its signature over the colours and itself."""
    signature = private_key.sign(rgb.tobytes() + json.dumps(comment).encode())
    return json.dumps({**comment, "signed_hash": base64.b64encode(signature).decode()})


def mark_dwt_dct(rgb: Pixels, bits: str) -> Pixels:
    """Write a payload by the method `dwtDct` (scale 36, blocks of 4 x 4 in the LL band of U).

    Written from the method's description, in floating point, independent of the decoder.
    """
    out = rgb.astype(np.float64)
    height, width = (side // 8 * 8 for side in rgb.shape[:2])
    r, g, b = (out[:height, :width, channel] for channel in range(3))
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    u, v = 0.492 * (b - luma) + 128, 0.877 * (r - luma) + 128
    low = (u[0::2, 0::2] + u[0::2, 1::2] + u[1::2, 0::2] + u[1::2, 1::2]) / 2
    rows, columns = low.shape[0] // 4, low.shape[1] // 4
    blocks = low.reshape(rows, 4, columns, 4).swapaxes(1, 2).reshape(-1, 16).copy()
    position = np.abs(blocks[:, 1:]).argmax(axis=1) + 1
    index = np.arange(len(blocks))
    wanted = np.array([int(bit) for bit in bits])[index % len(bits)]
    value = blocks[index, position]
    change = (value // 36 + 0.25 + 0.5 * wanted) * 36 - value
    shift = np.zeros_like(blocks)
    shift[index, position] = change / 2  # a change of the LL coefficient spreads over four pixels
    spread = shift.reshape(rows, columns, 4, 4).swapaxes(1, 2).reshape(rows * 4, columns * 4)
    u = u + np.repeat(np.repeat(spread, 2, 0), 2, 1)
    blue, red = luma + (u - 128) / 0.492, luma + (v - 128) / 0.877
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    out[:height, :width] = np.dstack([red, green, blue])
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)
