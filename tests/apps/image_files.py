"""Bytes of image files that Pillow does not write: odd chunks, orientations, interlacing, bombs."""

import struct
import zlib

import numpy as np

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
# First column and row, and steps, of each pass of PNG's interlacing.
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2))
ORIENTATION = 0x0112
SHORT, LONG = 3, 4


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_rows(samples: np.ndarray, bits: int) -> bytes:
    """Unfiltered rows of `samples`, [height, width, channels]."""
    if bits == 16:
        rows = samples.astype(">u2").reshape(len(samples), -1).view(np.uint8)
    else:
        flat = samples.reshape(len(samples), -1, 1).astype(np.uint8)
        rows = np.packbits(np.unpackbits(flat, axis=2)[:, :, 8 - bits:].reshape(len(flat), -1), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in rows)


def png(samples: np.ndarray, bits: int, colour: int, before: bytes = b"", after: bytes = b"",
        interlaced: bool = False) -> bytes:
    """A PNG of `samples`, [height, width, channels], with chunks before and after its pixels."""
    height, width, _ = samples.shape
    if interlaced:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        rows = b"".join(png_rows(part, bits) for part in parts if part.size)
    else:
        rows = png_rows(samples, bits)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + before
            + png_chunk(b"IDAT", zlib.compress(rows)) + after + png_chunk(b"IEND", b""))


def exif(orientation: int, order: str = "<", kind: int = SHORT, count: int = 1, entries: int = 2,
         start: int = 8) -> bytes:
    """A TIFF whose directory of two has the orientation last, at its own place if `start` is 8."""
    value = struct.pack(order + ("HH" if kind == SHORT else "I"), orientation,
                        *[0] * (kind == SHORT))
    field = struct.Struct(order + "HHI")
    make = field.pack(0x010F, 2, 3) + b"me\0\0"
    if count > 4 // (2 if kind == SHORT else 4):
        pointer = struct.pack(order + "I", 38)
        tail = pointer + b"\0" * 4 + value + b"\0" * 4
    else:
        tail = value + b"\0" * 4
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", start, entries)
    return head + make + field.pack(ORIENTATION, kind, count) + tail


def xmp(orientation: int, element: bool = False) -> bytes:
    text = (f"<tiff:Orientation>{orientation}</tiff:Orientation>" if element
            else f'<rdf:Description tiff:Orientation="{orientation}"/>')
    return f"<x:xmpmeta><rdf:RDF>{text}</rdf:RDF></x:xmpmeta>".encode()


def png_xmp(orientation: int) -> bytes:
    return png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(orientation))


def png_raw_profile(data: bytes, compressed: bool) -> bytes:
    """EXIF in the way of ImageMagick."""
    text = b"\nexif\n%8d\n" % len(data) + data.hex().encode() + b"\n"
    key = b"Raw profile type exif\0"
    if compressed:
        return png_chunk(b"zTXt", key + b"\0" + zlib.compress(text))
    return png_chunk(b"tEXt", key + text)


def jpeg_segment(marker: int, data: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def with_app1(jpeg: bytes, data: bytes) -> bytes:
    return jpeg[:2] + jpeg_segment(0xE1, data) + jpeg[2:]


def jpeg_of_scans(scans: int, side: int = 16) -> bytes:
    """A progressive grey JPEG: a scan of DC and scans of AC, every block of them empty."""
    blocks = (side // 8) ** 2
    # One code in each table, "0": no difference, and end of block.
    table = bytes([1] + [0] * 15) + b"\0"
    rest = b"\0" * (blocks // 8) + (bytes([0xFF >> blocks % 8]) if blocks % 8 else b"")
    start = jpeg_segment(0xDB, b"\0" + b"\1" * 64)
    start += jpeg_segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    start += jpeg_segment(0xC4, b"\0" + table) + jpeg_segment(0xC4, b"\x10" + table)
    first = jpeg_segment(0xDA, b"\1\1\0\0\0\0") + rest
    return (b"\xff\xd8" + start + first
            + (jpeg_segment(0xDA, b"\1\1\0\1\x3f\0") + rest) * (scans - 1) + b"\xff\xd9")


def riff_chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def webp(chunks: bytes) -> bytes:
    return riff_chunk(b"RIFF", b"WEBP" + chunks)


def vp8x(width: int, height: int, flags: int) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return riff_chunk(b"VP8X", struct.pack("<I", flags) + size)


def with_webp_chunk(still: bytes, size: tuple[int, int], name: bytes, data: bytes) -> bytes:
    """A WebP of one chunk of pixels as an extended one, with EXIF or XMP."""
    flag = {b"EXIF": 0x08, b"XMP ": 0x04}[name]
    return webp(vp8x(*size, flag) + still[12:] + riff_chunk(name, data))


def webp_animation(canvas: tuple[int, int], frames: list) -> bytes:
    """Of still WebPs, each with its size and its left and upper edge, which must be even."""
    body = vp8x(*canvas, 0x02) + riff_chunk(b"ANIM", struct.pack("<IH", 0xFFFFFFFF, 0))
    for still, size, corner in frames:
        fields = [v // 2 for v in corner] + [v - 1 for v in size] + [100]
        head = b"".join(struct.pack("<I", field)[:3] for field in fields) + b"\0"
        body += riff_chunk(b"ANMF", head + still[12:])
    return webp(body)
