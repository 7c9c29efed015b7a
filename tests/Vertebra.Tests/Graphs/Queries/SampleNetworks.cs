using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Tests.Graphs.Queries;

/// <summary>Small networks with the constructions that tie dimensions together in backbones.</summary>
internal static class SampleNetworks
{
    public static IReadOnlyDictionary<string, (Shape Input, Func<Network> Create)> All { get; } = new Dictionary<string, (Shape, Func<Network>)>
    {
        ["residual"] = ([2, 8, 8, 3], () => new(n => x =>
        {
            x = n.ConvBn("stem", x, 3, 6, 3).Relu();
            x = (n.ConvBn("a2", n.ConvBn("a1", x, 6, 5, 1).Relu(), 5, 6, 3) + x).Relu();
            x = (n.ConvBn("b2", n.ConvBn("b1", x, 6, 4, 3).Relu(), 4, 6, 1) + x).Relu();
            return n.Linear("head", x.Mean([1, 2]), 6, 4);
        })),
        ["conv flatten linear"] = ([2, 6, 6, 3], () => new(n => x =>
        {
            x = n.Conv("conv", x, 3, 5, 3).Relu().MaxPool2d(2);
            return n.Linear("fc2", n.Linear("fc1", x.Flatten(), 45, 7).Relu(), 7, 3);
        })),
        ["depthwise separable with gates"] = ([2, 8, 8, 3], () => new(n => x =>
        {
            x = n.ConvBn("stem", x, 3, 6, 3).HardSwish();
            var y = n.ConvBn("expand", x, 6, 12, 1).Silu();
            y = n.ConvBn("depthwise", y, 12, 12, 3, groups: 12).Silu();
            y *= n.Conv("gate2", n.Conv("gate1", y.Mean([1, 2], keepAxes: true), 12, 3, 1).Relu(), 3, 12, 1).Sigmoid();
            x += n.ConvBn("project", y, 12, 6, 1);
            return n.Linear("head", x.Mean([1, 2]), 6, 4);
        })),
        ["grouped convolution with multiplier"] = ([2, 6, 6, 3], () => new(n => x =>
        {
            x = n.ConvBn("a", x, 3, 8, 3).Relu();
            x = n.ConvBn("b", x, 8, 12, 3, groups: 4).Relu();
            x = n.ConvBn("c", x, 12, 24, 3, groups: 12).Relu();
            return n.Linear("head", x.Mean([1, 2]), 24, 4);
        })),
        ["channel shuffle"] = ([2, 8, 8, 3], () => new(n => x =>
        {
            x = n.ConvBn("stem", x, 3, 12, 3).Relu();
            for (var i = 0; i < 3; i++)
            {
                var halves = x.Chunk(2, -1);
                var y = n.ConvBn($"{i}.a", halves[1], 6, 6, 1).Relu();
                y = n.ConvBn($"{i}.c", n.ConvBn($"{i}.b", y, 6, 6, 3, groups: 6), 6, 6, 1).Relu();
                x = Shuffled(Tensor.Concat([halves[0], y], -1), 2);
            }
            return n.Linear("head", x.Mean([1, 2]), 12, 4);
        })),
        ["grouped shuffle"] = ([2, 8, 8, 3], () => new(n => x =>
        {
            x = n.ConvBn("stem", x, 3, 24, 3).Relu();
            x = Shuffled(n.ConvBn("a", x, 24, 24, 1, groups: 2).Relu(), 2);
            x = n.ConvBn("b", x, 24, 16, 1, groups: 2);
            return n.Linear("head", x.Mean([1, 2]), 16, 4);
        })),
        ["split and concat (Res2Net)"] = ([2, 8, 8, 3], () => new(n => x =>
        {
            x = n.ConvBn("stem", x, 3, 8, 3).Relu();
            var pieces = n.ConvBn("in", x, 8, 12, 1).Relu().Chunk(4, -1);
            var first = n.ConvBn("s0", pieces[0], 3, 3, 3).Relu();
            var second = n.ConvBn("s1", pieces[1] + first, 3, 3, 3).Relu();
            var third = n.ConvBn("s2", pieces[2] + second, 3, 3, 3).Relu();
            x = (n.ConvBn("out", Tensor.Concat([first, second, third, pieces[3]], -1), 12, 8, 1) + x).Relu();
            return n.Linear("head", x.Mean([1, 2]), 8, 4);
        })),
        ["ghost features"] = ([2, 8, 8, 3], () => new(n => x =>
        {
            var primary = n.ConvBn("primary", x, 3, 4, 1).Relu();
            var cheap = n.ConvBn("cheap", primary, 4, 4, 3, groups: 4).Relu();
            x = Tensor.Concat([primary, cheap], -1).Slice(-1, 0, 7);
            return n.Linear("head", x.Mean([1, 2]), 7, 4);
        })),
        ["partial and padded shortcuts"] = ([2, 8, 8, 3], () => new(n => x =>
        {
            x = n.ConvBn("stem", x, 3, 5, 3);
            var y = n.ConvBn("wider", x, 5, 8, 3);
            y = Tensor.Concat([y.Slice(-1, 0, 5) + x, y.Slice(-1, 5)], -1).Relu();
            y = y.AvgPool2d(2).Pad([0, 0, 0, 1], [0, 0, 0, 2]) + n.ConvBn("padded", y, 8, 11, 3, stride: 2);
            return n.Linear("head", y.Mean([1, 2]), 11, 4);
        })),
        ["dense block"] = ([2, 8, 8, 3], () => new(n => x =>
        {
            x = n.Conv("stem", x, 3, 4, 3);
            for (var i = 0; i < 3; i++)
                x = Tensor.Concat([x, n.Conv($"{i}", n.Norm($"{i}.norm", x).Relu(), 4 + (3 * i), 3, 3)], -1);
            return n.Linear("head", n.Norm("norm", x).Relu().Mean([1, 2]), 13, 4);
        })),
        ["pixel shuffle and transposed convolution"] = ([2, 4, 4, 3], () => new(n => x =>
        {
            var skip = n.Conv("stem", x, 3, 6, 3).Relu();
            x = n.Conv("wide", skip, 6, 20, 1).Reshape([-1, 4, 4, 2, 2, 5]).Permute([0, 1, 3, 2, 4, 5]).Reshape([-1, 8, 8, 5]).Relu();
            var up = skip.ConvTranspose2d(n.Weight("up.weight", 6, 2, 2, 2), n.Weight("up.bias", 4), stride: 2, groups: 2);
            x = n.Conv("fuse", Tensor.Concat([x, up], -1), 9, 7, 3).Relu();
            x += skip.Interpolate(8).Linear(n.Weight("lateral.weight", 7, 6));
            return n.Conv("out", x, 7, 2, 1);
        })),
        ["group and instance norms"] = ([2, 6, 6, 3], () => new(n => x =>
        {
            x = n.Conv("a", x, 3, 12, 3).GroupNorm(3, n.Weight("a.norm", 12), n.Weight("a.shift", 12)).Relu();
            x = n.Conv("b", x, 12, 5, 3).InstanceNorm(n.Weight("b.norm", 5), n.Weight("b.shift", 5)).Relu();
            return n.Linear("head", x.Mean([1, 2]), 5, 4);
        })),
        ["standardised weights"] = ([2, 6, 6, 3], () => new(n => x =>
        {
            x = n.Conv("a", x, 3, 6, 3).Relu();
            var weight = n.Weight("b.weight", 5, 6, 3, 3).Reshape([5, 54]).LayerNorm().Reshape([5, 6, 3, 3]);
            return n.Linear("head", x.Conv2d(weight, padding: 1).Relu().Mean([1, 2]), 5, 4);
        })),
        ["channel attention along channels (ECA)"] = ([2, 6, 6, 3], () => new(n => x =>
        {
            x = n.ConvBn("a", x, 3, 6, 3).Relu();
            var gate = x.Mean([1, 2]).Reshape([-1, 1, 6, 1]).Conv2d(n.Weight("eca", 1, 1, 1, 3), padding: (0, 1)).Sigmoid().Reshape([-1, 1, 1, 6]);
            return n.Linear("head", (x * gate).Mean([1, 2]), 6, 4);
        })),
        ["prelu, layer scale and rezero"] = ([2, 6, 6, 3], () => new(n => x =>
        {
            x = n.Conv("stem", x, 3, 6, 3).Prelu(n.Weight("slope", 6));
            x += n.Conv("a", x, 6, 6, 3) * n.Weight("gamma", 6);
            x += n.Conv("b", x, 6, 6, 3).Prelu(n.Weight("slope1", 1)) * n.Weight("zero", 1);
            return n.Linear("head", x.Mean([1, 2]), 6, 4);
        })),
        ["shared weights"] = ([2, 5], () => new(n => x =>
        {
            var (up, down) = (n.Weight("up", 7, 6), n.Weight("down", 6, 7));
            x = n.Linear("in", x, 5, 6);
            for (var i = 0; i < 2; i++)
                x += x.Linear(up).Relu().Linear(down);
            return n.Linear("head", x, 6, 3);
        })),
        ["gated linear unit"] = ([2, 3, 5], () => new(n => x =>
        {
            var halves = n.Linear("in", x, 5, 12).Chunk(2, -1);
            return n.Linear("out", halves[0].Silu() * halves[1], 6, 3);
        })),
        ["vision transformer"] = ([2, 8, 8, 3], () => new(n => x =>
        {
            x = n.Conv("patch", x, 3, 12, 4, stride: 4, padding: 0).Reshape([-1, 4, 12]);
            x = Tensor.Concat([n.Weight("cls", 1, 1, 12).Expand([x.Shape[0], -1, -1]), x], 1) + n.Weight("pos", 1, 5, 12);
            for (var i = 0; i < 2; i++)
            {
                var qkv = n.Linear($"{i}.qkv", n.LayerNorm($"{i}.norm1", x, 12), 12, 36).Reshape([x.Shape[0], 5, 3, 3, 4]).Permute([2, 0, 3, 1, 4]);
                var (q, k, v) = (Part(qkv, 0), Part(qkv, 1), Part(qkv, 2));
                var y = new Attention(0.5f).Apply(q, k, v).Permute([0, 2, 1, 3]).Reshape([x.Shape[0], 5, 12]);
                x += n.Linear($"{i}.proj", y, 12, 12) * n.Weight($"{i}.scale", 12);
                x += n.Linear($"{i}.fc2", n.Linear($"{i}.fc1", n.LayerNorm($"{i}.norm2", x, 12), 12, 10).Gelu(), 10, 12);
            }
            return n.Linear("head", n.LayerNorm("norm", x, 12).Slice(1, 0, 1).Squeeze(1), 12, 4);
        })),
        ["attention by products, keys and values of one head"] = ([2, 5, 6], () => new(n => x =>
        {
            x = n.Linear("in", x, 6, 8);
            var q = n.Linear("q", x, 8, 12).Reshape([-1, 5, 3, 4]).Permute([0, 2, 1, 3]);
            var parts = n.Linear("kv", x, 8, 11).Split([4, 7], -1);
            var (k, v) = (parts[0].Unsqueeze(1).Expand([-1, 3, -1, -1]), parts[1].Unsqueeze(1).Expand([-1, 3, -1, -1]));
            var weights = (q.MatMul(k, transposeB: true) * 0.5f).Softmax();
            x += n.Linear("proj", weights.MatMul(v).Permute([0, 2, 1, 3]).Reshape([-1, 5, 21]), 21, 8);
            return n.Linear("head", x.Mean([1]), 8, 3);
        })),
        ["shifted windows"] = ([1, 8, 8, 3], () => new(n => x =>
        {
            x = n.LayerNorm("norm0", n.Conv("patch", x, 3, 8, 1), 8);
            var y = n.LayerNorm("norm1", Rolled(x, 2), 8).Reshape([1, 2, 4, 2, 4, 8]).Permute([0, 1, 3, 2, 4, 5]).Reshape([-1, 16, 8]);
            var qkv = n.Linear("qkv", y, 8, 24).Reshape([-1, 16, 3, 2, 4]).Permute([2, 0, 3, 1, 4]);
            var index = n.Table("index", Enumerable.Range(0, 256).Select(i => (long)(i * 7 % 49)).ToArray());
            var bias = n.Weight("table", 49, 2).IndexSelect(0, index).Reshape([16, 16, 2]).Permute([2, 0, 1]).Unsqueeze(0);
            var scores = (Part(qkv, 0) * 0.5f).MatMul(Part(qkv, 1), transposeB: true) + bias;
            y = n.Linear("proj", scores.Softmax().MatMul(Part(qkv, 2)).Permute([0, 2, 1, 3]).Reshape([-1, 16, 8]), 8, 8);
            x += Rolled(y.Reshape([1, 2, 2, 4, 4, 8]).Permute([0, 1, 3, 2, 4, 5]).Reshape([1, 8, 8, 8]), 6);
            Tensor[] corners = [Every2nd(x, 0, 0), Every2nd(x, 1, 0), Every2nd(x, 0, 1), Every2nd(x, 1, 1)];
            x = n.Linear("merge", n.LayerNorm("norm2", Tensor.Concat(corners, -1), 32), 32, 10);
            return n.Linear("head", x.Mean([1, 2]), 10, 3);
        })),
        ["cross-covariance attention"] = ([2, 4, 4, 3], () => new(n => x =>
        {
            x = n.Conv("patch", x, 3, 8, 1).Reshape([-1, 16, 8]);
            var qkv = n.Linear("qkv", x, 8, 24).Reshape([-1, 16, 3, 2, 4]).Permute([2, 0, 3, 4, 1]);
            var (q, k, v) = (Normalised(Part(qkv, 0)), Normalised(Part(qkv, 1)), Part(qkv, 2));
            var weights = (q.MatMul(k, transposeB: true) * n.Weight("temperature", 2, 1, 1)).Softmax();
            x += n.Linear("proj", weights.MatMul(v).Permute([0, 3, 1, 2]).Reshape([-1, 16, 8]), 8, 8);
            return n.Linear("head", x.Mean([1]), 8, 3);
        })),
        ["mixer"] = ([2, 4, 4, 3], () => new(n => x =>
        {
            x = n.Conv("patch", x, 3, 6, 2, stride: 2, padding: 0).Reshape([-1, 4, 6]);
            var tokens = n.LayerNorm("norm1", x, 6).Permute([0, 2, 1]);
            x += n.Linear("t2", n.Linear("t1", tokens, 4, 9).Gelu(), 9, 4).Permute([0, 2, 1]);
            x += n.Linear("c2", n.Linear("c1", n.LayerNorm("norm2", x, 6), 6, 10).Gelu(), 10, 6);
            return n.Linear("head", x.Mean([1]), 6, 3);
        })),
    };

    private static Tensor Shuffled(Tensor x, int groups)
    {
        var (height, width, channels) = (x.Shape[1], x.Shape[2], x.Shape[3]);
        return x.Reshape([-1, height, width, groups, channels / groups]).Permute([0, 1, 2, 4, 3]).Reshape([-1, height, width, channels]);
    }

    private static Tensor Part(Tensor stack, int index) => stack.Slice(0, index, index + 1).Squeeze(0);

    private static Tensor Rolled(Tensor x, int shift)
    {
        foreach (var axis in (int[])[1, 2])
            x = Tensor.Concat([x.Slice(axis, shift), x.Slice(axis, 0, shift)], axis);
        return x;
    }

    private static Tensor Every2nd(Tensor x, int row, int column) => x.Slice(1, row, step: 2).Slice(2, column, step: 2);

    private static Tensor Normalised(Tensor x) => x / (x.Square().Sum([-1], keepAxes: true) + 1e-6f).Sqrt();
}

/// <summary>A module written as a function of its input; a weight is made when it is first named.</summary>
internal sealed class Network : Module
{
    private readonly Dictionary<string, Tensor> _weights = [];
    private readonly Func<Tensor, Tensor> _forward;

    public Network(Func<Network, Func<Tensor, Tensor>> describe) => _forward = describe(this);

    protected override Tensor OnForward(Tensor x) => _forward(x);

    // Names of parameters have no dots; scales near 1 and shifts near 0 keep a deep product of random numbers at home.
    public Tensor Weight(string name, params int[] shape)
    {
        if (!_weights.TryGetValue(name, out var weight))
            _weights.Add(name, weight = Parameter(name.Replace('.', '/'), shape, Init.Uniform(0.5f)));
        return weight;
    }

    public Tensor Table(string name, long[] values)
    {
        if (!_weights.TryGetValue(name, out var table))
            _weights.Add(name, table = Buffer(name, Tensor.From(values)));
        return table;
    }

    public Tensor Linear(string name, Tensor x, int from, int to) => x.Linear(Weight($"{name}.weight", to, from), Weight($"{name}.bias", to));

    public Tensor Conv(string name, Tensor x, int from, int to, int kernel, int stride = 1, int? padding = null, int groups = 1) =>
        x.Conv2d(Weight($"{name}.weight", to, from / groups, kernel, kernel), Weight($"{name}.bias", to), stride, padding ?? kernel / 2, groups: groups);

    public Tensor ConvBn(string name, Tensor x, int from, int to, int kernel, int stride = 1, int groups = 1) =>
        Norm($"{name}.norm", x.Conv2d(Weight($"{name}.weight", to, from / groups, kernel, kernel), null, stride, kernel / 2, groups: groups));

    public Tensor Norm(string name, Tensor x)
    {
        var channels = x.Shape[-1];
        return x.BatchNorm(Weight($"{name}.weight", channels), Weight($"{name}.bias", channels), Weight($"{name}.mean", channels), Statistic($"{name}.var", channels));
    }

    public Tensor LayerNorm(string name, Tensor x, int width) => x.LayerNorm(Weight($"{name}.weight", width), Weight($"{name}.bias", width));

    private Tensor Statistic(string name, int size)
    {
        if (!_weights.TryGetValue(name, out var variance))
            _weights.Add(name, variance = Buffer(name.Replace('.', '/'), Tensor.From(Enumerable.Range(0, size).Select(i => 0.5f + (i % 5 * 0.2f)).ToArray())));
        return variance;
    }
}
