"""Writes images for the decoder, resizing and cropping, their pixels computed by Pillow.

Usage: make_images.py SAMPLES OUTPUT. A line of OUTPUT/cases.txt is
    decode FILE WIDTH HEIGHT TOLERANCE   the file decoded
    resize FILE WIDTH HEIGHT TOLERANCE   it resized to that size
    fit FILE WIDTH HEIGHT SHORTER        torchvision's Resize(SHORTER) and CenterCrop((HEIGHT, WIDTH))
    resize_bicubic, fit_bicubic          the same by the cubic filter, columns first
    refuse FILE WORD                     a file whose refusal names the word
and OUTPUT/pixels.bin holds the RGB bytes that all but the last should give, in their order.
"""

import io
import sys
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import image_files as files

RANDOM = np.random.default_rng(7)
SAMPLES = ("cat_0000", "ship_0001", "truck_0000")
SIZES = ((32, 32), (16, 16), (7, 45), (64, 20), (1, 1), (33, 31), (40, 9), (40, 70), (90, 31))
RANDOM_FITS = 200


def noise(*shape: int, bits: int = 8) -> np.ndarray:
    return RANDOM.integers(0, 1 << bits, shape, dtype=np.uint16 if bits == 16 else np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


class Cases:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines, self.pixels = [], []

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def add(self, kind: str, path: Path, image: Image.Image, extra: int = 0) -> None:
        self.lines.append(f"{kind} {path} {image.width} {image.height} {extra}")
        self.pixels.append(np.asarray(image.convert("RGB")).tobytes())

    def decode(self, name: str, data: bytes, tolerance: int = 0) -> None:
        path = self.write(name, data)
        self.add("decode", path, ImageOps.exif_transpose(Image.open(path)), tolerance)

    def decode_as(self, name: str, data: bytes, shown: Image.Image) -> None:
        """Where Pillow gives up instead."""
        self.add("decode", self.write(name, data), shown)

    def refuse(self, name: str, data: bytes, word: str) -> None:
        self.lines.append(f"refuse {self.write(name, data)} {word}")

    def save(self) -> None:
        self.write("pixels.bin", b"".join(self.pixels))
        self.write("cases.txt", ("\n".join(self.lines) + "\n").encode())


def png_cases(cases: Cases) -> None:
    for interlaced in (False, True):
        for colour, channels, depths in ((files.GREY, 1, (1, 2, 4, 8, 16)), (files.RGB, 3, (8, 16)),
                                         (files.GREY_ALPHA, 2, (8, 16)), (files.RGBA, 4, (8, 16))):
            for bits in depths:
                samples = noise(9, 13, channels, bits=bits)
                # Of 16-bit grey Pillow keeps what is under 256: some should be.
                samples[::2] &= 255
                cases.decode(f"colour{colour}_{bits}_{int(interlaced)}.png",
                             files.png(samples, bits, colour, interlaced=interlaced))
    for bits in (1, 2, 4, 8):
        # Fewer colours than the bits can name; the rest is black.
        palette = files.png_chunk(b"PLTE", noise(max(1, (1 << bits) - 3) * 3).tobytes())
        cases.decode(f"palette{bits}.png",
                     files.png(noise(5, 7, 1, bits=bits), bits, files.PALETTE, palette))
    few = files.png_chunk(b"PLTE", noise(48).tobytes())
    cases.decode("palette.png", files.png(noise(6, 5, 1, bits=4), 8, files.PALETTE, few))
    clear = files.png_chunk(b"tRNS", bytes([0, 128, 255, 7]))
    cases.decode("palette_clear.png",
                 files.png(noise(6, 5, 1, bits=4), 4, files.PALETTE, few + clear))
    for bits in (8, 16):
        samples = noise(4, 5, 3, bits=bits)
        key = files.png_chunk(b"tRNS", samples[0, 0].astype(">u2").tobytes())
        cases.decode(f"rgb{bits}_clear.png", files.png(samples, bits, files.RGB, key))
        key = files.png_chunk(b"tRNS", samples[0, 0, :1].astype(">u2").tobytes())
        cases.decode(f"grey{bits}_clear.png", files.png(samples[..., :1], bits, files.GREY, key))
    for gamma in (45455, 100000, 220000):
        chunk = files.png_chunk(b"gAMA", gamma.to_bytes(4, "big"))
        cases.decode(f"gamma{gamma}.png", files.png(noise(5, 6, 4), 8, files.RGBA, chunk))
    cases.decode("rgb.png", encoded(Image.fromarray(noise(5, 7, 3)), "PNG"))
    cases.decode("pixel.png", files.png(noise(1, 1, 3), 8, files.RGB, interlaced=True))


def jpeg_cases(cases: Cases, samples: Path) -> None:
    for name in SAMPLES:
        cases.decode(f"{name}.png", (samples / f"{name}.png").read_bytes())
        cases.decode(f"{name}.jpg", encoded(Image.open(samples / f"{name}.png"), "JPEG"), 1)
    smooth = Image.fromarray(noise(4, 6, 3)).resize((41, 29), Image.Resampling.BICUBIC)
    for name, mode, options in (("progressive", "RGB", {"progressive": True}),
                                ("full_colour", "RGB", {"subsampling": 0}),
                                ("half_colour", "RGB", {"subsampling": 2}),
                                ("as_rgb", "RGB", {"keep_rgb": True}), ("grey", "L", {}),
                                ("cmyk", "CMYK", {}), ("cmyk2", "CMYK", {"progressive": True})):
        cases.decode(f"{name}.jpg", encoded(smooth.convert(mode), "JPEG", quality=85, **options), 1)
    # Scan parameters that a baseline file has no use for, and bytes between its segments.
    full = encoded(smooth, "JPEG")
    cases.decode("odd_scan.jpg", full.replace(b"\x00\x3f\x00", b"\x00\x00\x00"), 1)
    cases.decode("stray_bytes.jpg", full.replace(b"\xff\xda", b"\x01\x02\xff\xda"), 1)
    cases.decode("pixel.jpg", encoded(smooth.resize((1, 1)), "JPEG"), 1)
    cases.decode("scans_100.jpg", files.jpeg_of_scans(100), 1)
    cases.refuse("scans_101.jpg", files.jpeg_of_scans(101), "100 scans")


def webp_cases(cases: Cases) -> None:
    smooth = Image.fromarray(noise(4, 6, 4)).resize((41, 29), Image.Resampling.BICUBIC)
    for name, mode, options in (("lossy", "RGB", {}), ("lossy_alpha", "RGBA", {"exact": True}),
                                ("lossless", "RGB", {"lossless": True}),
                                ("lossless_alpha", "RGBA", {"lossless": True, "exact": True})):
        cases.decode(f"{name}.webp", encoded(smooth.convert(mode), "WEBP", **options))
    cases.decode("pixel.webp", encoded(smooth.resize((1, 1)), "WEBP"))
    still = encoded(Image.fromarray(noise(4, 6, 3)), "WEBP", lossless=True)
    cases.decode("animation.webp",
                 files.webp_animation((20, 15), [(still, (6, 4), (2, 10)), (still, (6, 4), (0, 0))]))


def ppm_cases(cases: Cases) -> None:
    for maximum in (2, 100, 255, 256, 1000, 65535):
        samples = RANDOM.integers(0, maximum + 1, (3, 4, 3))
        header = f"4 3 {maximum}\n".encode()
        cases.decode(f"text{maximum}.ppm",
                     b"P3\n# a comment\n" + header + " ".join(map(str, samples.flat)).encode())
        cases.decode(f"binary{maximum}.ppm", b"P6\n" + header
                     + samples.astype(">u2" if maximum > 255 else "u1").tobytes())


def orientation_cases(cases: Cases) -> None:
    """Every orientation in every format, and the forms that the tag has."""
    rgb = noise(5, 8, 3)
    stored = Image.fromarray(rgb)
    smooth = stored.resize((41, 29), Image.Resampling.BICUBIC)
    jpeg, webp = encoded(smooth, "JPEG", subsampling=0), encoded(stored, "WEBP", lossless=True)

    def as_png(before: bytes, after: bytes = b"") -> bytes:
        return files.png(rgb, 8, files.RGB, before, after)

    for turn in range(10):
        exif = files.exif(turn)
        cases.decode(f"turn{turn}.jpg", files.with_app1(jpeg, b"Exif\0\0" + exif), 1)
        cases.decode(f"turn{turn}.png", as_png(files.png_chunk(b"eXIf", exif)))
        cases.decode(f"turn{turn}.webp",
                     files.with_webp_chunk(webp, stored.size, b"EXIF", exif))
        xmp = b"http://ns.adobe.com/xap/1.0/\0" + files.xmp(turn)
        cases.decode(f"xmp{turn}.jpg", files.with_app1(jpeg, xmp), 1)
    six, two = files.exif(6, ">"), files.png_chunk(b"eXIf", files.exif(2))
    cases.decode("prefixed.webp",
                 files.with_webp_chunk(webp, stored.size, b"EXIF", b"Exif\0\0" + six))
    cases.decode("xmp.webp",
                 files.with_webp_chunk(webp, stored.size, b"XMP ", files.xmp(5, element=True)))
    halves = files.with_app1(files.with_app1(jpeg, b"Exif\0\0" + six[20:]), b"Exif\0\0" + six[:20])
    cases.decode("two_segments.jpg", halves, 1)
    cases.decode("exif_and_xmp.jpg",
                 files.with_app1(files.with_app1(jpeg, xmp), b"Exif\0\0" + six), 1)
    for name, exif in {
            "big": six, "long": files.exif(6, kind=files.LONG),
            "pointer": files.exif(6, count=3), "pair": files.exif(6, count=2),
            "none": files.exif(6, count=0), "byte": files.exif(6, kind=1),
            "many_entries": files.exif(6, entries=500), "far": files.exif(6, start=5000),
            "cut": files.exif(6)[:30]}.items():
        cases.decode(f"exif_{name}.png", as_png(files.png_chunk(b"eXIf", exif)))
    for name, data in {"empty": b"", "order": b"XX" + six[2:], "header": b"MM\0*\0\0",
                       "loop": files.exif(6, start=0xFFFFFFFF)}.items():
        data = files.with_app1(jpeg, b"Exif\0\0" + data)
        cases.add("decode", cases.write(f"exif_{name}.jpg", data),
                  Image.open(io.BytesIO(jpeg)), 1)
    cases.decode("after.png", as_png(b"", two))
    cases.decode("xmp.png", as_png(files.png_xmp(3)))
    cases.decode("xmp_after.png", as_png(b"", files.png_xmp(3)))
    cases.decode("exif_before_xmp.png", as_png(two + files.png_xmp(3)))
    for compressed in (False, True):
        profile = files.png_raw_profile(b"Exif\0\0" + six, compressed)
        cases.decode(f"raw_profile{int(compressed)}.png", as_png(profile))
        cases.decode(f"raw_profile{int(compressed)}_after.png", as_png(b"", profile))


def huge_cases(cases: Cases) -> None:
    one = np.zeros((1, 1, 3), np.uint8)
    whole = files.png(one, 8, files.RGB)
    header = (30000).to_bytes(4, "big") * 2 + whole[24:29]
    cases.refuse("huge.png", whole[:8] + files.png_chunk(b"IHDR", header) + whole[33:], "64 Mi pixels")
    for name in (b"eXIf", b"tEXt", b"iTXt", b"IDAT"):
        claim = (0x7FFFFFF0).to_bytes(4, "big") + name
        cases.refuse(f"huge_{name.decode()}.png", whole[:33] + claim + whole[33:], "truncated")
    cases.refuse("huge.jpg", files.jpeg_of_scans(2).replace(b"\0\x10\0\x10\1", b"\x80\0\x80\0\1"),
                 "64 Mi pixels")
    still = encoded(Image.fromarray(one), "WEBP", lossless=True)
    cases.refuse("huge.webp", files.webp_animation((16000, 16000), [(still, (1, 1), (0, 0))]),
                 "64 Mi pixels")
    cases.refuse("long.webp", files.webp_animation((40000, 1), [(still, (1, 1), (0, 0))]),
                 "32768 a side")
    cases.refuse("huge.ppm", b"P6 30000 30000 255\n", "64 Mi pixels")


def columns_first(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """By Pillow's BICUBIC in two calls, since one call does not say which pass comes first."""
    between = image.resize((size[0], image.height), Image.Resampling.BICUBIC)
    return between.resize(size, Image.Resampling.BICUBIC)


def resize_cases(cases: Cases) -> None:
    for name, shape in {"noise": (31, 40, 3), "row": (1, 23, 3), "column": (19, 1, 3),
                        "dot": (1, 1, 3)}.items():
        image = Image.fromarray(noise(*shape))
        path = cases.write(f"{name}.png", encoded(image, "PNG"))
        for size in SIZES:
            # Between two passes samples are rounded, and Pillow does not say which comes first.
            one_pass = any(a in (1, b) for a, b in zip(image.size, size))
            resized = image.resize(size, Image.Resampling.BILINEAR)
            cases.add("resize", path, resized, 0 if one_pass else 1)
            cases.add("resize_bicubic", path, columns_first(image, size))


def bilinear(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize(size, Image.Resampling.BILINEAR)


def fit(image: Image.Image, shorter: int, width: int, height: int, resize=bilinear) -> Image.Image:
    """torchvision's Resize(shorter) and CenterCrop((height, width)), as its documents have them."""
    longer = int(shorter * max(image.size) / min(image.size))
    size = (shorter, longer) if image.width <= image.height else (longer, shorter)
    image = resize(image, size)
    pad_x, pad_y = max(0, width - image.width), max(0, height - image.height)
    image = ImageOps.expand(image, (pad_x // 2, pad_y // 2, (pad_x + 1) // 2, (pad_y + 1) // 2))
    left, top = int(round((image.width - width) / 2.0)), int(round((image.height - height) / 2.0))
    return image.crop((left, top, left + width, top + height))


def fit_cases(cases: Cases) -> None:
    # A size, the shorter side, and the crop's size; the first three are cut at a half.
    given = [(341, 256, 256, 224, 224), (17, 16, 16, 16, 16), (16, 17, 16, 16, 16),
             (16, 16, 20, 16, 16), (224, 224, 256, 224, 224), (1, 1, 1, 3, 2), (1, 40, 3, 3, 3)]
    given += [tuple(RANDOM.integers(1, 64, 5).tolist()) for _ in range(RANDOM_FITS)]
    for i, (width, height, shorter, to_width, to_height) in enumerate(given):
        image = Image.fromarray(noise(height, width, 3))
        path = cases.write(f"fit{i}.png", encoded(image, "PNG", compress_level=1))
        cases.add("fit", path, fit(image, shorter, to_width, to_height), shorter)
        cases.add("fit_bicubic", path, fit(image, shorter, to_width, to_height, columns_first), shorter)


def main() -> None:
    warnings.simplefilter("ignore")  # of malformed EXIF, which is meant
    samples, folder = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    cases = Cases(folder)
    png_cases(cases)
    jpeg_cases(cases, samples)
    webp_cases(cases)
    ppm_cases(cases)
    orientation_cases(cases)
    huge_cases(cases)
    resize_cases(cases)
    fit_cases(cases)
    cases.save()


if __name__ == "__main__":
    main()
