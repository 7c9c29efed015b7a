#!/usr/bin/env python3
"""Writes features.json: values and gradients of the losses of maps and relations in float64 by torch's autograd. Made with torch 1.13.0.

Each loss is its paper's formula, written out pair by pair or with torch's own layers; nothing is taken from a distillation library.
Inputs and weights come from fill(), which the tests have too. Maps are [N, H, W, C] in the file.
"""
import json
import math
import pathlib

import torch
import torch.nn.functional as F


def fill(shape, salt, scale=1.0):
    count = math.prod(shape)
    values = [((i * i * 31 + i * 7919 + salt * 104729) % 1999 - 999) / 999 * scale for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def chw(x):
    return x.permute(0, 3, 1, 2)


def hwc(x):
    return x.permute(0, 2, 3, 1)


def relation_distance(student, teacher):
    def relations(x):
        n = len(x)
        d = [[torch.dist(x[i], x[j]) if i != j else torch.zeros((), dtype=x.dtype) for j in range(n)] for i in range(n)]
        mean = sum(d[i][j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
        return torch.stack([d[i][j] / mean for i in range(n) for j in range(n)])

    return F.smooth_l1_loss(relations(student), relations(teacher))


def relation_angle(student, teacher):
    def relations(x):
        n = len(x)
        cosines = []
        for i in range(n):
            for j in range(n):
                for k in range(n):
                    if i in (j, k):
                        cosines.append(torch.zeros((), dtype=x.dtype))
                    else:
                        cosines.append(F.cosine_similarity(x[j] - x[i], x[k] - x[i], dim=0))
        return torch.stack(cosines)

    return F.smooth_l1_loss(relations(student), relations(teacher))


def alignment(x, y):
    def hsic(a, b):
        n = len(a)
        h = torch.eye(n, dtype=a.dtype) - 1 / n
        return torch.trace(a @ h @ b @ h) / (n - 1) ** 2

    x, y = x.flatten(1), y.flatten(1)
    k, l = x @ x.T, y @ y.T
    return hsic(k, l) / torch.sqrt(hsic(k, k) * hsic(l, l))


def hint(student, teacher, kernel, activated):
    weight, bias = fill((teacher.shape[-1], student.shape[-1], kernel, kernel), 11, 0.3), fill((teacher.shape[-1],), 12, 0.3)
    x, t = chw(student), chw(teacher)
    if x.shape[-1] < t.shape[-1]:
        x = F.interpolate(x, size=t.shape[-2:], mode="bilinear", align_corners=False)
    guess = F.conv2d(x, weight, bias)
    if activated:
        guess = F.relu(guess)
    return 0.5 * F.mse_loss(guess, t)


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


def discriminator(student, teacher, adversarial):
    """MEAL V2: 1000 to 125 to 15 to 2."""
    widths = [1000, 125, 15, 2]
    x = torch.cat([Reverse.apply(student) if adversarial else student, teacher])[:, :, None, None]
    for i in range(3):
        x = F.relu(F.conv2d(x, fill((widths[i + 1], widths[i], 1, 1), 20 + i, 0.1), fill((widths[i + 1],), 30 + i, 0.1)))
    n = len(student)
    return F.binary_cross_entropy_with_logits(x[:, :, 0, 0], torch.tensor([[1.0, 0.0]] * n + [[0.0, 1.0]] * n, dtype=torch.float64))


def cosines(x):
    """The orthonormal DCT-II of a [N, C, H, W] tensor, coefficient by coefficient."""
    n, c, height, width = x.shape
    result = []
    for u in range(height):
        for v in range(width):
            basis = torch.tensor([[math.cos(math.pi * u * (2 * i + 1) / (2 * height)) * math.cos(math.pi * v * (2 * j + 1) / (2 * width))
                                   for j in range(width)] for i in range(height)], dtype=x.dtype)
            scale = math.sqrt((1 if u == 0 else 2) / height) * math.sqrt((1 if v == 0 else 2) / width)
            result.append(scale * (x * basis).sum((2, 3)))
    return torch.stack(result, -1).reshape(n, c, height, width)


class Inverse(torch.autograd.Function):
    """By the adjoint: the transform is orthogonal."""

    @staticmethod
    def forward(ctx, f):
        with torch.enable_grad():
            x = torch.zeros_like(f, requires_grad=True)
            return torch.autograd.grad((cosines(x) * f).sum(), x)[0]

    @staticmethod
    def backward(ctx, gradient):
        return cosines(gradient)


def mimic(student, teacher, alternative):
    s, t = chw(student), chw(teacher)
    if alternative:
        mask = torch.ones(s.shape[-2:], dtype=s.dtype)
        mask[0, 0] = 0
        s, t = Inverse.apply(cosines(s) * mask), Inverse.apply(cosines(t) * mask)
    return F.mse_loss(F.normalize(s, dim=1), F.normalize(t, dim=1), reduction="sum") / len(s)


def project(x):
    """ScaleKD's projector with torch's layers: 3 channels, 4x5, to 8 channels, 2x3, two heads, learned queries."""
    c, d, heads, n = 3, 8, 2, len(x)
    linear = lambda y, salt, o, i: F.linear(y, fill((o, i), salt, 0.5), fill((o,), salt + 1, 0.2))
    y = F.conv2d(chw(x), fill((c, c, 3, 3), 40, 0.3), fill((c,), 41, 0.2), padding=1)
    y = F.relu(F.batch_norm(y, torch.zeros(c, dtype=y.dtype), torch.ones(c, dtype=y.dtype), fill((c,), 42) + 1.5, fill((c,), 43), training=True))
    tokens = (hwc(y) + fill((1, 4, 5, c), 44)).flatten(1, 2)
    queries = F.relu(linear(fill((6, d), 45), 46, d, d)).expand(n, 6, d)
    split = lambda y: y.reshape(n, -1, heads, d // heads).transpose(1, 2)
    q, k, v = split(linear(queries, 48, d, d)), split(linear(tokens, 50, d, c)), split(linear(tokens, 52, d, c))
    seen = torch.softmax(5 * q @ k.transpose(-2, -1) / math.sqrt(d // heads), -1) @ v
    y = linear(seen.transpose(1, 2).flatten(2), 54, d, d)
    y = F.layer_norm(y, (d,), fill((d,), 56) + 1.5, fill((d,), 57))
    return (y + linear(F.relu(linear(y, 58, 4 * d, d)), 60, d, 4 * d)).reshape(n, 2, 3, d)


def case(loss, student, *rest):
    student = student.clone().requires_grad_()
    value = loss(student, *rest)
    weights = torch.ones(()) if value.dim() == 0 else fill(value.shape, 99)
    (value * weights).sum().backward()
    return {"value": value.flatten().tolist(), "gradient": student.grad.flatten().tolist()}


CASES = {
    "distances": case(relation_distance, fill((6, 5), 1), fill((6, 4), 2)),
    "angles": case(relation_angle, fill((6, 5), 1), fill((6, 4), 2)),
    "alignment": case(alignment, fill((6, 2, 2, 3), 1), fill((6, 4), 2)),
    "hint": case(hint, fill((2, 5, 5, 3), 1), fill((2, 3, 3, 4), 2), 3, False),
    "hint activated": case(hint, fill((2, 3, 3, 3), 1), fill((2, 3, 3, 4), 2), 1, True),
    "hint resized": case(hint, fill((2, 2, 2, 3), 1), fill((2, 3, 3, 4), 2), 1, False),
    "discriminator": case(discriminator, fill((2, 1000), 1, 3), fill((2, 1000), 2, 3), True),
    "discriminator together": case(discriminator, fill((2, 1000), 1, 3), fill((2, 1000), 2, 3), False),
    "cosines": case(lambda x: hwc(cosines(chw(x))), fill((2, 3, 4, 2), 1)),
    "original view": case(mimic, fill((2, 3, 4, 5), 1), fill((2, 3, 4, 5), 2), False),
    "alternative view": case(mimic, fill((2, 3, 4, 5), 1), fill((2, 3, 4, 5), 2), True),
    "projector": case(project, fill((2, 4, 5, 3), 1)),
}

text = json.dumps({name: {k: [float(f"{v:.9g}") for v in values] for k, values in c.items()} for name, c in CASES.items()}, indent=None, separators=(",", ":"))
(pathlib.Path(__file__).parent / "features.json").write_text(text.replace('},"', '},\n"') + "\n")
