"""Writes a browser's PNG again in fewer bytes: rows without a filter, 256 colours, the best compression.

Pictures of pages are flat areas and text, which deflate packs best as they are; a browser filters every row for speed.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_RGB: Final = 3
_COLOURS: Final = 256
Colour = tuple[int, int, int]


def smaller(png: bytes) -> bytes:
    """Return the same picture with at most 256 colours. Raises ValueError for anything but 8-bit RGB."""
    header, data = _read(png)
    width, height, depth, kind = struct.unpack(">IIBB", header[:10])
    if (depth, kind) != (8, 2):
        raise ValueError(f"a picture of depth {depth} and colour type {kind}")
    pixels = b"".join(_unfiltered(zlib.decompress(data), width * _RGB, height))
    palette, indexes = _indexed(pixels)
    rows = b"".join(b"\0" + indexes[start : start + width] for start in range(0, width * height, width))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", palette),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ]
    return _SIGNATURE + b"".join(_chunk(name, body) for name, body in chunks)


def _read(png: bytes) -> tuple[bytes, bytes]:
    """Return the header and the compressed rows."""
    at, header, data = len(_SIGNATURE), b"", b""
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + length]
        header, data = (body if name == b"IHDR" else header), data + (body if name == b"IDAT" else b"")
        at += 12 + length
    return header, data


def _unfiltered(rows: bytes, length: int, height: int) -> list[bytes]:
    found, above = [], bytes(length)
    for number in range(height):
        start = number * (length + 1)
        above = _unfilter(rows[start], rows[start + 1 : start + 1 + length], above)
        found.append(above)
    return found


def _unfilter(kind: int, row: bytes, above: bytes) -> bytes:
    """Undo the filter of one row (PNG specification, section 9)."""
    line = bytearray(row)
    for at in range(len(line)) if kind else ():
        left = line[at - _RGB] if at >= _RGB else 0
        corner = above[at - _RGB] if at >= _RGB else 0
        added = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))[kind]
        line[at] = (line[at] + added) % 256
    return bytes(line)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda each: abs(guess - each))


def _indexed(pixels: bytes) -> tuple[bytes, bytes]:
    """Return a palette of the most frequent colours, and each pixel's place in it; other colours take the nearest of it."""
    triples = list(zip(pixels[::3], pixels[1::3], pixels[2::3], strict=True))
    counted = Counter(triples)
    palette = [colour for colour, _ in counted.most_common(_COLOURS)]
    places = {colour: _nearest(palette, colour) for colour in counted}
    return b"".join(map(bytes, palette)), bytes(map(places.__getitem__, triples))


def _nearest(palette: Sequence[Colour], colour: Colour) -> int:
    def distance(number: int) -> int:
        return sum((one - other) ** 2 for one, other in zip(palette[number], colour, strict=True))

    return min(range(len(palette)), key=distance)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
