#!/usr/bin/python3
"""Makes a folder of JPEGs of ImageNet's usual sizes out of some photos, for loaders to be timed on.

    bench/peers/make_photos.py OUT PHOTO_FOLDER... [--count 1000] [--seed 1]

Each picture is a photo, mirrored or not, resized by 0.9 to 1.1 and cut to one of the sizes that are most frequent in
ImageNet (about 500x375), saved with quality 88 to 93 and 4:2:0 chroma: OUT/CLASS/NUMBER.jpg, ten classes. The same photos
and seed give the same files.
"""
import argparse
import io
import os
import random

from PIL import Image

SIZES = [(500, 375)] * 6 + [(500, 333)] * 3 + [(375, 500)] * 2 + [(500, 400), (333, 500), (400, 300), (640, 480)]
CLASSES = 10


def photos(folders):
    for folder in folders:
        for directory, _, names in sorted(os.walk(folder)):
            for name in sorted(names):
                if name.lower().endswith((".jpg", ".jpeg")):
                    yield os.path.join(directory, name)


def picture(path, draw):
    """One variant of a photo; the part that is cut out is always filled."""
    width, height = draw.choice(SIZES)
    image = Image.open(path).convert("RGB")
    scale = max(draw.uniform(0.9, 1.1), width / image.width, height / image.height)
    image = image.resize((max(width, round(image.width * scale)), max(height, round(image.height * scale))), Image.BICUBIC)
    left, top = draw.randint(0, image.width - width), draw.randint(0, image.height - height)
    image = image.crop((left, top, left + width, top + height))
    return image.transpose(Image.FLIP_LEFT_RIGHT) if draw.random() < 0.5 else image


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    sources = list(photos(arguments.photos))
    if not sources:
        parser.error(f"no .jpg or .jpeg files in {' '.join(arguments.photos)}")
    total = pixels = 0
    for i in range(arguments.count):
        image, data = picture(sources[i % len(sources)], draw), io.BytesIO()
        image.save(data, "JPEG", quality=draw.randint(88, 93), subsampling="4:2:0")
        folder = os.path.join(arguments.out, f"class{i % CLASSES}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{i:05}.jpg"), "wb") as file:
            file.write(data.getvalue())
        total, pixels = total + len(data.getvalue()), pixels + image.width * image.height
    print(f"{arguments.count} pictures of {len(sources)} photos, {total / arguments.count / 1024:.1f} KiB and {pixels / arguments.count / 1e6:.3f} megapixels each")


if __name__ == "__main__":
    main()
