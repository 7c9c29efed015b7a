#!/usr/bin/env python3
"""Writes trajectories.json: what torch.optim does with prescribed gradients, in float32. Made with torch 1.13.0."""
import json
import pathlib

import torch

COUNT, STEPS, KEPT = 37, 20, (1, 2, 3, 10, 20)  # 37: a full AVX-512 register twice, and a tail


def start():
    return torch.tensor([((i * 29) % 64 - 32) / 16 for i in range(COUNT)])


def gradient(step):
    """Multiples of 1/64, so that both sides have exactly the same numbers."""
    return torch.tensor([((i * 37 + step * 101) % 211 - 105) / 64 for i in range(COUNT)])


RUNS = {
    "sgd": (torch.optim.SGD, dict(lr=0.05)),
    "momentum": (torch.optim.SGD, dict(lr=0.05, momentum=0.9)),
    "nesterov_decay": (torch.optim.SGD, dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)),
    "adam": (torch.optim.Adam, dict(lr=0.02)),
    "adam_decay": (torch.optim.Adam, dict(lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.05)),
    "adamw": (torch.optim.AdamW, dict(lr=0.02, weight_decay=0.1)),
    "radam": (torch.optim.RAdam, dict(lr=0.02, weight_decay=0.05)),
    "rmsprop": (torch.optim.RMSprop, dict(lr=0.01, alpha=0.9, momentum=0.9, weight_decay=0.05)),
    "adagrad": (torch.optim.Adagrad, dict(lr=0.05, eps=1e-8, weight_decay=0.05)),
    "clip_norm": (torch.optim.SGD, dict(lr=0.05, momentum=0.9)),
    "clip_value": (torch.optim.Adam, dict(lr=0.02)),
}


def main():
    result = {}
    for name, (kind, settings) in RUNS.items():
        weight = torch.nn.Parameter(start())
        optimizer = kind([weight], **settings)
        kept = {}
        for step in range(1, STEPS + 1):
            weight.grad = gradient(step)
            if name == "clip_norm":
                torch.nn.utils.clip_grad_norm_([weight], 2.0)
            if name == "clip_value":
                torch.nn.utils.clip_grad_value_([weight], 0.75)
            optimizer.step()
            if step in KEPT:
                kept[step] = [float(f"{v:.9g}") for v in weight.detach().tolist()]
        result[name] = kept
    target = pathlib.Path(__file__).with_name("trajectories.json")
    target.write_text(json.dumps({"torch": torch.__version__, "weights": result}, indent=0) + "\n")


if __name__ == "__main__":
    main()
