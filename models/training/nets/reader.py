"""The plate reader: a small convolutional network with a CTC head.

Input 1 x 1 x 32 x 128 grey, (pixel - 127.5) / 127.5. Output 1 x 32 x 37 logits: 32 steps
from left to right, 36 characters and the blank.
"""

from __future__ import annotations

import torch
from torch import nn

STEPS = 32
CLASSES = 37
BLANK = 36


def _conv(
    inputs: int, outputs: int, kernel: tuple[int, int] = (3, 3), pad: tuple[int, int] = (1, 1)
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=pad, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    """x + conv(x); keeps gradients short without costing an operator kind."""

    def __init__(
        self, width: int, kernel: tuple[int, int] = (3, 3), pad: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(width, width, kernel, padding=pad, bias=False), nn.BatchNorm2d(width)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(x + self.conv(x))


class PlateReader(nn.Module):
    """0.50 M parameters, 0.06 G multiply-adds."""

    def __init__(self, widths: tuple[int, ...] = (24, 48, 72, 112, 128)) -> None:
        super().__init__()
        a, b, c, d, e = widths
        self.features = nn.Sequential(
            _conv(1, a),
            nn.MaxPool2d(2),
            _conv(a, b),
            nn.MaxPool2d(2),
            _conv(b, c),
            _Residual(c),
            nn.MaxPool2d((2, 1)),
            _conv(c, d),
            _Residual(d),
            _conv(d, e, (4, 1), (0, 0)),
            _Residual(e, (1, 5), (0, 2)),
            nn.Dropout2d(0.1),
            _Residual(e, (1, 5), (0, 2)),
        )
        self.head = nn.Conv2d(e, CLASSES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N x 1 x 32 x 128 to N x 32 x 37 logits."""
        return self.head(self.features(x)).squeeze(2).transpose(1, 2)
