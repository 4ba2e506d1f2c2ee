"""Networks that give images: DCGAN, DnCNN, an SRCNN with DepthToSpace, and a U-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Generator(nn.Sequential):
    """DCGAN (Radford et al., 2016): [N, latent, 1, 1] to [N, 3, 64, 64]."""

    def __init__(self, width: int = 64, latent: int = 100) -> None:
        widths = [width * 8, width * 4, width * 2, width]
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent, widths[0], 4, 1, 0, bias=False)]
        for inputs, outputs in zip(widths, widths[1:]):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(True),
                       nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(width), nn.ReLU(True),
                   nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh()]
        super().__init__(*layers)


class Discriminator(nn.Sequential):
    """DCGAN: [N, 3, 64, 64] to [N, 1, 1, 1]."""

    def __init__(self, width: int = 64) -> None:
        widths = [width, width * 2, width * 4, width * 8]
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1, bias=False),
                                   nn.LeakyReLU(0.2, True)]
        for inputs, outputs in zip(widths, widths[1:]):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs),
                       nn.LeakyReLU(0.2, True)]
        layers += [nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid()]
        super().__init__(*layers)


class DnCNN(nn.Module):
    """Zhang et al., 2017: takes the noise that its layers find out of a grey image."""

    def __init__(self, width: int = 64, depth: int = 17) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU(True)]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
                       nn.ReLU(True)]
        layers.append(nn.Conv2d(width, 1, 3, padding=1, bias=False))
        self.noise = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        return image - self.noise(image)


class SRCNN(nn.Module):
    """Super-resolution by sub-pixel convolution (Shi et al., 2016) of a grey image."""

    def __init__(self, width: int = 64, scale: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 5, padding=2), nn.PReLU(width),
            nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width),
            nn.Conv2d(width, width // 2, 3, padding=1), nn.Tanh(),
            nn.Conv2d(width // 2, scale * scale, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, image: Tensor) -> Tensor:
        return torch.clamp(self.layers(image), 0, 1)


class TwoConvs(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True))


class UNet(nn.Module):
    """Ronneberger et al., 2015, padded: `classes` scores per position."""

    def __init__(self, width: int = 32, depth: int = 4, classes: int = 2) -> None:
        super().__init__()
        widths = [width << level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            TwoConvs(inputs, outputs) for inputs, outputs in zip([3, *widths], widths))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(outer * 2, outer, 2, stride=2) for outer in reversed(widths[:-1]))
        self.merge = nn.ModuleList(TwoConvs(outer * 2, outer) for outer in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            kept.append(x)
        kept.pop()
        for up, merge in zip(self.up, self.merge):
            x = merge(torch.cat([kept.pop(), up(x)], dim=1))
        return self.head(x)
