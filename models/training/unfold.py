"""Weights of an exported model back into the network, so that training can begin with a model that ships.

An export folds each batch normalisation into the convolution before it. Here the convolution keeps the folded kernel,
and the normalisation gets the statistics that this kernel has on given pictures, with scale and shift that undo them:
in evaluation the network computes what the export computes, and in training it is normalised as usual.
"""

import numpy as np
import torch
from torch import nn


class UnfoldError(Exception):
    """A graph that is no export of this network; the text says where they differ."""


def _pairs(net, tensor):
    """(convolution, its normalisation or None), in the order in which they run."""
    followers = {}
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            for before, after in zip(module, list(module)[1:]):
                if isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
                    followers[before] = after
    order, hooks = [], []
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(lambda conv, *_: order.append(conv)))
    with torch.no_grad():
        net.eval()(torch.from_numpy(tensor))
    for hook in hooks:
        hook.remove()
    return [(conv, followers.get(conv)) for conv in order]


def _kernels(path):
    """(weight, bias) of the graph's convolutions, in its order."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    constants = {entry.name: entry for entry in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv":
            missing = [name for name in node.input[1:] if name not in constants]
            if missing or len(node.input) != 3:
                raise UnfoldError(f"{path}: {node.name} has no constant kernel and bias")
            yield tuple(numpy_helper.to_array(constants[name]) for name in node.input[1:])


def unfold(net, path, tensors):
    """Loads the graph at `path` into `net`; `tensors` (inputs, 1xCxHxW float32) give the statistics."""
    pairs, kernels = _pairs(net, tensors[0]), list(_kernels(path))
    if len(pairs) != len(kernels):
        raise UnfoldError(f"{path}: {len(kernels)} convolutions, the network has {len(pairs)}")
    for (conv, norm), (weight, bias) in zip(pairs, kernels):
        if tuple(conv.weight.shape) != weight.shape:
            raise UnfoldError(f"{path}: a kernel of {weight.shape}, the network has {tuple(conv.weight.shape)}")
        with torch.no_grad():
            conv.weight.copy_(torch.from_numpy(np.array(weight)))
            shift = torch.from_numpy(np.array(bias))
            if norm is None:
                conv.bias.copy_(shift)
            else:
                norm.bias.copy_(shift)
                norm.weight.fill_((1.0 + norm.eps) ** 0.5)
                norm.running_mean.zero_()
                norm.running_var.fill_(1.0)
    _normalise(net, [(conv, norm) for conv, norm in pairs if norm is not None], tensors)


@torch.no_grad()
def _normalise(net, pairs, tensors):
    """Gives each normalisation the statistics of its input, and what undoes them."""
    sums = {norm: [0, 0.0, 0.0] for _, norm in pairs}

    def take(norm, inputs, _):
        values = inputs[0].double()
        count, total, squares = sums[norm]
        sums[norm] = [
            count + values[:, 0].numel(),
            total + values.sum((0, 2, 3)),
            squares + values.square().sum((0, 2, 3)),
        ]

    hooks = [norm.register_forward_hook(take) for norm in sums]
    for tensor in tensors:
        net.eval()(torch.from_numpy(tensor))
    for hook in hooks:
        hook.remove()
    for norm, (count, total, squares) in sums.items():
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=1e-6)
        norm.running_mean.copy_(mean.float())
        norm.running_var.copy_(variance.float())
        norm.weight.copy_((variance + norm.eps).sqrt().float())
        norm.bias.add_(mean.float())
