"""PetNano: a small residual network with one anchor-free head of stride 16.

Input: BGR 0..255, NCHW; the normalisation is inside. Raw output: [n, 15, size/16, size/16], a row's five box numbers as
in YOLOX (x and y relative to the cell, logarithms of width and height in strides, object logit) and ten species logits.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .classes import CLASS_COUNT

STRIDE = 16
OBJECT = 4
CHANNEL_MEAN_BGR = (103.5, 116.3, 123.7)
CHANNEL_DEVIATION = 58.0


class Conv(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        padding = (kernel - stride) // 2 if stride == 4 else kernel // 2
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(outputs, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Block(nn.Module):
    """Residual: 1x1 to fewer channels, 3x3 back. A quarter to a half of a plain 3x3 pair's arithmetic."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = Conv(channels, hidden, 1)
        self.spread = Conv(hidden, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.spread(self.squeeze(x))


class PetNano(nn.Module):
    def __init__(self, neck: int = 96) -> None:
        super().__init__()
        self.stem = Conv(3, 32, 6, 4)
        self.stage8 = nn.Sequential(Conv(32, 64, 3, 2), Block(64, 32), Block(64, 32))
        self.stage16 = nn.Sequential(Conv(64, 128, 3, 2), *[Block(128, 64) for _ in range(4)])
        self.stage32 = nn.Sequential(Conv(128, 160, 3, 2), Block(160, 48), Block(160, 48))
        # The coarse map beside its own mean: what kind of scene this is helps to judge a small blob in it.
        self.context = Conv(2 * 160, neck, 1)
        self.lateral = Conv(128, neck, 1)
        self.mix = Block(neck, neck // 2)
        self.head = Conv(neck, neck, 3)
        self.predict = nn.Conv2d(neck, 5 + CLASS_COUNT, 1)
        self.register_buffer("mean", torch.tensor(CHANNEL_MEAN_BGR).view(1, 3, 1, 1))
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        fine = self.stage16(self.stage8(self.stem((x - self.mean) * (1 / CHANNEL_DEVIATION))))
        coarse = self.stage32(fine)
        scene = F.adaptive_avg_pool2d(coarse, 1).expand_as(coarse)
        coarse = self.context(torch.cat([coarse, scene], 1))
        mixed = self.lateral(fine) + F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        return self.predict(self.head(self.mix(mixed)))

    def _initialise(self) -> None:
        """Starts where most cells say "nothing here" and boxes are five strides wide."""
        with torch.no_grad():
            self.predict.weight.mul_(0.3)
            self.predict.bias.zero_()
            self.predict.bias[2:4] = math.log(5.0)
            self.predict.bias[OBJECT] = -4.0
            self.predict.bias[OBJECT + 1 :] = -2.0


def animal_scores(raw: Tensor) -> Tensor:
    """Every cell's animal score, [n, cells]: the object's probability. The species only say which animal."""
    return raw[:, OBJECT].flatten(1).sigmoid()
