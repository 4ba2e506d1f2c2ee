"""Detectors like those of the YOLO family: with SiLU and raw heads (as v5), with SiLU and boxes (as
v8), and with LeakyReLU (as v3-tiny)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNorm(nn.Sequential):
    """A convolution that keeps the size, a batch norm and an activation."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1,
                 activation: type[nn.Module] = nn.SiLU, **options: float) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False),
                         nn.BatchNorm2d(outputs, eps=1e-3), activation(**options))


class Bottleneck(nn.Module):
    def __init__(self, width: int, adds: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(ConvNorm(width, width, 1), ConvNorm(width, width, 3))
        self.adds = adds

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


class C3(nn.Module):
    """v5: two 1x1 branches, one of them through bottlenecks."""

    def __init__(self, inputs: int, outputs: int, adds: bool = True, depth: int = 1) -> None:
        super().__init__()
        half = outputs // 2
        self.deep = nn.Sequential(ConvNorm(inputs, half), *(Bottleneck(half, adds) for _ in range(depth)))
        self.flat = ConvNorm(inputs, half)
        self.merge = ConvNorm(2 * half, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.merge(torch.cat([self.deep(x), self.flat(x)], dim=1))


class C2f(nn.Module):
    """v8: a 1x1 split in two, whose second half goes on and leaves every stage behind."""

    def __init__(self, inputs: int, outputs: int, adds: bool = True, depth: int = 1) -> None:
        super().__init__()
        half = outputs // 2
        self.split = ConvNorm(inputs, 2 * half)
        self.stages = nn.ModuleList(Bottleneck(half, adds) for _ in range(depth))
        self.merge = ConvNorm((2 + depth) * half, outputs)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.split(x).chunk(2, 1))
        for stage in self.stages:
            parts.append(stage(parts[-1]))
        return self.merge(torch.cat(parts, 1))


class SPPF(nn.Module):
    """Three max poolings one after another, all of them kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = ConvNorm(width, width // 2)
        self.merge = ConvNorm(width * 2, width)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.narrow(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.merge(torch.cat(parts, 1))


class Pyramid(nn.Module):
    """A backbone of stride 32, and features at strides 8, 16 and 32 up and down again (PANet)."""

    def __init__(self, width: int, block: type[nn.Module]) -> None:
        super().__init__()
        w = [width << level for level in range(5)]
        self.stem = nn.Sequential(ConvNorm(3, w[0], 6 if block is C3 else 3, 2))
        self.stages = nn.ModuleList(
            nn.Sequential(ConvNorm(a, b, 3, 2), block(b, b)) for a, b in zip(w, w[1:]))
        self.context = SPPF(w[4])
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.up4 = block(w[4] + w[3], w[3], False)
        self.up3 = block(w[3] + w[2], w[2], False)
        self.down3 = ConvNorm(w[2], w[2], 3, 2)
        self.out4 = block(w[2] + w[3], w[3], False)
        self.down4 = ConvNorm(w[3], w[3], 3, 2)
        self.out5 = block(w[3] + w[4], w[4], False)
        self.widths = w[2:]

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        _, p3, p4, p5 = levels
        p5 = self.context(p5)
        n4 = self.up4(torch.cat([self.up(p5), p4], 1))
        n3 = self.up3(torch.cat([self.up(n4), p3], 1))
        n4 = self.out4(torch.cat([self.down3(n3), n4], 1))
        return [n3, n4, self.out5(torch.cat([self.down4(n4), p5], 1))]


class RawDetector(nn.Module):
    """v5's heads as they leave the network, [N, anchors, H, W, 5 + classes] at three strides."""

    def __init__(self, width: int = 16, classes: int = 20, anchors: int = 3) -> None:
        super().__init__()
        self.features = Pyramid(width, C3)
        self.heads = nn.ModuleList(
            nn.Conv2d(w, anchors * (5 + classes), 1) for w in self.features.widths)
        self.anchors = anchors

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        outputs = []
        for head, feature in zip(self.heads, self.features(image)):
            y = head(feature)
            n, c, h, w = y.shape
            y = y.view(n, self.anchors, c // self.anchors, h, w).permute(0, 1, 3, 4, 2).contiguous()
            outputs.append(y)
        return tuple(outputs)


class BoxDetector(nn.Module):
    """v8's output, [N, 4 + classes, positions]: boxes in pixels, each side from a distribution over
    `bins` distances, and probabilities."""

    def __init__(self, size: int, width: int = 16, classes: int = 20, bins: int = 16) -> None:
        super().__init__()
        self.features = Pyramid(width, C2f)
        self.boxes, self.scores = nn.ModuleList(), nn.ModuleList()
        for w in self.features.widths:
            self.boxes.append(nn.Sequential(ConvNorm(w, w, 3), nn.Conv2d(w, 4 * bins, 1)))
            self.scores.append(nn.Sequential(ConvNorm(w, w, 3), nn.Conv2d(w, classes, 1)))
        self.expectation = nn.Conv2d(bins, 1, 1, bias=False)
        self.expectation.weight.requires_grad_(False)  # the bins' numbers, not to be drawn
        self.expectation.weight.copy_(torch.arange(bins, dtype=torch.float32).view(1, bins, 1, 1))
        self.bins = bins
        anchors, strides = [], []
        for stride in (8, 16, 32):
            steps = torch.arange(size // stride) + 0.5
            y, x = torch.meshgrid(steps, steps, indexing="ij")
            anchors.append(torch.stack((x, y), -1).view(-1, 2))
            strides.append(torch.full((len(anchors[-1]), 1), float(stride)))
        self.register_buffer("anchors", torch.cat(anchors).T.unsqueeze(0).contiguous())
        self.register_buffer("strides", torch.cat(strides).T.contiguous())

    def forward(self, image: Tensor) -> Tensor:
        levels = [torch.cat([box(f), score(f)], 1).flatten(2)
                  for box, score, f in zip(self.boxes, self.scores, self.features(image))]
        box, score = torch.cat(levels, 2).split((4 * self.bins, levels[0].shape[1] - 4 * self.bins), 1)
        n, _, positions = box.shape
        box = box.view(n, 4, self.bins, positions).transpose(2, 1).softmax(1)
        low, high = self.expectation(box).view(n, 4, positions).chunk(2, 1)
        low, high = self.anchors - low, self.anchors + high
        box = torch.cat([(low + high) / 2, high - low], 1) * self.strides
        return torch.cat([box, score.sigmoid()], 1)


class TinyDetector(nn.Module):
    """v3-tiny: LeakyReLU, a max pooling of stride 1 behind a padding, heads at strides 16 and 32."""

    def __init__(self, width: int = 16, classes: int = 20, anchors: int = 3) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Module:
            return ConvNorm(inputs, outputs, kernel, activation=nn.LeakyReLU, negative_slope=0.1)

        w = [width << level for level in range(6)]
        pool = nn.MaxPool2d(2)
        self.shallow = nn.Sequential(conv(3, w[0]), *(
            layer for a, b in zip(w[:4], w[1:5]) for layer in (pool, conv(a, b))))
        self.deep = nn.Sequential(pool, conv(w[4], w[5]), nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, 1),
                                  conv(w[5], w[5]), conv(w[5], w[4], 1))
        outputs = anchors * (5 + classes)
        self.head5 = nn.Sequential(conv(w[4], w[5]), nn.Conv2d(w[5], outputs, 1))
        self.lateral = nn.Sequential(conv(w[4], w[3], 1), nn.Upsample(scale_factor=2, mode="nearest"))
        self.head4 = nn.Sequential(conv(w[3] + w[4], w[4]), nn.Conv2d(w[4], outputs, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        shallow = self.shallow(image)
        deep = self.deep(shallow)
        return self.head4(torch.cat([self.lateral(deep), shallow], 1)), self.head5(deep)
