#!/usr/bin/env python3
"""Writes distillation.json: values and gradients of distillation losses in float64 by torch's autograd. Made with torch 1.13.0.

kl is kl_div(..., reduction="batchmean") * T^2, as in Hinton et al. 2015; js the Jensen-Shannon divergence by two kl_div from the
mixture; hard the cross-entropy with argmax (DeiT). Ensembles are means of probabilities.
"""
import json
import pathlib

import torch
import torch.nn.functional as F

N, C = 6, 5
STUDENT = torch.tensor([[((i * 37 + j * 53 + i * j * 11) % 127 - 63) / 16 for j in range(C)] for i in range(N)], dtype=torch.float64)
TEACHERS = [torch.tensor([[((i * a + j * b + 5) % 101 - 50) / 12 for j in range(C)] for i in range(N)], dtype=torch.float64) for a, b in ((29, 41), (43, 67))]


def mean(teachers, temperature=1.0):
    return torch.stack([F.softmax(t / temperature, -1) for t in teachers]).mean(0)


def kl(x, teachers, temperature):
    return F.kl_div(F.log_softmax(x / temperature, -1), mean(teachers, temperature), reduction="batchmean") * temperature**2


def js(x, teachers):
    p, q = mean(teachers), F.softmax(x, -1)
    m = ((p + q) / 2).log()
    return (F.kl_div(m, p, reduction="batchmean") + F.kl_div(m, q, reduction="batchmean")) / 2


CASES = {
    "kl 4": lambda x: kl(x, TEACHERS[:1], 4.0),
    "kl 1": lambda x: kl(x, TEACHERS[:1], 1.0),
    "kl ensemble": lambda x: kl(x, TEACHERS, 2.0),
    "js": lambda x: js(x, TEACHERS[:1]),
    "js ensemble": lambda x: js(x, TEACHERS),
    "hard": lambda x: F.cross_entropy(x, TEACHERS[0].argmax(-1)),
    "hard ensemble": lambda x: F.cross_entropy(x, mean(TEACHERS).argmax(-1)),
}


def evaluate(loss):
    x = STUDENT.clone().requires_grad_()
    value = loss(x)
    value.backward()
    return {"value": value.item(), "gradient": x.grad.flatten().tolist()}


out = {
    "student": STUDENT.flatten().tolist(),
    "teachers": [t.flatten().tolist() for t in TEACHERS],
    "cases": {name: evaluate(loss) for name, loss in CASES.items()},
}
pathlib.Path(__file__).with_name("distillation.json").write_text(json.dumps(out, indent=1) + "\n")
