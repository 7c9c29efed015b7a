#!/usr/bin/env python3
"""Writes losses.json: values and gradients of losses in float64 by torch's autograd. Made with torch 1.13.0, torchvision 0.14.0.

torch's own functions where it has them (cross_entropy, binary_cross_entropy_with_logits, kl_div, sigmoid_focal_loss); the
others are the papers' formulas, written out sample by sample.
"""
import json
import math
import pathlib

import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

N, C = 6, 5
LOGITS = torch.tensor([[((i * 37 + j * 53 + i * j * 11) % 127 - 63) / 16 for j in range(C)] for i in range(N)], dtype=torch.float64)
LABELS = torch.tensor([0, 2, 4, 2, 2, 0])
HOT = F.one_hot(LABELS, C).double()
MIXED = torch.stack([HOT[i] * (i + 3) / 10 + HOT[(i + 2) % N] * (7 - i) / 10 for i in range(N)])
MULTI = torch.tensor([[((i * 3 + j * 5 + i * j) % 4 == 0) for j in range(C)] for i in range(N)]).double()
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 0.25, 1.5], dtype=torch.float64)


def smooth(targets, amount):
    return targets * (1 - amount) + amount / C


def binary(x, threshold=None, total=False, positive=None, weights=None, targets=MIXED):
    if threshold is not None:
        targets = (targets > threshold).double()
    weight = None if weights is None else weights
    losses = F.binary_cross_entropy_with_logits(
        x, targets, weight=weight, pos_weight=None if positive is None else torch.tensor(positive, dtype=x.dtype), reduction="none")
    return losses.sum(-1).mean() if total else losses.mean()


def focal_softmax(x, gamma, weights=None):
    total = 0
    for i in range(N):
        p = F.softmax(x[i], -1)
        for c in range(C):
            total = total - MIXED[i, c] * (1 if weights is None else weights[c]) * (1 - p[c]) ** gamma * torch.log(p[c])
    return total / N


def asymmetric_multi(x, negative, positive, clip):
    total = 0
    for i in range(N):
        for c in range(C):
            p = torch.sigmoid(x[i, c])
            shifted = torch.clamp(p - clip, min=0)
            if MULTI[i, c] == 1:
                total = total - (1 - p) ** positive * torch.log(p)
            else:
                total = total - shifted ** negative * torch.log(1 - shifted)
    return total / N


def asymmetric_single(x, negative, positive, smoothing):
    total = 0
    for i in range(N):
        p = F.softmax(x[i], -1)
        for c in range(C):
            is_target = bool(LABELS[i] == c)
            weight = (1 - p[c]) ** positive if is_target else p[c] ** negative
            total = total - smooth(HOT, smoothing)[i, c] * weight * torch.log(p[c])
    return total / N


def jensen_shannon(x, splits, smoothing, alpha):
    views = torch.split(x, N // splits)
    p = [F.softmax(v, 1) for v in views]
    mixture = torch.clamp(torch.stack(p).mean(0), 1e-7, 1).log()
    divergence = sum(F.kl_div(mixture, q, reduction="batchmean") for q in p) / splits
    return F.cross_entropy(views[0], LABELS[: N // splits], label_smoothing=smoothing) + alpha * divergence


def contrastive(x, inside, temperature):
    z = x / x.norm(dim=1, keepdim=True)
    terms = []
    for i in range(N):
        positives = [j for j in range(N) if j != i and LABELS[j] == LABELS[i]]
        if not positives:
            continue
        others = sum(torch.exp(z[i] @ z[a] / temperature) for a in range(N) if a != i)
        ratios = [torch.exp(z[i] @ z[j] / temperature) / others for j in positives]
        terms.append(-torch.log(sum(ratios) / len(ratios)) if inside else -sum(torch.log(r) for r in ratios) / len(ratios))
    return sum(terms) / len(terms)


def margin(x, angular, amount, scale):
    """x: cosines times the scale."""
    total = 0
    for i in range(N):
        cosines = list(x[i] / scale)
        y = int(LABELS[i])
        if not angular:
            cosines[y] = cosines[y] - amount
        elif torch.acos(cosines[y]) + amount <= math.pi:
            cosines[y] = torch.cos(torch.acos(cosines[y]) + amount)
        else:
            cosines[y] = cosines[y] - amount * math.sin(amount)
        total = total + F.cross_entropy(scale * torch.stack(cosines)[None], LABELS[i : i + 1])
    return total / N


CASES = {
    "ce": lambda x: F.cross_entropy(x, LABELS),
    "ce smoothed": lambda x: F.cross_entropy(x, LABELS, label_smoothing=0.1),
    "ce weighted": lambda x: F.cross_entropy(x, LABELS, weight=WEIGHTS, label_smoothing=0.1),
    "ce mixed": lambda x: F.cross_entropy(x, smooth(MIXED, 0.1)),
    "ce mixed weighted": lambda x: F.cross_entropy(x, smooth(MIXED, 0.1), weight=WEIGHTS),
    "bce": lambda x: binary(x),
    "bce smoothed": lambda x: binary(x, targets=smooth(MIXED, 0.1)),
    "bce threshold": lambda x: binary(x, threshold=0.2),
    "bce sum": lambda x: binary(x, threshold=0.2, total=True),
    "bce positive": lambda x: binary(x, positive=3.0, weights=WEIGHTS),
    "focal": lambda x: focal_softmax(x, 2.0),
    "focal weighted": lambda x: focal_softmax(x, 1.5, WEIGHTS),
    "focal-sigmoid": lambda x: sigmoid_focal_loss(x, MIXED, alpha=0.25, gamma=2.0, reduction="none").sum(1).mean(),
    "focal-sigmoid no alpha": lambda x: sigmoid_focal_loss(x, MIXED, alpha=-1, gamma=1.5, reduction="none").sum(1).mean(),
    "asl": lambda x: asymmetric_single(x, 4.0, 1.0, 0.1),
    "asl-multi-label": lambda x: asymmetric_multi(x, 4.0, 1.0, 0.05),
    "jsd": lambda x: jensen_shannon(x, 3, 0.1, 12),
    "supcon": lambda x: contrastive(x, False, 0.1),
    "supcon-in": lambda x: contrastive(x, True, 0.1),
    "am-softmax": lambda x: margin(x * 7.5, False, 0.35, 30.0),
    "aam-softmax": lambda x: margin(x * 7.5, True, 0.5, 30.0),
}


def main():
    cases = {}
    for name, loss in CASES.items():
        x = LOGITS.clone().requires_grad_()
        value = loss(x)
        value.backward()
        cases[name] = {"value": value.item(), "gradient": [round(g, 10) for g in x.grad.flatten().tolist()]}
    result = {
        "shape": [N, C], "logits": LOGITS.flatten().tolist(), "labels": LABELS.tolist(), "mixed": MIXED.flatten().tolist(),
        "multi": MULTI.flatten().tolist(), "weights": WEIGHTS.tolist(),
    }
    text = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in result.items() if key != "cases")
    text += ',\n "cases": {\n' + ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in cases.items()) + "\n }"
    pathlib.Path(__file__).with_name("losses.json").write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    main()
