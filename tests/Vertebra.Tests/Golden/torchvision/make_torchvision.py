"""Writes the golden files beside it: names and shapes of torchvision's networks, and the logits that they give with the weights which
the rule of the golden files makes of those names, measured by the reference's own generator (../shared/reference/zoo/golden.py beside
a clone).

Run with timm on PYTHONPATH: python3 make_torchvision.py GENERATOR_FOLDER
"""
import json
import os
import sys

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = 'mobilenet_v2 efficientnet_b0 regnet_y_400mf convnext_tiny swin_t vit_b_16 vgg11_bn inception_v3'.split()
KEPT = 'scheme model kind library input_size num_params num_tensors state_hash tol state_dict'.split()


def main():
    sys.path.insert(0, sys.argv[1])
    import golden
    torch.set_num_threads(1)
    golden.features_of = lambda name, model, x: (model(x), 'logits')
    for name in NAMES:
        fixture = golden.generate('tv_' + name)
        kept = {key: fixture[key] for key in KEPT}
        kept.update(outputs={'logits': fixture['outputs']['logits']}, noise=fixture['noise'])
        with open(os.path.join(HERE, name + '.json'), 'w') as file:
            json.dump(kept, file, separators=(',', ':'))


if __name__ == '__main__':
    main()
