"""Writes the fixtures in attention/: small residual networks of timm with an attention layer chosen by its name, measured by the
reference's own generator (../shared/reference/zoo/golden.py beside a clone) at 64x64, or at 224x224 where the layer wants it.

Run with timm on PYTHONPATH: python3 make_attention.py GENERATOR_FOLDER
"""
import json
import os
import sys

import torch
import torch.nn as nn

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = [('resnet14t', name) for name in 'se ese eca ecam ceca ge gc gca lcbam coord scoord ela strip nl'.split()] + [
    ('resnet26', 'cbam'), ('resnet10t', 'gc'), ('resnet14t', 'bat')]


class GatherExcite(nn.Module):
    """timm's by its defaults; the class of version 1.0.29.dev0 cannot be constructed."""

    def __init__(self, channels, device=None, dtype=None):
        super().__init__()
        self.mlp = nn.Sequential()
        self.mlp.add_module('fc1', nn.Conv2d(channels, channels // 16, 1))
        self.mlp.add_module('act', nn.ReLU())
        self.mlp.add_module('fc2', nn.Conv2d(channels // 16, channels, 1))

    def forward(self, x):
        return x * self.mlp(x.mean((2, 3), keepdim=True)).sigmoid()


def main():
    sys.path.insert(0, sys.argv[1])
    import golden
    import timm
    torch.set_num_threads(1)
    for model, layer in CASES:
        size = (3, 224, 224) if layer == 'bat' else (3, 64, 64)
        arguments = {'block_args': {'attn_layer': layer}}

        def build(name, **kw):
            layers = {**kw.pop('block_args'), **({'attn_layer': GatherExcite} if layer == 'ge' else {})}
            return timm.create_model(name, block_args=layers, **kw).eval()

        golden.build = build
        golden.setup = lambda spec: (model, '', arguments, build(model, block_args={'attn_layer': layer}), size)
        fixture = golden.generate(model)
        path = os.path.join(HERE, 'attention', '%s.%s.json' % (model, layer))
        with open(path, 'w') as file:
            file.write(json.dumps(fixture, separators=(',', ':')) + '\n')
        print(model, layer, os.path.getsize(path), fixture['create_args'], fixture['tol'], fixture.get('no_pyramid'), flush=True)


main()
