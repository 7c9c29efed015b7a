#!/usr/bin/python3
"""Times torchvision's image loader (Pillow with libjpeg-turbo): what `vertebra bench-loader` is compared with.

    bench/peers/loader_torchvision.py DIR [--mode train|randaugment|eval] [--workers 2] [--batch-size 64] [--img-size 224] [--epochs 3]

ImageFolder, RandomResizedCrop and RandomHorizontalFlip (with RandAugment of two operations at level 9 behind them; or Resize
and CenterCrop), ToTensor, Normalize, DataLoader whose
workers stay alive. A first epoch warms up; the rest are timed from the request of the first batch to the last. Prints one
JSON line with the median of the epochs.
"""
import argparse
import json
import os
import statistics
import time

import PIL
import torch
import torchvision
from PIL import features
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def transform_of(mode, size, crop_pct):
    first = ([transforms.Resize(int(size / crop_pct)), transforms.CenterCrop(size)] if mode == "eval"
             else [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip()])
    if mode == "randaugment":
        first.append(transforms.RandAugment(num_ops=2, magnitude=9, interpolation=transforms.InterpolationMode.BILINEAR, fill=[round(255 * m) for m in MEAN]))
    return transforms.Compose(first + [transforms.ToTensor(), transforms.Normalize(MEAN, STD)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--mode", choices=["train", "randaugment", "eval"], default="train")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--img-size", type=int, default=224)
    parser.add_argument("--crop-pct", type=float, default=0.875)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = datasets.ImageFolder(arguments.directory, transform_of(arguments.mode, arguments.img_size, arguments.crop_pct))
    loader = DataLoader(data, arguments.batch_size, shuffle=arguments.mode != "eval", drop_last=arguments.mode != "eval",
                        num_workers=arguments.workers, persistent_workers=arguments.workers > 0)
    rates = []
    for epoch in range(arguments.epochs + 1):
        start, images = time.perf_counter(), 0
        for batch, _ in loader:
            images += len(batch)
        if epoch > 0:
            rates.append(images / (time.perf_counter() - start))
    size = statistics.mean(os.path.getsize(path) for path, _ in data.samples)
    rate = statistics.median(rates)
    print(json.dumps({
        "loader": "torchvision", "mode": arguments.mode, "workers": arguments.workers, "batch": arguments.batch_size, "images": images,
        "images_per_second": round(rate, 1), "best_images_per_second": round(max(rates), 1), "mb_per_second": round(rate * size / 1e6, 1),
        "torchvision": torchvision.__version__, "pillow": PIL.__version__, "libjpeg_turbo": features.version("libjpeg_turbo")}))


if __name__ == "__main__":
    main()
