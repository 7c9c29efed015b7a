using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// The modified aligned Xception of DeepLab v3+ (Chen et al. 2018): every pool became a striding depthwise convolution; also
/// with the activation before the convolutions ("p"). Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class AlignedXception : PooledBackbone
{
    private readonly Sequential _stem;
    private readonly Sequential _blocks;
    private readonly Module _act;

    internal AlignedXception(AlignedXceptionSpec spec, ModelOptions options) : base(options, "stem.0.conv", "head.fc")
    {
        _stem = Child("stem", new Sequential(
            new ConvNormAct(InChans, 32, 3, 2, norm: Norm(32, spec.Epsilon, ActivationKind.Relu)),
            spec.ActivatesFirst ? new Conv2d(32, 64, 3, 1, 1, bias: false) : new ConvNormAct(32, 64, 3, norm: Norm(64, spec.Epsilon, ActivationKind.Relu))));
        var (width, reduction, dilation, blocks, plan) = (64, 2, 1, new List<Module>(), spec.Blocks().ToArray());
        for (var i = 0; i < plan.Length; i++)
        {
            var (widths, step, hasShortcut) = plan[i];
            if (step > 1)
                AddFeature(widths[^2], reduction, spec.ActivatesFirst ? $"blocks.{i}.stack.conv2" : $"blocks.{i}.stack.act3");
            var stride = step;
            if (reduction * step > (options.OutputStride ?? 32))
                stride = 1;
            reduction *= stride;
            var rate = Widths.DropPathRate(options.DropPathRate, i, plan.Length);
            blocks.Add(spec.ActivatesFirst
                ? new PreActivatedXceptionBlock(width, widths, stride, dilation, hasShortcut, rate)
                : new AlignedXceptionBlock(width, widths, stride, dilation, hasShortcut, rate));
            if (stride != step)
                dilation *= step;
            width = widths[^1];
        }
        _blocks = Child("blocks", new Sequential(blocks));
        AddFeature(width, reduction, $"blocks.{plan.Length - 1}");
        _act = Child<Module>("act", spec.ActivatesFirst ? new ActivationLayer(ActivationKind.Relu) : new Identity());
        AddHead(width, options);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x) => _act.Forward(_blocks.Forward(_stem.Forward(x)));

    internal static BatchNorm2d Norm(int width, float epsilon, ActivationKind activation) => new(width, epsilon, activation: activation);

    internal static Conv2d Depthwise(int width, int stride, int dilation) =>
        new(width, width, 3, stride, WindowPadding.Centred(3, stride, dilation), dilation, width, bias: false);

    internal static Conv2d Pointwise(int inWidth, int outWidth, int stride = 1) => new(inWidth, outWidth, 1, stride, bias: false);

    private static Family MakeFamily()
    {
        (string Name, AlignedXceptionSpec Spec)[] rows =
        [
            ("xception41", new(8)),
            ("xception65", new(16)),
            ("xception71", new(16) { HasLongEntry = true }),
            ("xception41p", new(8) { ActivatesFirst = true }),
            ("xception65p", new(16) { ActivatesFirst = true }),
        ];
        var tags = AlignedXceptionWeights.Tags();
        return new(
            "aligned_xception",
            "Chen, Zhu, Papandreou, Schroff, Adam: Encoder-decoder with atrous separable convolution for semantic image segmentation, ECCV 2018, arXiv:1802.02611",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "aligned_xception", tags[r.Name], "head.fc", "stem.0.conv", options => new AlignedXception(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Xception, made deeper and with strided separable convolutions in place of pooling, so that a map may stay large for segmentation. It is the backbone of DeepLab v3+.",
        };
    }
}

/// <summary>Three separable convolutions, normalised after each of their halves, beside a shortcut; without one, ReLUs stand inside them rather than before.</summary>
internal sealed class AlignedXceptionBlock : Module
{
    internal const float Epsilon = 1e-3f;
    private readonly ConvNormAct? _shortcut;
    private readonly Sequential _stack;
    private readonly DropPath? _dropPath;
    private readonly bool _hasShortcut;

    public AlignedXceptionBlock(int inWidth, IReadOnlyList<int> widths, int stride, int dilation, bool hasShortcut, float dropPathRate)
    {
        _hasShortcut = hasShortcut;
        if (hasShortcut && (inWidth != widths[^1] || stride != 1))
            _shortcut = Child("shortcut", new ConvNormAct(inWidth, widths[^1], 1, stride, norm: AlignedXception.Norm(widths[^1], Epsilon, ActivationKind.Identity)));
        var layers = new List<(string, Module)>();
        var width = inWidth;
        for (var i = 0; i < widths.Count; i++)
        {
            if (hasShortcut)
                layers.Add(($"act{i + 1}", new ActivationLayer(ActivationKind.Relu)));
            var activation = hasShortcut ? ActivationKind.Identity : ActivationKind.Relu;
            layers.Add(($"conv{i + 1}", new Sequential(
            [
                ("conv_dw", AlignedXception.Depthwise(width, i == widths.Count - 1 ? stride : 1, dilation)), ("bn_dw", AlignedXception.Norm(width, Epsilon, activation)),
                ("conv_pw", AlignedXception.Pointwise(width, widths[i])), ("bn_pw", AlignedXception.Norm(widths[i], Epsilon, activation)),
            ])));
            width = widths[i];
        }
        _stack = Child("stack", new Sequential(layers));
        if (hasShortcut && dropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(dropPathRate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _stack.Forward(x);
        return _hasShortcut ? (_dropPath?.Forward(y) ?? y) + (_shortcut?.Forward(x) ?? x) : y;
    }
}

/// <summary>Three separable convolutions, each after a normaliser and ReLU; the shortcut leaves after the first of these.</summary>
internal sealed class PreActivatedXceptionBlock : Module
{
    private readonly Conv2d? _shortcut;
    private readonly NormLayer _norm;
    private readonly Sequential _stack;
    private readonly DropPath? _dropPath;
    private readonly bool _hasShortcut;

    public PreActivatedXceptionBlock(int inWidth, IReadOnlyList<int> widths, int stride, int dilation, bool hasShortcut, float dropPathRate)
    {
        _hasShortcut = hasShortcut;
        if (hasShortcut && (inWidth != widths[^1] || stride != 1))
            _shortcut = Child("shortcut", AlignedXception.Pointwise(inWidth, widths[^1], stride));
        _norm = Child("norm", new BatchNorm2d(inWidth, activation: ActivationKind.Relu));
        var layers = new List<(string, Module)>();
        var width = inWidth;
        for (var i = 0; i < widths.Count; i++)
        {
            (string, Module)[] convs =
            [
                ("conv_dw", AlignedXception.Depthwise(width, i == widths.Count - 1 ? stride : 1, dilation)), ("conv_pw", AlignedXception.Pointwise(width, widths[i])),
            ];
            layers.Add(($"conv{i + 1}", new Sequential(i == 0 ? convs : [("norm", new BatchNorm2d(width, activation: ActivationKind.Relu)), .. convs])));
            width = widths[i];
        }
        _stack = Child("stack", new Sequential(layers));
        if (hasShortcut && dropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(dropPathRate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _norm.Forward(x);
        var y = _stack.Forward(x);
        return _hasShortcut ? (_dropPath?.Forward(y) ?? y) + (_shortcut?.Forward(x) ?? x) : y;
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Middle">Blocks that keep size and width.</param>
internal sealed record AlignedXceptionSpec(int Middle)
{
    public bool ActivatesFirst { get; init; }

    /// <summary>Of the stem's normalisers.</summary>
    public float Epsilon => ActivatesFirst ? 1e-5f : AlignedXceptionBlock.Epsilon;

    /// <summary>Five blocks instead of three before the middle.</summary>
    public bool HasLongEntry { get; init; }

    /// <summary>Widths of a block's convolutions, its stride, and whether it has a shortcut.</summary>
    public IEnumerable<(IReadOnlyList<int> Widths, int Stride, bool HasShortcut)> Blocks()
    {
        (int, int)[] entry = HasLongEntry ? [(128, 2), (256, 1), (256, 2), (728, 1), (728, 2)] : [(128, 2), (256, 2), (728, 2)];
        foreach (var (width, stride) in entry)
            yield return ([width, width, width], stride, true);
        for (var i = 0; i < Middle; i++)
            yield return ([728, 728, 728], 1, true);
        yield return ([728, 1024, 1024], 2, true);
        yield return ([1536, 1536, 2048], 1, false);
    }
}
