#!/usr/bin/python3
"""Makes the image fixtures of this folder and expected.txt (file, width, height, SHA-256 of the RGB bytes).

Expected pixels come from Pillow (libjpeg-turbo, libpng): Image.open(f).convert("RGB"). One exception, marked below:
Pillow clips 16-bit grey PNG at 255 where libpng cuts to the high byte; the high byte is what is expected here.

Needs: python3-pil, python3-numpy, libjpeg-turbo-progs (cjpeg), libturbojpeg0. Made with Pillow 9.4 and
libjpeg-turbo 2.1.5. Run in this folder; the pictures are synthetic and seeded, so a second run gives the same files.
"""
import ctypes
import hashlib
import io
import os
import struct
import subprocess
import zlib

import numpy as np
from PIL import Image

expected = []


def picture(width, height, seed=1):
    """Smooth colours, hard edges, a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    rgb = np.stack([
        128 + 100 * np.sin(x / 9 + seed) * np.cos(y / 7),
        255 * x / max(1, width - 1),
        128 + 120 * np.cos((x + 2 * y) / 11)], -1)
    rgb[(x - width / 2) ** 2 + (y - height / 3) ** 2 < (width / 6) ** 2] = (250, 20, 40)
    rgb[(x > width * 0.6) & (y > height * 0.6)] = (10, 60, 230)
    rgb += rng.normal(0, 6, rgb.shape)
    return np.clip(rgb, 0, 255).astype(np.uint8)


def write(name, data):
    with open(name, "wb") as f:
        f.write(data)


def expect(name, rgb=None):
    if rgb is None:
        rgb = np.asarray(Image.open(name).convert("RGB"))
    expected.append("%s %d %d %s" % (name, rgb.shape[1], rgb.shape[0], hashlib.sha256(rgb.tobytes()).hexdigest()))


# ---- JPEG

def cjpeg(rgb, *options):
    if rgb.ndim == 2:
        ppm = b"P5 %d %d 255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes()
    else:
        ppm = b"P6 %d %d 255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes()
    return subprocess.run(["cjpeg", *options], input=ppm, stdout=subprocess.PIPE, check=True).stdout


def jpeg(name, rgb, *options):
    write(name, cjpeg(rgb, *options))
    expect(name)


def scans(text):
    write("scans.tmp", text.encode())
    return ["-scans", "scans.tmp"]


def turbo_ycck(rgb, sampling):
    """CMYK pixels through TurboJPEG, which stores YCCK."""
    lib = ctypes.CDLL("libturbojpeg.so.0")
    lib.tjInitCompress.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(lib.tjInitCompress())
    cmyk = np.ascontiguousarray(np.dstack([rgb, 255 - rgb[..., 1:2] // 2]))
    out = ctypes.POINTER(ctypes.c_ubyte)()
    size = ctypes.c_ulong(0)
    tjpf_cmyk = 11
    if lib.tjCompress2(handle, cmyk.ctypes.data_as(ctypes.c_void_p), cmyk.shape[1], 0, cmyk.shape[0], tjpf_cmyk,
                       ctypes.byref(out), ctypes.byref(size), sampling, 85, 0) != 0:
        raise RuntimeError("tjCompress2")
    return ctypes.string_at(out, size.value)


def make_jpegs():
    main = picture(75, 50)
    for sampling in ("1x1", "2x1", "2x2", "1x2", "4x1", "1x4", "4x2", "2x4", "3x1", "3x2"):
        jpeg("baseline_%s.jpg" % sampling, main, "-sample", sampling, "-quality", "85")
    for sampling in ("1x1", "2x1", "2x2", "1x2"):
        jpeg("progressive_%s.jpg" % sampling, main, "-sample", sampling, "-progressive", "-quality", "85")
    jpeg("mixed_sampling.jpg", main, "-sample", "2x2,2x1,1x2")
    jpeg("mixed_sampling_luma_half.jpg", main, "-sample", "1x1,2x2,2x1")
    jpeg("restart_each_unit.jpg", main, "-sample", "2x2", "-restart", "1B")
    jpeg("restart_rows.jpg", main, "-sample", "2x1", "-restart", "1")
    jpeg("progressive_restart.jpg", main, "-sample", "2x2", "-progressive", "-restart", "3B")
    jpeg("optimized.jpg", main, "-optimize", "-quality", "60")
    jpeg("quality_100.jpg", picture(40, 30), "-quality", "100", "-sample", "1x1")
    jpeg("quality_1_wide_tables.jpg", main, "-quality", "1")
    jpeg("gray.jpg", main[..., 1].copy(), "-quality", "80")
    jpeg("gray_sampling_2x2.jpg", main[..., 1].copy(), "-sample", "2x2")
    jpeg("gray_progressive.jpg", main[..., 0].copy(), "-progressive")
    jpeg("rgb.jpg", picture(40, 30), "-rgb")
    jpeg("three_scans.jpg", main, "-sample", "2x2", *scans("0;\n1;\n2;\n"))
    jpeg("two_scans.jpg", main, "-sample", "2x1", *scans("0;\n1 2;\n"))
    jpeg("progressive_spectral_only.jpg", main, *scans("0 1 2: 0-0, 0, 0;\n0: 1-63, 0, 0;\n1: 1-5, 0, 0;\n1: 6-63, 0, 0;\n2: 1-63, 0, 0;\n"))
    jpeg("progressive_deep_refinement.jpg", main, *scans(
        "0 1 2: 0-0, 0, 3;\n0: 1-63, 0, 4;\n1: 1-63, 0, 2;\n2: 1-63, 0, 2;\n"
        "0 1 2: 0-0, 3, 2;\n0 1 2: 0-0, 2, 1;\n0 1 2: 0-0, 1, 0;\n"
        "0: 1-63, 4, 3;\n0: 1-63, 3, 2;\n0: 1-63, 2, 1;\n0: 1-63, 1, 0;\n"
        "1: 1-63, 2, 1;\n1: 1-63, 1, 0;\n2: 1-63, 2, 1;\n2: 1-63, 1, 0;\n"))
    for width, height in ((1, 1), (2, 2), (3, 40), (5, 5), (8, 8), (16, 16), (17, 15), (33, 2), (2, 33), (65, 1)):
        jpeg("size_%dx%d.jpg" % (width, height), picture(width, height), "-sample", "2x2", "-quality", "90")
    jpeg("size_3x9_2x1.jpg", picture(3, 9), "-sample", "2x1")
    jpeg("size_9x3_1x2.jpg", picture(9, 3), "-sample", "1x2")

    cmyk = Image.fromarray(np.dstack([picture(40, 30), picture(40, 30, 5)[..., 0]]), "CMYK")
    cmyk.save("cmyk_adobe.jpg", quality=85)
    expect("cmyk_adobe.jpg")
    data = open("cmyk_adobe.jpg", "rb").read()
    at = data.index(b"\xff\xeeAdobe"[:2])
    length = struct.unpack(">H", data[at + 2:at + 4])[0]
    write("cmyk_plain.jpg", data[:at] + data[at + 2 + length:])
    expect("cmyk_plain.jpg")
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        write("ycck_%s.jpg" % name, turbo_ycck(picture(40, 30), sampling))
        expect("ycck_%s.jpg" % name)

    # What real cameras and editors leave behind: no end marker, bytes after it, fill bytes before markers.
    data = cjpeg(picture(40, 30), "-quality", "80")
    write("no_end_marker.jpg", data[:-2])
    expect("no_end_marker.jpg", np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    write("bytes_after_end.jpg", data + b"\xff\xd8garbage" * 5)
    expect("bytes_after_end.jpg")
    write("fill_bytes.jpg", data.replace(b"\xff\xdb", b"\xff\xff\xff\xff\xdb").replace(b"\xff\xda", b"\xff\xff\xda"))
    expect("fill_bytes.jpg")

    # Orientation: what a viewer must show is Pillow's exif_transpose.
    upright = Image.open(io.BytesIO(cjpeg(picture(21, 13), "-sample", "1x1")))
    from PIL import ImageOps
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        name = "orientation_%d.jpg" % orientation
        upright.save(name, quality="keep", exif=exif.tobytes())
        expect(name, np.asarray(ImageOps.exif_transpose(Image.open(name)).convert("RGB")))

    # Refused.
    write("refused_arithmetic.jpg", cjpeg(picture(20, 20), "-arithmetic"))
    write("refused_12bit.jpg", data.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"))
    write("refused_lossless.jpg", data.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc3\x00\x11\x08"))
    for name in ("bmp", "gif", "webp", "tiff", "ppm", "ico"):
        out = io.BytesIO()
        Image.fromarray(picture(16, 16)).save(out, name)
        write("refused.%s" % name, out.getvalue())


# ---- PNG

def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def filter_rows(rows, distance, rng):
    """Every row with a filter drawn by chance."""
    out = bytearray()
    above = bytes(len(rows[0])) if rows else b""
    for row in rows:
        kind = int(rng.integers(0, 5))
        out.append(kind)
        for i, value in enumerate(row):
            left = row[i - distance] if i >= distance else 0
            corner = above[i - distance] if i >= distance else 0
            guess = (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[kind]
            out.append((value - guess) & 255)
        above = row
    return bytes(out)


def pack(samples, depth):
    """Rows of bytes from [height, width * channels] sample values."""
    rows = []
    for line in samples:
        if depth == 16:
            rows.append(line.astype(">u2").tobytes())
        elif depth == 8:
            rows.append(line.astype(np.uint8).tobytes())
        else:
            bits = "".join(format(int(v), "0%db" % depth) for v in line)
            bits += "0" * (-len(bits) % 8)
            rows.append(bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8)))
    return rows


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(name, samples, depth, kind, interlaced, extra=b"", pieces=1, rgb=None):
    """samples: [height, width, channels] of integers below 2^depth."""
    rng = np.random.default_rng(len(name))
    height, width, channels = samples.shape
    distance = max(1, channels * depth // 8)
    raw = b""
    for x, y, dx, dy in PASSES if interlaced else [(0, 0, 1, 1)]:
        part = samples[y::dy, x::dx]
        if part.size:
            raw += filter_rows(pack(part.reshape(part.shape[0], -1), depth), distance, rng)
    body = zlib.compress(raw, 9)
    cuts = [len(body) * i // pieces for i in range(pieces + 1)]
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)) + extra
    for a, b in zip(cuts, cuts[1:]):
        data += chunk(b"IDAT", body[a:b])
    write(name, data + chunk(b"IEND", b""))
    expect(name, rgb)


def make_pngs():
    source = picture(37, 29, 3)
    gray = source[..., :1].astype(int)
    alpha = np.mgrid[0:29, 0:37][1][..., None] * 6
    fine = np.random.default_rng(9).integers(0, 256, source.shape)
    for interlaced in (0, 1):
        tag = "_adam7" if interlaced else ""
        for depth in (1, 2, 4, 8):
            png("gray_%d%s.png" % (depth, tag), gray >> (8 - depth), depth, 0, interlaced)
        wide = gray * 256 + fine[..., :1]
        png("gray_16%s.png" % tag, wide, 16, 0, interlaced, rgb=np.repeat((wide >> 8).astype(np.uint8), 3, 2))
        png("rgb_8%s.png" % tag, source.astype(int), 8, 2, interlaced, pieces=5)
        png("rgb_16%s.png" % tag, source.astype(int) * 256 + fine, 16, 2, interlaced)
        png("gray_alpha_8%s.png" % tag, np.dstack([gray, alpha]), 8, 4, interlaced)
        png("gray_alpha_16%s.png" % tag, np.dstack([gray, alpha]) * 256 + 77, 16, 4, interlaced)
        png("rgb_alpha_8%s.png" % tag, np.dstack([source.astype(int), alpha]), 8, 6, interlaced)
        png("rgb_alpha_16%s.png" % tag, np.dstack([source.astype(int), alpha]) * 256 + 200, 16, 6, interlaced)
        for depth in (1, 2, 4, 8):
            colors = np.random.default_rng(depth).integers(0, 256, ((1 << depth), 3)).astype(np.uint8)
            extra = chunk(b"PLTE", colors.tobytes()) + chunk(b"tRNS", bytes(range(0, 1 << depth)))
            png("palette_%d%s.png" % (depth, tag), gray >> (8 - depth), depth, 3, interlaced, extra)
    for width, height in ((1, 1), (2, 2), (3, 5), (5, 1), (1, 9), (4, 4)):
        png("adam7_%dx%d.png" % (width, height), picture(width, height).astype(int), 8, 2, 1)
    png("rgb_transparent_color.png", source.astype(int), 8, 2, 0, chunk(b"tRNS", struct.pack(">HHH", 250, 20, 40)))
    png("ancillary_chunks.png", source.astype(int), 8, 2, 0, chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"tEXt", b"Comment\0hello"))
    png("refused_critical_chunk.png", source[:4, :4].astype(int), 8, 2, 0, b"", rgb=source[:4, :4])
    data = open("refused_critical_chunk.png", "rb").read()
    write("refused_critical_chunk.png", data[:33] + chunk(b"CgBI", b"\0\0\0\0") + data[33:])
    expected.pop()


# ---- resizing

def make_resizes():
    """resize_source.png, and in expected.txt: resize:<filter>:<width>x<height>[:box]."""
    source = picture(61, 47, 4)
    write("resize_source.png", b"")
    Image.fromarray(source).save("resize_source.png")
    expect("resize_source.png")
    image = Image.fromarray(source)
    filters = dict(nearest=0, lanczos=1, bilinear=2, bicubic=3, box=4, hamming=5)
    sizes = ((20, 15), (61, 20), (30, 47), (122, 94), (7, 99), (200, 3), (1, 1), (62, 46))
    boxes = ((3, 5, 33, 41), (0.5, 1.25, 60.75, 46.5), (10, 10, 11, 11))
    for name, number in filters.items():
        for width, height in sizes:
            result = np.asarray(image.resize((width, height), number))
            expected.append("resize:%s %d %d %s" % (name, width, height, hashlib.sha256(result.tobytes()).hexdigest()))
        for box in boxes:
            result = np.asarray(image.resize((24, 31), number, box=box))
            expected.append("resize:%s:%s 24 31 %s" % (name, ":".join(str(v) for v in box), hashlib.sha256(result.tobytes()).hexdigest()))
        result = np.asarray(image.crop((3, 5, 33, 41)).resize((24, 31), number))
        expected.append("resize_crop:%s:3:5:30:36 24 31 %s" % (name, hashlib.sha256(result.tobytes()).hexdigest()))


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    make_jpegs()
    make_pngs()
    make_resizes()
    if os.path.exists("scans.tmp"):
        os.remove("scans.tmp")
    with open("expected.txt", "w") as f:
        f.write("\n".join(expected) + "\n")
