"""One-stage anchor-free detector of plain convolutions.

Only Conv, ReLU, MaxPool, nearest Resize, Add and Concat occur, so that every runtime and every
quantiser can take the graph. Decoding stays outside. The network is fully convolutional: any input
whose sides are multiples of the largest stride of the trunk works.
"""

import math

import torch
from torch import nn
from torch.nn import functional

PRIOR = 0.01


def conv_block(inputs, outputs, kernel=3, stride=1):
    """Convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """1x1 to half the width, 3x3 back, added to the input."""

    def __init__(self, width):
        super().__init__()
        self.squeeze = conv_block(width, width // 2, 1)
        self.expand = conv_block(width // 2, width, 3)

    def forward(self, x):
        return x + self.expand(self.squeeze(x))


class PooledContext(nn.Module):
    """Widens the view of the last trunk level by two stacked 5x5 poolings."""

    def __init__(self, width):
        super().__init__()
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.mix = conv_block(3 * width, width, 1)

    def forward(self, x):
        near = self.pool(x)
        return self.mix(torch.cat([x, near, self.pool(near)], 1))


class LevelHead(nn.Module):
    """Class logits and l, t, r, b of one level, as one tensor of C+4 channels."""

    def __init__(self, width, classes, decoupled):
        super().__init__()
        self.shared = conv_block(width, width, 3)
        self.own = conv_block(width, width, 3) if decoupled else None
        self.classes = nn.Conv2d(width, classes, 1)
        self.boxes = nn.Conv2d(width, 4, 1)
        nn.init.normal_(self.classes.weight, std=0.01)
        nn.init.normal_(self.boxes.weight, std=0.01)
        nn.init.constant_(self.classes.bias, -math.log((1 - PRIOR) / PRIOR))
        nn.init.constant_(self.boxes.bias, 0.7)

    def forward(self, x):
        shared = self.shared(x)
        own = shared if self.own is None else self.own(x)
        return torch.cat([self.classes(shared), self.boxes(own)], 1)


class Detector(nn.Module):
    """Trunk, top-down neck and one head a stride. Returns a list, finest stride first.

    `widths` are those of the trunk at strides 2, 4, 8, ...; `depths` the residual blocks at each.
    `strides` are the strides with a head; each must be in the trunk.
    """

    def __init__(self, classes, widths, depths, neck, strides, decoupled=True):
        super().__init__()
        self.class_count = classes
        self.strides = tuple(strides)
        stages, inputs = [], 3
        for width, depth in zip(widths, depths, strict=True):
            blocks = [conv_block(inputs, width, 3, 2)] + [Residual(width) for _ in range(depth)]
            stages.append(nn.Sequential(*blocks))
            inputs = width
        stages[-1].append(PooledContext(inputs))
        self.stages = nn.ModuleList(stages)
        self.first = int(math.log2(min(strides))) - 1
        levels = range(self.first, len(widths))
        self.laterals = nn.ModuleList(conv_block(widths[level], neck, 1) for level in levels)
        self.smooths = nn.ModuleList(conv_block(neck, neck, 3) for _ in list(levels)[:-1])
        self.heads = nn.ModuleDict(
            {f"p{stride}": LevelHead(neck, classes, decoupled) for stride in strides}
        )

    @property
    def output_names(self):
        """Names of the outputs, in order."""
        return list(self.heads)

    def forward(self, x):
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        features = [lateral(f) for lateral, f in zip(self.laterals, features[self.first :])]
        level = features[-1]
        pyramid = {2 ** (self.first + len(features)): level}
        for index in range(len(features) - 2, -1, -1):
            up = functional.interpolate(level, scale_factor=2.0, mode="nearest")
            level = self.smooths[index](features[index] + up)
            pyramid[2 ** (self.first + index + 1)] = level
        return [self.heads[f"p{stride}"](pyramid[stride]) for stride in self.strides]


def from_config(config):
    """Builds the network a config's `[net]` table and `classes` describe."""
    net = config["net"]
    return Detector(
        len(config["classes"]),
        net["widths"],
        net["depths"],
        net["neck"],
        net["strides"],
        net.get("decoupled", True),
    )


def flatten(outputs, class_count):
    """List of Bx(C+4)xHxW to (logits BxAxC, raw distances BxAx4)."""
    joined = torch.cat([level.flatten(2) for level in outputs], 2).transpose(1, 2).contiguous()
    return joined[..., :class_count], joined[..., class_count:]


def cell_centres(outputs, strides):
    """Centres (Ax2, pixels of the input) and strides (A) of all cells, in `flatten`'s order."""
    centres, sizes = [], []
    for level, stride in zip(outputs, strides):
        rows, columns = level.shape[-2:]
        y, x = torch.meshgrid(
            torch.arange(rows, dtype=torch.float32),
            torch.arange(columns, dtype=torch.float32),
            indexing="ij",
        )
        centres.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride)
        sizes.append(torch.full((rows * columns,), float(stride)))
    return torch.cat(centres), torch.cat(sizes)


def boxes_from_distances(raw, centres, strides):
    """Raw l, t, r, b to x1, y1, x2, y2 in pixels of the input."""
    distance = raw.clamp(max=6.0).exp() * strides[:, None]
    return torch.cat([centres - distance[..., :2], centres + distance[..., 2:]], -1)
