"""IPTC-IIM, the binary data sets that photo agencies wrote before XMP."""

from __future__ import annotations

import struct

from fauxto.provenance.tiff import decode_text

_MAX_SETS = 1000
CREDIT = (2, 110)

NAMES = {
    (2, 5): "Title",
    (2, 25): "Keywords",
    (2, 40): "Special instructions",
    (2, 55): "Date created",
    (2, 65): "Originating program",
    (2, 80): "By-line",
    (2, 105): "Headline",
    (2, 110): "Credit",
    (2, 115): "Source",
    (2, 116): "Copyright notice",
    (2, 120): "Caption",
}


def read_data_sets(block: bytes) -> list[tuple[tuple[int, int], str]]:
    """Read the data sets of an IIM block.

    Args:
        block: the bytes of Photoshop's resource 0x0404 or of TIFF tag 33723.

    Returns:
        (record, data set) and text of each, in file order, as far as the block is sound.
    """
    sets: list[tuple[tuple[int, int], str]] = []
    position = 0
    while position + 5 <= len(block) and block[position] == 0x1C and len(sets) < _MAX_SETS:
        record, number, length = struct.unpack_from(">BBH", block, position + 1)
        position += 5
        if length & 0x8000:  # an extended length: nothing a credit line needs
            break
        if position + length > len(block):
            break
        sets.append(((record, number), decode_text(block[position : position + length])))
        position += length
    return sets
