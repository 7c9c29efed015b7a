"""Writes NAME.silu.train.json: training fixtures of networks of timm with SiLU in the place of every ReLU, at 64x64, measured by the
reference's own generator (../shared/reference/zoo/golden.py beside a clone).

Run with timm on PYTHONPATH: python3 make_smooth.py GENERATOR_FOLDER
"""
import json
import os
import sys

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
ACTIVATION = {'act_layer': 'silu'}


def main():
    sys.path.insert(0, sys.argv[1])
    import golden
    torch.set_num_threads(1)
    build = golden.build
    golden.build = lambda name, **options: build(name, **ACTIVATION, **options)
    for name in ('regnety_002', 'densenet121'):
        fixture = golden.gen_train(name + '@train64')
        fixture.update(create_args=ACTIVATION, spec=name + '@train64, act_layer=silu')
        with open(os.path.join(HERE, name + '.silu.train.json'), 'w') as file:
            json.dump(fixture, file, separators=(',', ':'))


if __name__ == '__main__':
    main()
