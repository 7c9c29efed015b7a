#!/usr/bin/env python3
"""Writes schedules.json: rates and momenta of torch's OneCycleLR, and of ReduceLROnPlateau under timm's settings. Made with torch 1.13.0."""
import json
import pathlib

import torch

METRICS = [10, 20, 20.001, 19, 20, 20.0015, 20.003, 18, 17, 16, 15, 21, 21, 21, 21, 21, 21, 21, 30, 29]

CYCLES = {
    "cos": dict(max_lr=0.4, total_steps=37),
    "linear": dict(max_lr=0.4, total_steps=40, anneal_strategy="linear", pct_start=0.25, div_factor=10, final_div_factor=100),
    "three_phase": dict(max_lr=2.0, total_steps=50, three_phase=True, pct_start=0.4, base_momentum=0.8, max_momentum=0.9),
}


def one_cycle(settings):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, **settings)
    rows = []
    for step in range(settings["total_steps"]):
        group = optimizer.param_groups[0]
        rows.append([group["lr"], group["momentum"]])
        optimizer.step()
        if step < settings["total_steps"] - 1:
            schedule.step()
    return rows


def plateau(mode):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode=mode, factor=0.1, patience=2, threshold=1e-4, min_lr=1e-3)
    rates = []
    for metric in METRICS:
        schedule.step(metric if mode == "max" else 100 - metric)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def main():
    result = {
        "torch": torch.__version__,
        "one_cycle": {name: one_cycle(settings) for name, settings in CYCLES.items()},
        "metrics": METRICS,
        "plateau": {mode: plateau(mode) for mode in ("max", "min")},
    }
    pathlib.Path(__file__).with_name("schedules.json").write_text(json.dumps(result, indent=0) + "\n")


if __name__ == "__main__":
    main()
