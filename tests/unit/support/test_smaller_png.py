"""The pictures of the README are packed again: the same picture in fewer bytes."""

from __future__ import annotations

import struct
import zlib

import pytest

from tests.web.smaller_png import smaller

WIDTH, HEIGHT = 7, 5
ROWS = [bytes((x * 40 + y * 7 + channel) % 251 for x in range(WIDTH) for channel in range(3)) for y in range(HEIGHT)]


def paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    distances = (abs(guess - left), abs(guess - up), abs(guess - corner))
    return (left, up, corner)[distances.index(min(distances))]


def filtered(kind: int, row: bytes, above: bytes) -> bytes:
    """Filter a row as an encoder does."""
    found = bytearray([kind])
    for at, value in enumerate(row):
        left, corner = (row[at - 3], above[at - 3]) if at >= 3 else (0, 0)
        guess = (0, left, above[at], (left + above[at]) // 2, paeth(left, above[at], corner))[kind]
        found.append((value - guess) % 256)
    return bytes(found)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(kind: int, *, colours: int = 2) -> bytes:
    rows = b"".join(filtered(kind, row, above) for row, above in zip(ROWS, [bytes(WIDTH * 3), *ROWS], strict=False))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, colours, 0, 0, 0)
    data = zlib.compress(rows)
    parts = [(b"IHDR", header), (b"IDAT", data[:9]), (b"IDAT", data[9:]), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def pixels_of(picture: bytes) -> list[bytes]:
    """Return the rows of a picture with a palette and without filters."""
    at, parts = 8, dict[bytes, bytes]()
    while at < len(picture):
        length, name = struct.unpack(">I4s", picture[at : at + 8])
        body = picture[at + 8 : at + 8 + length]
        assert picture[at + 8 + length : at + 12 + length] == struct.pack(">I", zlib.crc32(name + body))
        parts[name] = body
        at += 12 + length
    rows = zlib.decompress(parts[b"IDAT"])
    starts = range(0, len(rows), WIDTH + 1)
    assert {rows[start] for start in starts} == {0}
    palette = [parts[b"PLTE"][at : at + 3] for at in range(0, len(parts[b"PLTE"]), 3)]
    return [b"".join(palette[number] for number in rows[start + 1 : start + 1 + WIDTH]) for start in starts]


@pytest.mark.parametrize("kind", range(5))
def test_a_picture_is_the_same_after_it_was_packed_again(kind: int) -> None:
    assert pixels_of(smaller(png(kind))) == ROWS


def test_a_picture_with_transparency_is_refused() -> None:
    with pytest.raises(ValueError, match="colour type 6"):
        smaller(png(0, colours=6))
