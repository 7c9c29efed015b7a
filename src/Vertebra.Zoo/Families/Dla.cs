using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Deep layer aggregation (Yu et al. 2018): blocks are the leaves of trees whose roots merge all that came up from below.
/// Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class Dla : PooledBackbone
{
    private readonly List<Module> _levels = [];

    internal Dla(DlaSpec spec, ModelOptions options) : base(options, "base_layer.0", "fc")
    {
        RefuseOutputStride(options, "DLA");
        var widths = spec.Widths;
        _levels.Add(Child("base_layer", new Sequential(Conv(InChans, widths[0], 7), new BatchNorm2d(widths[0]), new ActivationLayer(ActivationKind.Relu))));
        _levels.Add(Child("level0", new Sequential(Convolutions(widths[0], widths[0], spec.Depths[0], 1))));
        _levels.Add(Child("level1", new Sequential(Convolutions(widths[0], widths[1], spec.Depths[1], 2))));
        AddFeature(widths[1], 2, "level1");
        for (var level = 2; level < widths.Count; level++)
        {
            _levels.Add(Child($"level{level}", new DlaTree(spec, spec.Depths[level], widths[level - 1], widths[level], 2, mergesInput: level > 2, rootWidth: 0)));
            AddFeature(widths[level], 1 << level, $"level{level}");
        }
        AddHead(widths[^1], options, isConvolution: true);
    }

    public static Family Family { get; } = MakeFamily();

    // timm leaves the level at full size out unless asked.
    protected override int FirstLevel => 1;

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        foreach (var level in _levels)
            x = level.Forward(x);
        return x;
    }

    internal static Conv2d Conv(int inChannels, int outChannels, int kernel, int stride = 1, int groups = 1) =>
        new(inChannels, outChannels, kernel, stride, kernel / 2, 1, groups, bias: false, initialiser: Init.KaimingNormal(fanOut: true));

    private static IEnumerable<Module> Convolutions(int inWidth, int outWidth, int count, int stride)
    {
        for (var i = 0; i < count; i++)
        {
            yield return Conv(i == 0 ? inWidth : outWidth, outWidth, 3, i == 0 ? stride : 1);
            yield return new BatchNorm2d(outWidth);
            yield return new ActivationLayer(ActivationKind.Relu);
        }
    }

    private static Family MakeFamily()
    {
        IReadOnlyList<int> narrow = [16, 32, 64, 64, 128, 256], wide = [16, 32, 128, 256, 512, 1024], d60 = [1, 1, 1, 2, 3, 1], d102 = [1, 1, 1, 3, 4, 1];
        DlaSpec c46 = new(DlaBlockKind.Bottleneck, [1, 1, 1, 2, 2, 1], narrow), b60 = new(DlaBlockKind.Bottleneck, d60, wide);
        var b102 = b60 with { Depths = d102, RootHasShortcut = true };
        DlaSpec X(DlaSpec spec, int cardinality) => spec with { Cardinality = cardinality, BaseWidth = 4 };
        (string Name, DlaSpec Spec)[] rows =
        [
            ("dla60_res2net", b60 with { Block = DlaBlockKind.Res2, BaseWidth = 28 }),
            ("dla60_res2next", X(b60, 8) with { Block = DlaBlockKind.Res2 }),
            ("dla34", new(DlaBlockKind.Basic, [1, 1, 1, 2, 2, 1], [16, 32, 64, 128, 256, 512])),
            ("dla46_c", c46),
            ("dla46x_c", X(c46, 32)),
            ("dla60x_c", X(c46, 32) with { Depths = d60 }),
            ("dla60", b60),
            ("dla60x", X(b60, 32)),
            ("dla102", b102),
            ("dla102x", X(b102, 32)),
            ("dla102x2", X(b102, 64)),
            ("dla169", b102 with { Depths = [1, 1, 2, 3, 5, 1] }),
        ];
        var tags = DlaWeights.Tags();
        return new(
            "dla",
            "Yu, Wang, Shelhamer, Darrell: Deep layer aggregation, CVPR 2018, arXiv:1707.06484",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "dla", tags[r.Name], "fc", "base_layer.0", options => new Dla(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Features of all depths are aggregated in trees: nodes combine the results of blocks instead of passing on only the last. Aggregation runs within stages and across them, so that resolution and meaning meet.",
        };
    }
}

/// <summary>Two subtrees, or at the lowest level two blocks, and a root that merges their outputs with those handed down.</summary>
internal sealed class DlaTree : Module
{
    private readonly MaxPool2d? _downsample;
    private readonly Sequential? _project;
    private readonly (ShortcutBlock First, ShortcutBlock Second)? _blocks;
    private readonly (DlaTree First, DlaTree Second)? _trees;
    private readonly DlaRoot? _root;
    private readonly bool _mergesInput;

    public DlaTree(DlaSpec spec, int levels, int inWidth, int outWidth, int stride, bool mergesInput, int rootWidth)
    {
        _mergesInput = mergesInput;
        rootWidth = (rootWidth == 0 ? 2 * outWidth : rootWidth) + (mergesInput ? inWidth : 0);
        if (stride > 1)
            _downsample = Child("downsample", new MaxPool2d(stride));
        if (levels > 1)
        {
            _trees = (
                Child("tree1", new DlaTree(spec, levels - 1, inWidth, outWidth, stride, mergesInput: false, rootWidth: 0)),
                Child("tree2", new DlaTree(spec, levels - 1, outWidth, outWidth, 1, mergesInput: false, rootWidth + outWidth)));
            return;
        }
        if (inWidth != outWidth)
            _project = Child("project", new Sequential(Dla.Conv(inWidth, outWidth, 1), new BatchNorm2d(outWidth)));
        _blocks = (Child("tree1", spec.MakeBlock(inWidth, outWidth, stride)), Child("tree2", spec.MakeBlock(outWidth, outWidth, 1)));
        _root = Child("root", new DlaRoot(rootWidth, outWidth, spec.RootHasShortcut));
    }

    protected override Tensor OnForward(Tensor x) => Apply(x, []);

    /// <summary>The tree over an image and the outputs of the subtrees before it.</summary>
    private Tensor Forward(Tensor x, List<Tensor> below)
    {
        using var scope = Enter();
        return Apply(x, below);
    }

    private Tensor Apply(Tensor x, List<Tensor> below)
    {
        var bottom = _mergesInput || _blocks is not null ? _downsample?.Forward(x) ?? x : x;
        if (_mergesInput)
            below.Add(bottom);
        if (_trees is { } trees)
        {
            var first = trees.First.Forward(x);
            below.Add(first);
            return trees.Second.Forward(first, below);
        }
        var (one, two) = _blocks!.Value;
        var left = one.Forward(x, _project?.Forward(bottom) ?? bottom);
        var right = two.Forward(left, left);
        return _root!.Forward([right, left, .. below]);
    }

    /// <summary>A 1x1 convolution of all that comes up, with a shortcut from the last of it if wanted.</summary>
    private sealed class DlaRoot : Module
    {
        private readonly Conv2d _conv;
        private readonly NormLayer _norm;
        private readonly ActivationLayer _act;
        private readonly bool _hasShortcut;

        public DlaRoot(int inWidth, int outWidth, bool hasShortcut)
        {
            _hasShortcut = hasShortcut;
            _conv = Child("conv", Dla.Conv(inWidth, outWidth, 1));
            _norm = Child("bn", new BatchNorm2d(outWidth));
            _act = Child("relu", new ActivationLayer(ActivationKind.Relu));
        }

        public Tensor Forward(Tensor[] inputs)
        {
            using var scope = Enter();
            return _norm.Forward(_conv.Forward(Tensor.Concat(inputs, -1)), _act, _hasShortcut ? inputs[0] : null);
        }

        protected override Tensor OnForward(Tensor x) => Forward([x]);
    }
}

/// <summary>Two 3x3 convolutions (basic) or 1x1, 3x3, 1x1 (bottleneck); activation after the sum.</summary>
internal sealed class DlaBlock : ShortcutBlock
{
    private readonly List<(Conv2d Conv, NormLayer Norm)> _layers = [];
    private readonly ActivationLayer _act;

    public DlaBlock(DlaSpec spec, int inWidth, int outWidth, int stride)
    {
        if (spec.Block == DlaBlockKind.Basic)
        {
            Add(inWidth, outWidth, 3, stride);
            Add(outWidth, outWidth, 3);
        }
        else
        {
            var width = spec.InnerWidth(outWidth);
            Add(inWidth, width, 1);
            Add(width, width, 3, stride, spec.Cardinality);
            Add(width, outWidth, 1);
        }
        _act = Child("relu", new ActivationLayer(ActivationKind.Relu));
    }

    protected override Tensor Apply(Tensor x, Tensor shortcut)
    {
        for (var i = 0; i < _layers.Count; i++)
            x = _layers[i].Norm.Forward(_layers[i].Conv.Forward(x), _act, i == _layers.Count - 1 ? shortcut : null);
        return x;
    }

    private void Add(int inWidth, int outWidth, int kernel, int stride = 1, int groups = 1)
    {
        var number = _layers.Count + 1;
        var conv = Child($"conv{number}", Dla.Conv(inWidth, outWidth, kernel, stride, groups));
        _layers.Add((conv, Child($"bn{number}", new BatchNorm2d(outWidth))));
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Block">The leaves of the trees.</param>
/// <param name="Depths">Convolutions of the first two levels, then depths of the trees.</param>
/// <param name="Widths">Channels of the levels.</param>
internal sealed record DlaSpec(DlaBlockKind Block, IReadOnlyList<int> Depths, IReadOnlyList<int> Widths)
{
    /// <summary>Groups of the 3x3 convolutions.</summary>
    public int Cardinality { get; init; } = 1;

    /// <summary>Inner width of a bottleneck, in 64ths and per group.</summary>
    public int BaseWidth { get; init; } = 64;

    /// <summary>The roots add the last of their inputs.</summary>
    public bool RootHasShortcut { get; init; }

    public int InnerWidth(int outWidth) => (int)Math.Floor(outWidth * (BaseWidth / 64.0)) * Cardinality / 2;

    public ShortcutBlock MakeBlock(int inWidth, int outWidth, int stride) => Block == DlaBlockKind.Res2
        ? new Res2Bottleneck(inWidth, InnerWidth(outWidth), outWidth, 4, stride, 1, Cardinality, separate: stride > 1)
        : new DlaBlock(this, inWidth, outWidth, stride);
}

internal enum DlaBlockKind
{
    Basic,
    Bottleneck,

    /// <summary>The bottleneck of Res2Net.</summary>
    Res2,
}
