"""Writes the fixtures in twins/: networks that timm does not have, written down here a second time in PyTorch, and filled and
measured by the reference's own generator (../shared/reference/zoo/golden.py beside a clone), which needs timm on PYTHONPATH.

Names of parameters are those of the authors' published code. Run: python3 make_twins.py GENERATOR_FOLDER [SPEC ...]
"""
import json
import os
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))


class Twin(nn.Module):
    """A network of a body and a head, which knows its feature levels as (module, channels, reduction)."""

    def forward_features(self, x):
        return self.body(x)

    def forward(self, x):
        return self.head(self.forward_features(x))


class LevelInfo:
    def __init__(self, levels):
        self.levels, self.out_indices = levels, range(len(levels))

    def get_dicts(self):
        return [dict(num_chs=c, reduction=r, module=m) for m, c, r in self.levels]


class Levels(nn.Module):
    """What timm calls features_only: the maps of the levels."""

    def __init__(self, model):
        super().__init__()
        self.model, self.feature_info = model, LevelInfo(model.levels)

    def forward(self, x):
        kept = {}
        hooks = [self.model.get_submodule(m).register_forward_hook(lambda mod, i, o, m=m: kept.__setitem__(m, o)) for m, _, _ in self.model.levels]
        self.model(x)
        for hook in hooks:
            hook.remove()
        return [kept[m] for m, _, _ in self.model.levels]


def chain(**modules):
    result = nn.Sequential()
    for name, module in modules.items():
        result.add_module(name.lstrip('_'), module)
    return result


# ---------------------------------------------------------------- wide residual networks

class WideBlock(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.stride = stride
        self.conv0 = nn.Parameter(torch.zeros(after, before, 3, 3))
        self.conv1 = nn.Parameter(torch.zeros(after, after, 3, 3))
        if before != after:
            self.convdim = nn.Parameter(torch.zeros(after, before, 1, 1))
        self.bn0, self.bn1 = nn.BatchNorm2d(before), nn.BatchNorm2d(after)

    def forward(self, x):
        o = F.relu(self.bn0(x))
        y = F.conv2d(F.relu(self.bn1(F.conv2d(o, self.conv0, None, self.stride, 1))), self.conv1, None, 1, 1)
        return y + (F.conv2d(o, self.convdim, None, self.stride) if hasattr(self, 'convdim') else x)


class Wide(Twin):
    def __init__(self, depth, factor, num_classes=10, in_chans=3):
        super().__init__()
        count = (depth - 4) // 6
        widths = [16] + [16 * factor * 2 ** i for i in range(3)]
        self.conv0 = nn.Parameter(torch.zeros(16, in_chans, 3, 3))
        for g in range(3):
            blocks = {'block%d' % i: WideBlock(widths[g if i == 0 else g + 1], widths[g + 1], 2 if i == 0 and g else 1) for i in range(count)}
            setattr(self, 'group%d' % g, chain(**blocks))
        self.bn, self.act = nn.BatchNorm2d(widths[3]), nn.ReLU()
        self.fc = nn.Linear(widths[3], num_classes)
        self.levels = [('group0', widths[1], 1), ('group1', widths[2], 2), ('act', widths[3], 4)]

    def body(self, x):
        return self.act(self.bn(self.group2(self.group1(self.group0(F.conv2d(x, self.conv0, None, 1, 1))))))

    def head(self, x):
        return self.fc(x.mean((2, 3)))


# ---------------------------------------------------------------- IBN-Net

class InstanceNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels)), 1e-5

    def forward(self, x):
        centred = x - x.mean((2, 3), keepdim=True)
        y = centred / (centred.square().mean((2, 3), keepdim=True) + self.eps).sqrt()
        return y * self.weight[:, None, None] + self.bias[:, None, None]


class Halves(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.IN, self.BN = InstanceNorm(channels // 2), nn.BatchNorm2d(channels - channels // 2)

    def forward(self, x):
        k = self.IN.weight.numel()
        return torch.cat([self.IN(x[:, :k]), self.BN(x[:, k:])], 1)


class Squeeze(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(channels, channels // 16, False), nn.ReLU(), nn.Linear(channels // 16, channels, False), nn.Sigmoid())

    def forward(self, x):
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class IbnBlock(nn.Module):
    def __init__(self, before, planes, stride, bottleneck, kind, last, groups, squeezes):
        super().__init__()
        after = planes * (4 if bottleneck else 1)
        width = planes if groups == 1 else planes * 4 * groups // 64
        shapes = [(before, width, 1, 1, 1), (width, width, 3, stride, groups), (width, after, 1, 1, 1)] if bottleneck else [(before, planes, 3, stride, 1), (planes, planes, 3, 1, 1)]
        self.count = len(shapes)
        for i, (a, b, k, s, g) in enumerate(shapes):
            setattr(self, 'conv%d' % (i + 1), nn.Conv2d(a, b, k, s, k // 2, groups=g, bias=False))
            setattr(self, 'bn%d' % (i + 1), Halves(b) if kind == 'a' and i == 0 else nn.BatchNorm2d(b))
        self.IN = InstanceNorm(after) if kind == 'b' and last else None
        self.se = Squeeze(after) if squeezes else None
        self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)) if stride > 1 or before != after else None

    def forward(self, x):
        y = x
        for i in range(self.count):
            y = getattr(self, 'bn%d' % (i + 1))(getattr(self, 'conv%d' % (i + 1))(y))
            y = F.relu(y) if i < self.count - 1 else y
        y = self.se(y) if self.se is not None else y
        y = y + (x if self.downsample is None else self.downsample(x))
        return F.relu(y if self.IN is None else self.IN(y))


class Ibn(Twin):
    def __init__(self, counts, bottleneck, kinds, groups=1, squeezes=False, num_classes=1000, in_chans=3):
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, 64, 7, 2, 3, bias=False)
        self.bn1 = InstanceNorm(64) if kinds[0] == 'b' else nn.BatchNorm2d(64)
        self.act1, self.maxpool = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        self.levels, before = [('act1', 64, 2)], 64
        for s, (count, kind) in enumerate(zip(counts, kinds)):
            planes, blocks = 64 * 2 ** s, []
            for i in range(count):
                blocks.append(IbnBlock(before, planes, 2 if s and i == 0 else 1, bottleneck, kind, i == count - 1, groups, squeezes))
                before = planes * (4 if bottleneck else 1)
            setattr(self, 'layer%d' % (s + 1), nn.Sequential(*blocks))
            self.levels.append(('layer%d' % (s + 1), before, 4 * 2 ** s))
        self.fc = nn.Linear(before, num_classes)

    def body(self, x):
        x = self.maxpool(self.act1(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def head(self, x):
        return self.fc(x.mean((2, 3)))


# ---------------------------------------------------------------- HarDNet

def dense_conv(before, after, kernel, stride=1):
    return chain(conv=nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False), norm=nn.BatchNorm2d(after), relu=nn.ReLU6())


def dense_depthwise(width, stride):
    return chain(dwconv=nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False), norm=nn.BatchNorm2d(width))


class Harmonic(nn.Module):
    def __init__(self, before, growth, factor, count, depthwise):
        super().__init__()
        widths, layers = {0: before}, []
        for n in range(1, count + 1):
            width = growth
            twos = (n & -n).bit_length() - 1
            for _ in range(twos):
                width *= factor
            widths[n] = int(int(width + 1) / 2) * 2
            total = sum(widths[n - 2 ** p] for p in range(twos + 1))
            layers.append(chain(layer1=dense_conv(total, widths[n], 1), layer2=dense_depthwise(widths[n], 1)) if depthwise else dense_conv(total, widths[n], 3))
        self.layers = nn.ModuleList(layers)
        self.kept = [n for n in range(1, count + 1) if n % 2 == 1 or n == count]
        self.width = sum(widths[n] for n in self.kept)

    def forward(self, x):
        maps = [x]
        for n, layer in enumerate(self.layers, 1):
            twos = (n & -n).bit_length() - 1
            maps.append(layer(torch.cat([maps[n - 2 ** p] for p in range(twos + 1)], 1)))
        return torch.cat([maps[n] for n in self.kept], 1)


class Head(nn.Module):
    """Children under the numbers that they have in the authors' list."""

    def __init__(self, **children):
        super().__init__()
        for name, child in children.items():
            self.add_module(name.lstrip('_'), child)


class Hardnet(Twin):
    def __init__(self, stem, factor, blocks, depthwise, num_classes=1000, in_chans=3):
        super().__init__()
        base = [dense_conv(in_chans, stem[0], 3, 2), dense_conv(stem[0], stem[1], 1 if depthwise else 3)]
        self.levels, width, reduction = [('base.1', stem[1], 2)], stem[1], 4
        base.append(dense_depthwise(width, 2) if depthwise else nn.MaxPool2d(3, 2, 1))
        for i, (count, growth, after, shrinks) in enumerate(blocks):
            block = Harmonic(width, growth, factor, count, depthwise)
            base += [block, dense_conv(block.width, after, 1)]
            width = after
            if shrinks or i == len(blocks) - 1:
                self.levels.append(('base.%d' % (len(base) - 1), width, reduction))
            if shrinks:
                base.append(dense_depthwise(width, 2) if depthwise else nn.MaxPool2d(2))
                reduction *= 2
        base.append(Head(_3=nn.Linear(width, num_classes)))
        self.base = nn.ModuleList(base)

    def body(self, x):
        for module in self.base[:-1]:
            x = module(x)
        return x

    def head(self, x):
        return self.base[-1].get_submodule('3')(x.mean((2, 3)))


HARDNET39 = ((24, 48), 1.6, [(4, 16, 96, True), (16, 20, 320, True), (8, 64, 640, True), (4, 160, 1024, False)])
HARDNET68 = ((32, 64), 1.7, [(8, 14, 128, True), (16, 16, 256, False), (16, 20, 320, True), (16, 40, 640, True), (4, 160, 1024, False)])


# ---------------------------------------------------------------- VanillaNet

class Series(nn.Module):
    def __init__(self, width, merged):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, 1, 7, 7))
        if merged:
            self.bias = nn.Parameter(torch.zeros(width))
        else:
            self.bn = nn.BatchNorm2d(width, 1e-6)

    def forward(self, x):
        y = F.conv2d(F.relu(x), self.weight, getattr(self, 'bias', None), 1, 3, groups=len(self.weight))
        return self.bn(y) if hasattr(self, 'bn') else y


def pair_half(before, after, kernel=1):
    return [nn.Conv2d(before, after, kernel, kernel), nn.BatchNorm2d(after, 1e-6)]


class VanillaBlock(nn.Module):
    def __init__(self, before, after, stride, merged):
        super().__init__()
        if merged:
            self.conv = nn.Conv2d(before, after, 1)
        else:
            self.conv1, self.conv2 = nn.Sequential(*pair_half(before, before)), nn.Sequential(*pair_half(before, after))
        self.stride, self.act = stride, Series(after, merged)

    def forward(self, x):
        x = self.conv(x) if hasattr(self, 'conv') else self.conv2(self.conv1(x))
        return self.act(F.max_pool2d(x, self.stride) if self.stride > 1 else x)


class Vanilla(Twin):
    def __init__(self, widths, strides, merged=False, num_classes=1000, in_chans=3):
        super().__init__()
        self.args = (widths, strides)
        w = widths[0]
        if merged:
            self.stem = nn.Sequential(nn.Conv2d(in_chans, w, 4, 4), Series(w, True))
        else:
            self.stem1 = nn.Sequential(*pair_half(in_chans, w, 4))
            self.stem2 = nn.Sequential(*pair_half(w, w), Series(w, False))
        self.stages = nn.ModuleList(VanillaBlock(a, b, s, merged) for a, b, s in zip(widths, widths[1:], strides))
        if merged:
            self.cls = Head(_2=nn.Conv2d(widths[-1], num_classes, 1))
        else:
            self.cls1 = Head(_2=nn.Conv2d(widths[-1], num_classes, 1), _3=nn.BatchNorm2d(num_classes, 1e-6))
            self.cls2 = nn.Sequential(nn.Conv2d(num_classes, num_classes, 1))
        levels, reduction = {4: ('stem' if merged else 'stem2', w, 4)}, 4
        for i, s in enumerate(strides):
            reduction *= s
            levels[reduction] = ('stages.%d' % i, widths[i + 1], reduction)
        self.levels = list(levels.values())

    def body(self, x):
        x = self.stem(x) if hasattr(self, 'stem') else self.stem2(self.stem1(x))
        for stage in self.stages:
            x = stage(x)
        return x

    def head(self, x):
        x = x.mean((2, 3), keepdim=True)
        if hasattr(self, 'cls'):
            x = self.cls.get_submodule('2')(x)
        else:
            x = self.cls2(self.cls1.get_submodule('3')(self.cls1.get_submodule('2')(x)))
        return x.flatten(1)

    def merge(self):
        """The merged form, computed in float64 by feeding unit vectors through each pair."""
        classes = self.cls2[0].out_channels
        other = Vanilla(*self.args, merged=True, num_classes=classes, in_chans=self.stem1[0].in_channels).eval()
        double = self.double()
        with torch.no_grad():
            probe(other.stem[0], lambda x: double.stem2[1](double.stem2[0](double.stem1(x))))
            fold(other.stem[1], double.stem2[2])
            for a, b in zip(other.stages, double.stages):
                probe(a.conv, lambda x: b.conv2(b.conv1(x)))
                fold(a.act, b.act)
            probe(other.cls.get_submodule('2'), lambda x: double.cls2(double.cls1.get_submodule('3')(double.cls1.get_submodule('2')(x))))
        self.float()
        return other


def probe(conv, function):
    """Weight and bias of the affine map of one window."""
    o, i, k, _ = conv.weight.shape
    bias = function(torch.zeros(1, i, k, k, dtype=torch.float64)).flatten()
    rows = torch.eye(i * k * k, dtype=torch.float64).split(1024)
    columns = torch.cat([function(r.reshape(-1, i, k, k)).reshape(-1, o) for r in rows]) - bias
    conv.weight.copy_(columns.t().reshape(o, i, k, k))
    conv.bias.copy_(bias)


def fold(target, source):
    scale = source.bn.weight / (source.bn.running_var + source.bn.eps).sqrt()
    target.weight.copy_(source.weight * scale[:, None, None, None])
    target.bias.copy_(source.bn.bias - source.bn.running_mean * scale)


# ---------------------------------------------------------------- searched networks

def searched_layer(before, after, kernel=1, stride=1, groups=1, act=None, eps=1e-3):
    result = chain(conv=nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False), bn=nn.BatchNorm2d(after, eps))
    if act is not None:
        result.add_module('act', act())
    return result


class Excite(nn.Module):
    def __init__(self, width):
        super().__init__()
        narrow = max(8, (width // 4 + 4) // 8 * 8)
        narrow += 8 if narrow < 0.9 * (width // 4) else 0
        self.fc = chain(reduce=nn.Conv2d(width, narrow, 1), relu=nn.ReLU(), expand=nn.Conv2d(narrow, width, 1))

    def forward(self, x):
        return x * F.relu6(self.fc(x.mean((2, 3), keepdim=True)) + 3) / 6


class Searched(nn.Module):
    def __init__(self, plan, before, after, stride, act, excites, eps):
        super().__init__()
        if plan is None:
            return
        kernel, times = plan
        inner, layers = before * times, {}
        if times > 1:
            layers['inverted_bottleneck'] = searched_layer(before, inner, act=act, eps=eps)
        layers['depth_conv'] = searched_layer(inner, inner, kernel, stride, inner, act, eps)
        if excites:
            layers['depth_conv'].add_module('se', Excite(inner))
        layers['point_linear'] = searched_layer(inner, after, eps=eps)
        self.mobile_inverted_conv = chain(**layers)
        self.skips = stride == 1 and before == after

    def forward(self, x):
        if not hasattr(self, 'mobile_inverted_conv'):
            return x
        y = self.mobile_inverted_conv(x)
        return y + x if self.skips else y


class SearchedNet(Twin):
    def __init__(self, stem, widths, expand, mix, stages, num_classes=1000, in_chans=3):
        super().__init__()
        v3 = expand is not None
        eps, outer = (1e-5, nn.Hardswish) if v3 else (1e-3, nn.ReLU6)
        acts = [nn.ReLU, nn.ReLU, nn.ReLU, nn.Hardswish, nn.Hardswish, nn.Hardswish] if v3 else [nn.ReLU6] * 7
        self.first_conv = searched_layer(in_chans, stem, 3, 2, 1, outer, eps)
        blocks = [Searched((3, 1), stem, widths[0], 1, acts[0], False, eps)]
        levels, before, reduction = {2: ('blocks.0', widths[0], 2)}, widths[0], 2
        for s, text in enumerate(stages.split('|')):
            for i, word in enumerate(text.split()):
                stride = (2, 2, 2, 1, 2, 1)[s] if i == 0 else 1
                plan = None if word == '-' else (int(word[0]), int(word[1]))
                blocks.append(Searched(plan, before, widths[s + 1], stride, acts[s + 1], v3 and s in (1, 3, 4), eps))
                before, reduction = widths[s + 1], reduction * stride
                levels[reduction] = ('blocks.%d' % (len(blocks) - 1), before, reduction)
        self.blocks = nn.ModuleList(blocks)
        self.levels = list(levels.values())
        if v3:
            self.final_expand_layer = searched_layer(before, expand, act=outer, eps=eps)
            self.feature_mix_layer = chain(conv=nn.Conv2d(expand, mix, 1, bias=False), act=outer())
        else:
            self.feature_mix_layer = searched_layer(before, mix, act=outer, eps=eps)
        self.classifier = chain(linear=nn.Linear(mix, num_classes))

    def body(self, x):
        x = self.first_conv(x)
        for block in self.blocks:
            x = block(x)
        return self.final_expand_layer(x) if hasattr(self, 'final_expand_layer') else self.feature_mix_layer(x)

    def head(self, x):
        x = x.mean((2, 3), keepdim=True)
        x = self.feature_mix_layer(x) if hasattr(self, 'final_expand_layer') else x
        return self.classifier(x.flatten(1))


# ---------------------------------------------------------------- what is written

# Name: side of the image, constructor.
TWINS = {
    'wrn_16_1': (32, lambda **kw: Wide(16, 1, **kw)),
    'wrn_28_2': (32, lambda **kw: Wide(28, 2, **kw)),
    'resnet18_ibn_a': (64, lambda **kw: Ibn([2, 2, 2, 2], False, ['a', 'a', 'a', None], **kw)),
    'resnet18_ibn_b': (64, lambda **kw: Ibn([2, 2, 2, 2], False, ['b', 'b', None, None], **kw)),
    'resnet50_ibn_b': (64, lambda **kw: Ibn([3, 4, 6, 3], True, ['b', 'b', None, None], **kw)),
    'resnext50_ibn_a': (64, lambda **kw: Ibn([3, 4, 6, 3], True, ['a', 'a', 'a', None], groups=32, **kw)),
    'se_resnet50_ibn_a': (64, lambda **kw: Ibn([3, 4, 6, 3], True, ['a', 'a', 'a', None], squeezes=True, **kw)),
    'hardnet39ds': (64, lambda **kw: Hardnet(*HARDNET39, True, **kw)),
    'hardnet68': (64, lambda **kw: Hardnet(*HARDNET68, False, **kw)),
    'vanillanet_5': (64, lambda **kw: Vanilla([512, 1024, 2048, 4096], [2, 2, 2], **kw)),
    'proxyless_cpu': (64, lambda **kw: SearchedNet(
        40, [24, 32, 48, 88, 104, 216, 360], None, 1432, '36 33 33 33 | 36 33 33 53 | 36 - - 33 | 56 33 33 33 | 56 53 53 33 | 56', **kw)),
    'ofa_note10_8ms': (64, lambda **kw: SearchedNet(
        16, [16, 24, 40, 80, 112, 160], 960, 1280, '33 33 | 33 34 | 34 33 33 | 33 34 | 34 54', **kw)),
    'ofa_cpu_10ms': (64, lambda **kw: SearchedNet(
        40, [24, 32, 56, 104, 128, 248, 416], None, 1664, '54 33 | 33 33 | 73 33 73 | 53 54 | 53 34 | 34', **kw)),
}

SPECS = [
    'wrn_16_1', 'wrn_16_1@train', 'wrn_28_2', 'resnet18_ibn_a', 'resnet18_ibn_a@train', 'resnet18_ibn_b', 'resnet50_ibn_b', 'resnext50_ibn_a',
    'se_resnet50_ibn_a', 'hardnet39ds', 'hardnet68', 'vanillanet_5', 'vanillanet_5@reparam', 'proxyless_cpu', 'ofa_note10_8ms', 'ofa_note10_8ms@c10', 'ofa_cpu_10ms',
]


def build(name, features_only=False, drop_rate=0, drop_path_rate=0, **kw):
    side, make = TWINS[name]
    model = make(**kw)
    model.pretrained_cfg = {'input_size': (3, side, side)}
    return (Levels(model) if features_only else model).eval()


def main():
    sys.path.insert(0, sys.argv[1])
    import golden
    import timm.utils
    golden.build, golden.library, golden.cfg_facts = build, lambda name: 'make_twins.py', lambda model: None
    timm.utils.reparameterize_model = lambda model: model.merge()
    torch.set_num_threads(1)
    for spec in sys.argv[2:] or SPECS:
        fixture = golden.generate(spec)
        path = os.path.join(HERE, 'twins', golden.filename(spec))
        with open(path, 'w') as file:
            file.write(json.dumps(fixture, separators=(',', ':')) + '\n')
        print(spec, os.path.getsize(path), fixture['num_params'], fixture.get('noise'), fixture.get('tol'), flush=True)


main()
