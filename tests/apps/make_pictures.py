"""Writes pictures for the decoder and the resizing, their pixels computed by Pillow.

Usage: make_pictures.py SAMPLES OUTPUT. Each line of OUTPUT/cases.txt is "decode FILE WIDTH HEIGHT
BYTES..." (the file decoded) or "resize FILE WIDTH HEIGHT BYTES..." (it resized to that size).
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

RANDOM = np.random.default_rng(7)
SAMPLES = ("cat_0000.jpg", "ship_0001.jpg", "truck_0000.jpg")
SIZES = ((32, 32), (16, 16), (7, 45), (64, 20), (1, 1), (33, 31))


def line(kind: str, path: Path, rgb: np.ndarray) -> str:
    height, width, _ = rgb.shape
    return f"{kind} {path} {width} {height} " + " ".join(map(str, rgb.reshape(-1).tolist()))


def noise(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def png_cases(folder: Path) -> list[str]:
    rgb, grey = noise(5, 7, 3), noise(6, 3)
    alpha = np.dstack([rgb, np.where(noise(5, 7) < 128, 0, 255).astype(np.uint8)])
    palette = Image.fromarray(rgb).quantize(16)
    # 257 = 65535 / 255, so that each 16-bit sample is one 8-bit level exactly.
    pictures = {
        "rgb": (Image.fromarray(rgb), rgb),
        "grey": (Image.fromarray(grey), np.dstack([grey] * 3)),
        "grey16": (Image.fromarray(grey.astype(np.uint16) * 257), np.dstack([grey] * 3)),
        "palette": (palette, np.asarray(palette.convert("RGB"))),
        "alpha": (Image.fromarray(alpha), np.where(alpha[..., 3:] == 0, 255, rgb)),
    }
    lines = []
    for name, (image, expected) in pictures.items():
        path = folder / f"{name}.png"
        image.save(path)
        lines.append(line("decode", path, expected))
    return lines


def jpeg_cases(samples: Path, folder: Path) -> list[str]:
    paths = [samples / name for name in SAMPLES]
    smooth = Image.fromarray(noise(4, 6, 3)).resize((41, 29), Image.Resampling.BICUBIC)
    for name, options in {
        "progressive": {"progressive": True},
        "full_colour": {"subsampling": 0},
        "half_colour": {"subsampling": 2},
    }.items():
        paths.append(folder / f"{name}.jpg")
        smooth.save(paths[-1], quality=85, **options)
    paths.append(folder / "grey.jpg")
    smooth.convert("L").save(paths[-1])
    smooth.convert("CMYK").save(folder / "cmyk.jpg")
    return [line("decode", path, np.asarray(Image.open(path).convert("RGB"))) for path in paths]


def resize_cases(folder: Path) -> list[str]:
    lines = []
    for name, shape in {"noise": (31, 40, 3), "row": (1, 23, 3), "pixel": (1, 1, 3)}.items():
        image = Image.fromarray(noise(*shape))
        path = folder / f"{name}.png"
        image.save(path)
        for size in SIZES:
            resized = image.resize(size, Image.Resampling.BILINEAR)
            lines.append(line("resize", path, np.asarray(resized)))
    return lines


def main() -> None:
    samples, folder = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    lines = png_cases(folder) + jpeg_cases(samples, folder) + resize_cases(folder)
    (folder / "cases.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
