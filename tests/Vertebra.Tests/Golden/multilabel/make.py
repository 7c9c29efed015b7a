#!/usr/bin/env python3
"""Average precision and F1 as scikit-learn defines them, written out in numpy: makes scores.json.

average_precision_score: AP = sum_n (R_n - R_{n-1}) P_n, where P_n and R_n are precision and recall at the n-th threshold, and the
thresholds are the distinct scores, falling. f1_score: 2 TP / (2 TP + FP + FN); here of sigmoid(x) > 0.5.
"""
import json
import pathlib

import numpy as np

rng = np.random.default_rng(20261201)
N, C = 60, 6
targets = (rng.random((N, C)) < [0.5, 0.2, 0.1, 0.8, 0.0, 0.03]).astype(int)
# Rounded to quarters, so that many scores are equal.
logits = np.round((rng.normal(size=(N, C)) + targets * 0.8 - 0.3) * 4) / 4
logits[:, 4] -= 100  # never there and never named


def average_precision(y, score):
    if y.sum() == 0:
        return None
    ap, former = 0.0, 0.0
    for threshold in np.unique(score)[::-1]:
        chosen = score >= threshold
        precision, recall = y[chosen].mean(), y[chosen].sum() / y.sum()
        ap += (recall - former) * precision
        former = recall
    return 100 * ap


def f1(y, named):
    tp, fp, fn = (y * named).sum(), ((1 - y) * named).sum(), (y * (1 - named)).sum()
    return None if tp + fp + fn == 0 else float(100 * 2 * tp / (2 * tp + fp + fn))


named = (logits > 0).astype(int)
ap = [average_precision(targets[:, c], logits[:, c]) for c in range(C)]
f1s = [f1(targets[:, c], named[:, c]) for c in range(C)]
x, t = logits.astype(np.float64), targets
loss = (np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))).mean()
pathlib.Path(__file__).with_name("scores.json").write_text(json.dumps({
    "classes": C,
    "logits": logits.ravel().tolist(),
    "targets": targets.ravel().tolist(),
    "average_precision": ap,
    "f1": f1s,
    "map": float(np.mean([a for a in ap if a is not None])),
    "macro_f1": float(np.mean([f for f in f1s if f is not None])),
    "micro_f1": f1(targets.ravel(), named.ravel()),
    "loss": float(loss),
}) + "\n")
