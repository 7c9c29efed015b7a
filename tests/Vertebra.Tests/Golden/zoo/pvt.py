"""Writes pvt_tiny.json: a golden fixture (scheme zoo-1) for PVT, which timm does not have.

The network below is a twin, written from the paper (Wang et al. 2021, arXiv:2102.12122) with the names of the authors' published
weights. Weights and image follow the rules of the scheme, so that the fixture holds no tensors, only statistics.
Run with PyTorch 1.13 and NumPy: python3 pvt.py > pvt_tiny.json
"""
import json
import math

import numpy as np
import torch
import torch.nn as nn

SIDE = 64
WIDTHS, HEADS, RATIOS, SHRINK, DEPTHS = (64, 128, 320, 512), (1, 2, 5, 8), (8, 8, 4, 4), (8, 4, 2, 1), (2, 2, 2, 2)
MASK = (1 << 64) - 1


def fnv(text, state=0xcbf29ce484222325):
    for byte in text.encode():
        state = ((state ^ byte) * 0x100000001b3) & MASK
    return state


def unit(name, count):
    z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(fnv(name))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0 ** -24)


def centred(name, count):
    return np.float32(2) * unit(name, count) - np.float32(1)


class Attention(nn.Module):
    def __init__(self, width, heads, shrink):
        super().__init__()
        self.heads = heads
        self.q, self.kv, self.proj = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        if shrink > 1:
            self.sr, self.norm = nn.Conv2d(width, width, shrink, shrink), nn.LayerNorm(width)
        self.products = 0

    def forward(self, x, side):
        n, length, width = x.shape
        keys = x
        if hasattr(self, "sr"):
            keys = self.norm(self.sr(x.transpose(1, 2).reshape(n, width, side, side)).flatten(2).transpose(1, 2))
        split = lambda t: t.reshape(n, -1, self.heads, width // self.heads).transpose(1, 2)
        k, v = self.kv(keys).chunk(2, -1)
        q, k, v = split(self.q(x)), split(k), split(v)
        self.products = 2 * length * keys.shape[1] * width
        scores = (q @ k.transpose(2, 3)) / math.sqrt(width // self.heads)
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, width))


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, stage):
        super().__init__()
        width = WIDTHS[stage]
        self.norm1, self.attn = nn.LayerNorm(width, 1e-6), Attention(width, HEADS[stage], SHRINK[stage])
        self.norm2, self.mlp = nn.LayerNorm(width, 1e-6), Mlp(width, RATIOS[stage] * width)

    def forward(self, x, side):
        x = x + self.attn(self.norm1(x), side)
        return x + self.mlp(self.norm2(x))


class Patches(nn.Module):
    def __init__(self, channels, width, patch):
        super().__init__()
        self.proj, self.norm = nn.Conv2d(channels, width, patch, patch), nn.LayerNorm(width)

    def forward(self, x):
        return self.norm(self.proj(x).flatten(2).transpose(1, 2))


class Pvt(nn.Module):
    def __init__(self):
        super().__init__()
        for i, width in enumerate(WIDTHS):
            tokens = (SIDE // (4 << i)) ** 2 + (i == 3)
            setattr(self, f"pos_embed{i + 1}", nn.Parameter(torch.zeros(1, tokens, width)))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTHS[3]))
        for i, width in enumerate(WIDTHS):
            setattr(self, f"patch_embed{i + 1}", Patches(3 if i == 0 else WIDTHS[i - 1], width, 4 if i == 0 else 2))
            setattr(self, f"block{i + 1}", nn.ModuleList(Block(i) for _ in range(DEPTHS[i])))
        self.norm, self.head = nn.LayerNorm(WIDTHS[3], 1e-6), nn.Linear(WIDTHS[3], 1000)

    def forward(self, x):
        levels = []
        for i in range(4):
            side = SIDE // (4 << i)
            x = getattr(self, f"patch_embed{i + 1}")(x)
            if i == 3:
                x = torch.cat([self.cls_token, x], 1)
            x = x + getattr(self, f"pos_embed{i + 1}")
            for block in getattr(self, f"block{i + 1}"):
                x = block(x, side)
            levels.append((x[:, 1:] if i == 3 else x).transpose(1, 2).reshape(1, -1, side, side))
            if i < 3:
                x = levels[-1]
        features = self.norm(x)
        return self.head(features[:, 0]), features, levels


def fill(network):
    checksum = fnv("")
    for name, tensor in network.state_dict().items():
        last, count = name.rsplit(".", 1)[-1], tensor.numel()
        if last == "weight" and tensor.ndim >= 2:
            values = centred(name, count) * np.float32(math.sqrt(3.0 / (count // tensor.shape[0])))
        elif last == "weight":
            values = unit(name, count) + np.float32(0.5)
        else:
            values = centred(name, count) * np.float32(0.2 if last == "bias" else 0.5)
        tensor.copy_(torch.from_numpy(values).reshape(tensor.shape))
        bits = values.view(np.uint32).astype(np.uint64)
        total = int((np.arange(1, count + 1, dtype=np.uint64) * bits).sum(dtype=np.uint64))
        checksum = ((checksum ^ total) * 0x100000001b3) & MASK
    return "%016x" % checksum


def statistics(tensor, first, strided=0):
    values = tensor.detach().flatten().double()
    n = values.numel()
    facts = {
        "shape": list(tensor.shape), "first": [float("%.9g" % v) for v in values[:first].tolist()], "l2": float("%.9g" % values.norm()),
        "sum": float("%.9g" % values.sum()), "probe": float("%.9g" % (values * torch.from_numpy(centred("probe", n)).double()).sum())}
    if strided:
        facts["strided"] = [float("%.9g" % values[k * n // strided]) for k in range(strided)]
    return facts


def macs(network, image):
    total = [0]

    def count(module, inputs, output):
        total[0] += output.numel() * (module.weight.numel() // module.weight.shape[0])

    handles = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    network(image)
    for handle in handles:
        handle.remove()
    return total[0] + sum(m.products for m in network.modules() if isinstance(m, Attention))


def main():
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    network = Pvt().eval()
    checksum = fill(network)
    image = torch.from_numpy(centred("input", 3 * SIDE * SIDE)).reshape(1, 3, SIDE, SIDE)
    logits, features, levels = network(image)
    state = [[name, list(t.shape), "float32"] for name, t in network.state_dict().items()]
    norms = [m.eps for m in network.modules() if isinstance(m, nn.LayerNorm)]
    exact = network.double()(image.double())
    error = [float("%.3g" % ((a - b).norm() / b.norm())) for a, b in ((logits, exact[0]), (features, exact[1]))]
    network.float()
    print(json.dumps({
        "scheme": "zoo-1", "model": "pvt_tiny", "kind": "eval", "library": "twin after Wang et al. 2021", "input_size": [3, SIDE, SIDE],
        "create_args": {"img_size": SIDE}, "num_params": sum(p.numel() for p in network.parameters()), "num_tensors": len(state),
        "state_hash": "%016x" % fnv("".join(f"{n}:{'x'.join(map(str, s))};" for n, s, _ in state)), "param_checksum": checksum, "state_dict": state,
        "modules": {"norms": {"LayerNorm eps=1e-05": norms.count(1e-5), "LayerNorm eps=1e-06": norms.count(1e-6)}}, "macs": macs(network, image),
        "feature_info": [{"index": i, "channels": w, "reduction": 4 << i, "module": f"block{i + 1}.{DEPTHS[i] - 1}"} for i, w in enumerate(WIDTHS)],
        "noise": {"f32_err": error}, "tol": {"logits": max(3e-5, 20 * error[0]), "features": max(5e-5, 20 * error[1])},
        "outputs": {"logits": statistics(logits, 32), "features": statistics(features, 32, 16), "pyramid": [statistics(level, 16, 8) for level in levels]},
    }, separators=(",", ":")))


main()
