"""A ResNet as other packages build it, torchvision among them: its blocks know nothing of gates."""

from __future__ import annotations

import torch
from torch import nn


class ForeignBlock(nn.Module):
    """A basic block or a bottleneck, by the names that torchvision gives its layers."""

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool = False) -> None:
        super().__init__()
        outputs = 4 * width if bottleneck else width
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        channels = (inputs, width, width, outputs) if bottleneck else (inputs, width, width)
        for i, kernel in enumerate(kernels, 1):
            # In bottlenecks torchvision strides the 3x3 convolution.
            step = stride if i == (2 if bottleneck else 1) else 1
            conv = nn.Conv2d(channels[i - 1], channels[i], kernel, step, kernel // 2, bias=False)
            setattr(self, f"conv{i}", conv)
            setattr(self, f"bn{i}", nn.BatchNorm2d(channels[i]))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(outputs))
        self.depth = len(kernels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = x
        for i in range(1, self.depth + 1):
            out = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(out))
            out = self.relu(out) if i < self.depth else out
        out += identity
        return self.relu(out)


class ForeignNet(nn.Module):
    """Two stages, the second at half the size: [N, 3, H, W] -> scores [N, classes]."""

    def __init__(self, classes: int = 10, bottleneck: bool = False) -> None:
        super().__init__()
        wide = 4 if bottleneck else 1
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(
            ForeignBlock(8, 8, 1, bottleneck), ForeignBlock(8 * wide, 8, 1, bottleneck)
        )
        self.layer2 = nn.Sequential(ForeignBlock(8 * wide, 16, 2, bottleneck))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16 * wide, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))
