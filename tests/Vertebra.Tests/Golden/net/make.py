"""Writes cases.json: what PyTorch gives for the image operations, results and input gradients, in [N, H, W, C] order.

Inputs follow a rule that the test repeats: element i of the k-th tensor is ((7919 * i + 104729 * k) % 1009) / 504.5 - 1 in float32.
The gradient of every result is such a tensor too, with k = 100. Run with PyTorch 1.13: python3 make.py > cases.json
"""
import json
import sys

import torch
import torch.nn.functional as F


def tensor(shape, k):
    count = 1
    for size in shape:
        count *= size
    values = [((7919 * i + 104729 * k) % 1009) / 504.5 - 1 for i in range(count)]
    return torch.tensor(values, dtype=torch.float32).reshape(shape)


def channels_first(x):
    return x.permute(0, 3, 1, 2)


def numbers(x):
    return [float("%.6g" % v) for v in x.detach().contiguous().flatten().tolist()]


def case(name, shape, function, **settings):
    x = tensor(shape, 1).requires_grad_()
    y = function(channels_first(x)).permute(0, 2, 3, 1)
    y.backward(tensor(y.shape, 100))
    return {"op": name, "shape": list(shape), **settings, "y_shape": list(y.shape), "y": numbers(y), "dx": numbers(x.grad)}


def lstm(features, hidden):
    """A layer over the rows of an image, forwards and backwards; its k-th parameter is tensor(..., 2 + k)."""
    layer = torch.nn.LSTM(features, hidden, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for k, parameter in enumerate(layer.parameters()):
            parameter.copy_(tensor(parameter.shape, 2 + k))

    def apply(x):
        n, c, h, w = x.shape
        return layer(x.permute(0, 2, 3, 1).reshape(n * h, w, c))[0].reshape(n, h, w, 2 * hidden).permute(0, 3, 1, 2)
    return apply


def main():
    cases = []
    for mode in ("nearest", "bilinear", "bicubic"):
        for align in (False, True) if mode != "nearest" else (False,):
            for antialias in (False, True) if mode != "nearest" else (False,):
                for size, target in (((5, 7), (8, 3)), ((9, 4), (4, 9)), ((3, 3), (7, 6)), ((6, 5), (6, 1)), ((13, 10), (3, 7))):
                    cases.append(case(
                        "interpolate", (1, *size, 2),
                        lambda x: F.interpolate(x, size=target, mode=mode, align_corners=align if mode != "nearest" else None, antialias=antialias),
                        size=list(target), mode=mode, align=align, antialias=antialias))
    for size in ((5, 7), (6, 9)):
        for kernel, stride, padding, ceil in ((3, 2, 1, True), (3, 2, 1, False), (2, 2, 0, True), (2, 2, 1, True), (3, 3, 0, True), (2, 3, 1, True)):
            settings = dict(kernel=kernel, stride=stride, padding=padding, ceil=ceil)
            cases.append(case("max_pool", (1, *size, 2), lambda x: F.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil), **settings))
            for count in (True, False):
                cases.append(case(
                    "avg_pool", (1, *size, 2), lambda x: F.avg_pool2d(x, kernel, stride, padding, ceil, count), count=count, **settings))
        for target in ((1, 1), (2, 3), (4, 4), (7, 5)):
            cases.append(case("adaptive_avg_pool", (1, *size, 2), lambda x: F.adaptive_avg_pool2d(x, target), size=list(target)))
            cases.append(case("adaptive_max_pool", (1, *size, 2), lambda x: F.adaptive_max_pool2d(x, target), size=list(target)))
    for channels, groups in ((6, 3), (6, 1), (6, 6)):
        weight, bias = tensor((channels,), 2), tensor((channels,), 3)
        cases.append(case("group_norm", (2, 3, 4, channels), lambda x: F.group_norm(x, groups, weight, bias, 1e-3), groups=groups))
    weight, bias = tensor((5,), 2), tensor((5,), 3)
    cases.append(case("batch_norm", (3, 4, 3, 5), lambda x: F.batch_norm(x, None, None, weight, bias, True, 0.1, 1e-3)))
    cases.append(case("layer_norm", (3, 4, 3, 5), lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (5,), weight, bias, 1e-3).permute(0, 3, 1, 2)))
    for stride, padding, output_padding, dilation, groups in ((1, 1, 0, 1, 1), (2, 1, 1, 1, 2), (3, 0, 2, 1, 1), (2, 2, 1, 2, 2)):
        settings = dict(stride=stride, padding=padding, output_padding=output_padding, dilation=dilation, groups=groups)
        filters = tensor((4, 6 // groups, 3, 3), 2)
        cases.append(case(
            "conv_transpose", (2, 4, 5, 4),
            lambda x: F.conv_transpose2d(x, filters, tensor((6,), 3), stride, padding, output_padding, groups, dilation), **settings))
        kernels = tensor((6, 4 // groups, 3, 3), 2)
        cases.append(case(
            "conv", (2, 7, 6, 4), lambda x: F.conv2d(x, kernels, tensor((6,), 3), stride, padding, dilation, groups), **settings))
    cases.append(case("lstm", (2, 3, 6, 5), lstm(5, 4), hidden=4))
    sys.stdout.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")


main()
