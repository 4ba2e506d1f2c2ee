"""Masks as pictures that lie over the images."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from .classified import ClassifiedImage, GatedLayer, Mask


@dataclass(frozen=True)
class Tile:
    """Layers that follow each other and have the same mask on every image."""

    label: str
    layers: list[str]


def tiles_of(layers: Sequence[GatedLayer], drawn: Sequence[ClassifiedImage]) -> list[Tile]:
    tiles: list[tuple[list[GatedLayer], tuple[Mask, ...]]] = []
    for layer in layers:
        masks = tuple(image.masks[layer.name] for image in drawn)
        if tiles and tiles[-1][1] == masks:
            tiles[-1][0].append(layer)
        else:
            tiles.append(([layer], masks))
    return [Tile(_joined([layer.short for layer in of]), [layer.name for layer in of]) for of, _ in tiles]


def _joined(names: list[str]) -> str:
    """"a/b, c" for "a/b" and "a/c"."""
    folder, slash, last = names[0].rpartition("/")
    rest = [name.rpartition("/")[2] if name.rpartition("/")[0] == folder else name for name in names[1:]]
    return ", ".join([folder + slash + last, *rest])


def mask_png(mask: Mask) -> str:
    """A pixel for each position, in base64: black, and the less of its maps are active, the more opaque."""
    rows = bytearray()
    for y in range(mask.height):
        rows.append(0)  # no filter
        for active in mask.active[y * mask.width:(y + 1) * mask.width]:
            rows += bytes((0, 255 - round(255 * active / mask.maps)))
    header = struct.pack(">IIBBBBB", mask.width, mask.height, 8, 4, 0, 0, 0)  # grey and alpha of 8 bits
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)
    return base64.b64encode(data).decode()


def cover(mask: Mask) -> str:
    """CSS of a mask over the image: the last gates may govern positions beyond its edges."""
    height, width = mask.cover
    return f"width:{width:.2%};height:{height:.2%}"
