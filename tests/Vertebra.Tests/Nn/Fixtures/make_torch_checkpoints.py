"""Writes the small torch checkpoints that TorchCheckpointTests reads. Needs PyTorch; run in this folder."""
import argparse
import collections
import os
import torch

base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
state = collections.OrderedDict([
    ("module.conv.weight", base.clone()),
    ("module.transposed", base.permute(2, 0, 1)),          # not contiguous
    ("module.slice", base[:, 1:, ::2]),                    # offset and steps
    ("module.half", torch.tensor([1.5, -2.25], dtype=torch.float16)),
    ("module.bfloat", torch.tensor([1.5, -2.25], dtype=torch.bfloat16)),
    ("module.double", torch.tensor([0.1], dtype=torch.float64)),
    ("module.counter", torch.tensor(7)),
    ("module.flags", torch.tensor([True, False])),
    ("module.empty", torch.zeros(0, 3)),
    ("module.parameter", torch.nn.Parameter(torch.tensor([[1.0, 2.0]]))),
])
checkpoint = {"epoch": 3, "arch": "toy", "best": 91.5, "state_dict": state, "args": argparse.Namespace(lr=0.1),
              "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}}
torch.save(checkpoint, "zip.pth")
torch.save(checkpoint, "legacy.pth", _use_new_zipfile_serialization=False)
torch.save({k.removeprefix("module."): v for k, v in state.items()}, "plain.pth")


class Hostile:
    def __reduce__(self):
        return os.system, ("echo hostile > hostile.txt",)


torch.save({"state_dict": {"a": Hostile()}}, "hostile.pth")
torch.save(Hostile(), "hostile_legacy.pth", _use_new_zipfile_serialization=False)
torch.save(torch.nn.Linear(2, 2), "whole_module.pth")
