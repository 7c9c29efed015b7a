#!/usr/bin/python3
"""Trains resnet20_cifar on CIFAR-10's binary batches with plain PyTorch: the recipe that `vertebra train` is compared with.

    bench/peers/cifar_pytorch.py --data DIR --epochs 30 --seed 1 --threads 2
    ./vertebra train --model resnet20_cifar --dataset cifar10 --data-dir DIR --epochs 30 --seed 1 --threads 2 \
        --lr 0.1 --weight-decay 5e-4 --smoothing 0 --batch-size 128

Both: SGD with Nesterov momentum 0.9, weight decay on convolution and linear weights only, cosine to 0 per update over a
linear warm-up, random window of the image padded by 4, mirror, full batches only. Crops and mirrors are drawn for a batch
at once, which is the fastest way here; nothing is loaded while training. Prints one JSON line.
"""
import argparse
import glob
import json
import math
import os
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Block(nn.Module):
    """Two 3x3 convolutions; where the shape changes, the shortcut takes every second pixel and pads channels with zeros (option A)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.added = outputs - inputs

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.added:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added // 2, self.added // 2))
        return F.relu(y + x, inplace=True)


class ResNet20(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
        self.blocks = nn.Sequential(*[Block(a, b, 2 if a != b else 1) for a, b in zip(widths, widths[1:])])
        self.linear = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn1(self.conv1(x)), inplace=True))
        return self.linear(x.mean((2, 3)))


def load(folder, pattern):
    files = sorted(glob.glob(os.path.join(folder, pattern)))
    if not files:
        raise SystemExit(f"{folder}: no {pattern}")
    raw = np.concatenate([np.fromfile(f, np.uint8).reshape(-1, 3073) for f in files])
    return torch.from_numpy(raw[:, 1:].reshape(-1, 3, 32, 32).copy()), torch.from_numpy(raw[:, 0].astype(np.int64))


def normalised(images):
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    return (images.float() / 255 - mean) / std


def augmented(images, generator):
    """Black border of 4, a random 32x32 window of it, mirrored half the time."""
    count = len(images)
    padded = F.pad(images, (4, 4, 4, 4))
    tops, lefts = torch.randint(0, 9, (2, count), generator=generator)
    mirrored = torch.rand(count, generator=generator) < 0.5
    rows = (tops[:, None] + torch.arange(32))[:, None, :, None]
    columns = torch.where(mirrored[:, None], torch.arange(31, -1, -1), torch.arange(32)) + lefts[:, None]
    return padded[torch.arange(count)[:, None, None, None], torch.arange(3)[None, :, None, None], rows, columns[:, None, None, :]]


def rate(step, steps, warmup, top, first=1e-5):
    if step < warmup:
        return first + (top - first) * step / warmup
    return 0.5 * top * (1 + math.cos(math.pi * step / steps))


def evaluate(model, images, labels):
    model.eval()
    correct = 0
    with torch.inference_mode():
        for x, y in zip(images.split(500), labels.split(500)):
            correct += (model(normalised(x)).argmax(1) == y).sum().item()
    return 100 * correct / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--smoothing", type=float, default=0.0)
    parser.add_argument("--warmup-epochs", type=float, default=None, help="default: a twentieth of the run, at most 5")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--channels-last", action="store_true")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(args.seed)
    images, labels = load(args.data, "data_batch_*.bin")
    test_images, test_labels = load(args.data, "test_batch.bin")
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    model = ResNet20().to(memory_format=layout)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": args.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=args.lr, momentum=0.9, nesterov=True)

    per_epoch = len(images) // args.batch_size
    warmup_epochs = min(5, args.epochs / 20) if args.warmup_epochs is None else args.warmup_epochs
    steps, warmup = args.epochs * per_epoch, round(warmup_epochs * per_epoch)
    seconds, accuracies, losses, step = [], [], [], 0
    for _ in range(args.epochs):
        start, total = time.perf_counter(), 0.0
        model.train()
        order = torch.randperm(len(images), generator=generator)
        for batch in range(per_epoch):
            chosen = order[batch * args.batch_size:(batch + 1) * args.batch_size]
            x = normalised(augmented(images[chosen], generator)).contiguous(memory_format=layout)
            for group in optimizer.param_groups:
                group["lr"] = rate(step, steps, warmup, args.lr)
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(x), labels[chosen], label_smoothing=args.smoothing)
            loss.backward()
            optimizer.step()
            total += loss.item()
            step += 1
        seconds.append(time.perf_counter() - start)
        losses.append(total / per_epoch)
        accuracies.append(evaluate(model, test_images, test_labels))
        print(f"epoch {len(seconds)}: loss {losses[-1]:.4f}, test {accuracies[-1]:.2f} %, {seconds[-1]:.1f} s", flush=True)
    ordered = sorted(seconds)
    print(json.dumps({
        "peer": "torch " + torch.__version__, "seed": args.seed, "epochs": args.epochs, "threads": args.threads, "channels_last": args.channels_last,
        "test_top1": accuracies[-1], "best_top1": max(accuracies), "median_epoch_seconds": ordered[len(ordered) // 2], "min_epoch_seconds": ordered[0],
        "epoch_seconds": [round(s, 2) for s in seconds], "train_loss": [round(v, 5) for v in losses]}))


if __name__ == "__main__":
    main()
