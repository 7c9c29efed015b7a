#!/usr/bin/python3
"""Makes the pictures and tables that Lab/Data/Augment tests compare with: Pillow's and torchvision's own results.

    tests/Vertebra.Tests/Golden/augment/make.py

Written with Pillow 9.4.0 and torchvision 0.14.1. inputs.png holds two pictures below each other, operations.png the results
of every case on both, trivial.png those of torchvision's TrivialAugmentWide, cases.json what each is and torchvision's tables.
"""
import json
import os

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torchvision.transforms import autoaugment, functional

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, HEIGHT = 25, 19
FILL = (124, 116, 104)
FILTERS = {"Nearest": Image.NEAREST, "Bilinear": Image.BILINEAR, "Bicubic": Image.BICUBIC}


def inputs():
    random = np.random.RandomState(1)
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    photo = np.stack([x * 9, y * 11, 200 - 5 * x + 3 * y], -1) + random.normal(0, 25, (HEIGHT, WIDTH, 3))
    photo[3:6, 4:9] = 255
    photo[10:14, 15:20] = 0
    flat = np.zeros((HEIGHT, WIDTH, 3))
    flat[..., 0] = 77
    flat[..., 1] = np.where(x < 12, 90, 140)
    flat[..., 2] = 30 + x // 2 + (y == 3) * 60
    return [Image.fromarray(np.clip(a, 0, 255).astype(np.uint8)) for a in (photo, flat)]


def affine(image, matrix, how):
    return image.transform(image.size, Image.AFFINE, matrix, resample=how, fillcolor=FILL)


def solarize_add(image, add):
    table = [min(255, i + add) if i < 128 else i for i in range(256)]
    return image.point(table * 3)


# Under the names of PixelOperation, as timm's auto_augment.py calls Pillow.
COLOURS = {
    "Identity": (lambda i, _: i, [0]),
    "AutoContrast": (lambda i, _: ImageOps.autocontrast(i), [0]),
    "Equalize": (lambda i, _: ImageOps.equalize(i), [0]),
    "Invert": (lambda i, _: ImageOps.invert(i), [0]),
    "Posterize": (ImageOps.posterize, [0, 1, 4, 7, 8]),
    "Solarize": (ImageOps.solarize, [0, 100, 127.5, 128, 256]),
    "SolarizeAdd": (solarize_add, [0, 55, 110, 128]),
    "Color": (lambda i, f: ImageEnhance.Color(i).enhance(f), [0, 0.1, 0.55, 1, 1.37, 1.9]),
    "Contrast": (lambda i, f: ImageEnhance.Contrast(i).enhance(f), [0, 0.1, 0.55, 1, 1.37, 1.9]),
    "Brightness": (lambda i, f: ImageEnhance.Brightness(i).enhance(f), [0, 0.1, 0.55, 1, 1.37, 1.9]),
    "Sharpness": (lambda i, f: ImageEnhance.Sharpness(i).enhance(f), [0, 0.1, 0.55, 1, 1.37, 1.9]),
    "Grayscale": (lambda i, _: i.convert("L").convert("RGB"), [0]),
    "GaussianBlur": (lambda i, s: i.filter(ImageFilter.GaussianBlur(s)), [0, 0.1, 0.4, 0.75, 1, 1.5, 1.99, 4, 60]),
    "Hue": (functional.adjust_hue, [-0.5, -0.21, -0.002, 0, 0.1, 0.34, 0.5]),
}
WARPS = {
    "Rotate": (lambda i, a, how: i.rotate(a, resample=how, fillcolor=FILL), [12.3, -30, 27.001, 90, -135, 180]),
    "ShearX": (lambda i, f, how: affine(i, (1, f, 0, 0, 1, 0), how), [0.3, -0.15, 0.99]),
    "ShearY": (lambda i, f, how: affine(i, (1, 0, 0, f, 1, 0), how), [0.3, -0.15, 0.99]),
    "TranslateX": (lambda i, p, how: affine(i, (1, 0, p, 0, 1, 0), how), [3, -2.7, 40]),
    "TranslateY": (lambda i, p, how: affine(i, (1, 0, 0, 0, 1, p), how), [3, -2.7, 40]),
    "TranslateXRel": (lambda i, p, how: affine(i, (1, 0, p * i.size[0], 0, 1, 0), how), [0.45, -0.1]),
    "TranslateYRel": (lambda i, p, how: affine(i, (1, 0, 0, 0, 1, p * i.size[1]), how), [0.45, -0.1]),
}


def stack(images):
    return Image.fromarray(np.concatenate([np.asarray(i) for i in images]))


def main():
    pictures = inputs()
    cases, results = [], []
    for name, (run, arguments) in COLOURS.items():
        for argument in arguments:
            cases.append({"operation": name, "argument": argument, "filter": None})
            results += [run(i, argument) for i in pictures]
    for name, (run, arguments) in WARPS.items():
        for argument in arguments:
            for how in FILTERS:
                cases.append({"operation": name, "argument": argument, "filter": how})
                results += [run(i, argument, FILTERS[how]) for i in pictures]

    table, trivial = [], []
    policy = autoaugment.TrivialAugmentWide(interpolation=functional.InterpolationMode.BILINEAR, fill=list(FILL))
    for name, (magnitudes, signed) in policy._augmentation_space(policy.num_magnitude_bins).items():
        values = [float(m) for m in magnitudes] if magnitudes.ndim else None
        table.append({"operation": name, "signed": signed, "magnitudes": values})
        for place in (0, 4, 17, 20, 30) if values else (0,):
            for sign in (1, -1) if signed else (1,):
                magnitude = sign * (values[place] if values else 0.0)
                trivial.append(autoaugment._apply_op(pictures[0], name, magnitude, policy.interpolation, policy.fill))

    original = autoaugment.AutoAugment()._get_policies(autoaugment.AutoAugmentPolicy.IMAGENET)
    stack(pictures).save(os.path.join(HERE, "inputs.png"))
    stack(results).save(os.path.join(HERE, "operations.png"), optimize=True)
    stack(trivial).save(os.path.join(HERE, "trivial.png"), optimize=True)
    with open(os.path.join(HERE, "cases.json"), "w") as file:
        file.write("{\"width\": %d, \"height\": %d, \"fill\": %s,\n\"cases\": [\n%s\n],\n\"trivial\": [\n%s\n],\n\"imagenet\": [\n%s\n],\n\"augmix\": %s}\n" % (
            WIDTH, HEIGHT, json.dumps(FILL), ",\n".join(map(json.dumps, cases)), ",\n".join(map(json.dumps, table)),
            ",\n".join(map(json.dumps, original)), json.dumps(sorted(autoaugment.AugMix()._augmentation_space(10, (32, 32))))))


if __name__ == "__main__":
    main()
