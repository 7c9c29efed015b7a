using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>Three convolutions at half the image's size, then patches of the map.</summary>
internal sealed class VoloPatchEmbed : Module
{
    private readonly Sequential _conv;
    private readonly Conv2d _proj;

    public VoloPatchEmbed(int inChans, int hidden, int width, int stride, int patch)
    {
        _conv = Child("conv", new Sequential(Layers(inChans, hidden, stride)));
        _proj = Child("proj", new Conv2d(hidden, width, patch / stride, patch / stride));
    }

    protected override Tensor OnForward(Tensor x) => _proj.Forward(_conv.Forward(x));

    private static IEnumerable<Module> Layers(int inChans, int hidden, int stride)
    {
        foreach (var (from, kernel, step) in new[] { (inChans, 7, stride), (hidden, 3, 1), (hidden, 3, 1) })
        {
            yield return new Conv2d(from, hidden, kernel, step, kernel / 2, bias: false);
            yield return new BatchNorm2d(hidden);
            yield return new ActivationLayer(ActivationKind.Relu);
        }
    }
}

/// <summary>A map of half the side.</summary>
internal sealed class VoloDownsample : Module
{
    private readonly Conv2d _proj;

    public VoloDownsample(int from, int to) => _proj = Child("proj", new Conv2d(from, to, 2, 2));

    protected override Tensor OnForward(Tensor x) => _proj.Forward(x);
}

/// <summary>Outlook attention and an MLP over a map [N, H, W, C], each after a normaliser and beside a shortcut.</summary>
internal sealed class Outlooker : Module
{
    private readonly LayerNorm _norm1;
    private readonly OutlookAttention _attention;
    private readonly LayerNorm _norm2;
    private readonly TokenMlp _mlp;

    public Outlooker(VoloSpec spec)
    {
        _norm1 = Child("norm1", new LayerNorm(spec.FineWidth));
        _attention = Child("attn", new OutlookAttention(spec.FineWidth, spec.FineHeads));
        _norm2 = Child("norm2", new LayerNorm(spec.FineWidth));
        _mlp = Child("mlp", new TokenMlp(spec.FineWidth, (int)(spec.FineWidth * spec.MlpRatio)));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x += _attention.Forward(_norm1.Forward(x));
        return x + _mlp.Forward(_norm2.Forward(x));
    }
}

/// <summary>
/// Every second pixel of every second row computes, for each head, how the pixels of its 3x3 neighbourhood mix with one another; where
/// neighbourhoods overlap, results add up (Yuan et al. 2021).
/// </summary>
internal sealed class OutlookAttention : Module
{
    private const int Side = 3;
    private const int Area = Side * Side;
    private const int Stride = 2;
    private readonly int _heads;
    private readonly Linear _v;
    private readonly Linear _scores;
    private readonly Linear _proj;
    private readonly AvgPool2d _pool;

    public OutlookAttention(int width, int heads)
    {
        _heads = heads;
        _v = Child("v", TokenLinear.Create(width, width, bias: false));
        _scores = Child("attn", TokenLinear.Create(width, Area * Area * heads));
        _proj = Child("proj", TokenLinear.Create(width, width));
        _pool = Child("pool", new AvgPool2d(Stride, Stride, ceilMode: true));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (height, width, headWidth) = (x.Shape[1], x.Shape[2], x.Shape[3] / _heads);
        var (rows, columns) = ((height + 1) / Stride, (width + 1) / Stride);
        var values = Unfold(Unfold(_v.Forward(x), 1, rows), 3, columns); // [N, rows, 3, columns, 3, C]
        values = values.Permute([0, 1, 3, 2, 4, 5]).Reshape([-1, rows * columns, Area, _heads, headWidth]).Permute([0, 1, 3, 2, 4]);
        var scores = _scores.Forward(_pool.Forward(x)).Reshape([-1, rows * columns, _heads, Area, Area]);
        var mixed = (scores * (1 / MathF.Sqrt(headWidth))).Softmax().MatMul(values); // [N, rows · columns, heads, 9, D]
        mixed = mixed.Permute([0, 1, 3, 2, 4]).Reshape([-1, rows, columns, Side, Side, _heads * headWidth]).Permute([0, 1, 3, 2, 4, 5]);
        return _proj.Forward(Fold(Fold(mixed, 3, width), 1, height));
    }

    // One axis becomes two: windows of three with two between their beginnings, the first one starting before the border.
    private static Tensor Unfold(Tensor x, int axis, int windows)
    {
        var (before, after) = (new int[x.Rank], new int[x.Rank]);
        (before[axis], after[axis]) = (1, (Stride * windows) - x.Shape[axis]);
        var padded = x.Pad(before, after);
        return Tensor.Concat([.. Enumerable.Range(0, Side).Select(i => padded.Slice(axis, i, i + (Stride * (windows - 1)) + 1, Stride).Unsqueeze(axis + 1))], axis + 1);
    }

    // The reverse, where windows overlap summed: even places have one window, odd ones two.
    private static Tensor Fold(Tensor x, int axis, int length)
    {
        var parts = x.Chunk(Side, axis + 1);
        var (before, after) = (new int[x.Rank], new int[x.Rank]);
        after[axis] = 1;
        var odd = parts[2] + parts[0].Slice(axis, 1).Pad(before, after);
        int[] shape = [-1, .. x.Shape.Span[1..axis], Stride * x.Shape[axis], .. x.Shape.Span[(axis + 2)..]];
        var folded = Tensor.Concat([parts[1], odd], axis + 1).Reshape(shape);
        return folded.Shape[axis] == length ? folded : folded.Slice(axis, 0, length);
    }
}

/// <summary>Attention of all pixels of a map [N, H, W, C] to one another and an MLP, each after a normaliser and beside a shortcut.</summary>
internal sealed class VoloTransformer : Module
{
    private readonly LayerNorm _norm1;
    private readonly TokenAttention _attention;
    private readonly DropPath? _dropPath1;
    private readonly LayerNorm _norm2;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPath2;

    public VoloTransformer(VoloSpec spec, float dropPathRate)
    {
        _norm1 = Child("norm1", new LayerNorm(spec.Width));
        _attention = Child("attn", new TokenAttention(spec.Width, spec.Heads, qkvBias: false));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(spec.Width));
        _mlp = Child("mlp", new TokenMlp(spec.Width, (int)(spec.Width * spec.MlpRatio)));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _attention.Forward(_norm1.Forward(x).ToTokens()).ToMap(x.Shape[1], x.Shape[2]);
        x += _dropPath1?.Forward(y) ?? y;
        y = _mlp.Forward(_norm2.Forward(x));
        return x + (_dropPath2?.Forward(y) ?? y);
    }
}

/// <summary>Attention of the class token over all tokens [N, L, C], and an MLP; only the class token changes.</summary>
internal sealed class VoloClassBlock : Module
{
    private readonly int _heads;
    private readonly LayerNorm _norm1;
    private readonly ClassAttention _attention;
    private readonly LayerNorm _norm2;
    private readonly TokenMlp _mlp;

    public VoloClassBlock(VoloSpec spec)
    {
        _heads = spec.Heads;
        _norm1 = Child("norm1", new LayerNorm(spec.Width));
        _attention = Child("attn", new ClassAttention(spec.Width, _heads));
        _norm2 = Child("norm2", new LayerNorm(spec.Width));
        _mlp = Child("mlp", new TokenMlp(spec.Width, (int)(spec.Width * spec.MlpRatio)));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var classToken = x.Slice(1, 0, 1) + _attention.Forward(_norm1.Forward(x));
        classToken += _mlp.Forward(_norm2.Forward(classToken));
        return Tensor.Concat([classToken, x.Slice(1, 1)], 1);
    }

    private sealed class ClassAttention : Module
    {
        private readonly int _heads;
        private readonly Linear _kv;
        private readonly Linear _q;
        private readonly Linear _proj;

        public ClassAttention(int width, int heads)
        {
            _heads = heads;
            _kv = Child("kv", TokenLinear.Create(width, width * 2, bias: false));
            _q = Child("q", TokenLinear.Create(width, width, bias: false));
            _proj = Child("proj", TokenLinear.Create(width, width));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var keysAndValues = Heads.Split(_kv.Forward(x), _heads, 2);
            var query = Heads.Split(_q.Forward(x.Slice(1, 0, 1)), _heads);
            return _proj.Forward(query.Attention(keysAndValues[0], keysAndValues[1]).Join());
        }
    }
}
