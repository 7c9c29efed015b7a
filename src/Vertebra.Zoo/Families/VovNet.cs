using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// VoVNet (Lee et al. 2019) and its successor with effective squeeze-and-excitation (Lee and Park 2020): the maps of a chain of
/// convolutions are merged once, at its end. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class VovNet : PooledBackbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;

    internal VovNet(VovNetSpec spec, ModelOptions options) : base(options, "stem.0.conv", "head.fc")
    {
        RefuseOutputStride(options, "VoVNet");
        var width = spec.StemWidth;
        _stem = Child("stem", new Sequential(spec.Conv(InChans, 64, 3, 2), spec.Light(64, 64), spec.Light(64, width, 2)));
        AddFeature(64, 2, "stem.1");
        var (index, count, stages) = (0, spec.Depths.Sum(), new List<Module>());
        for (var stage = 0; stage < spec.Depths.Count; stage++)
        {
            var blocks = new List<Module>();
            for (var i = 0; i < spec.Depths[stage]; i++, index++)
            {
                var rate = Widths.DropPathRate(options.DropPathRate, index, count);
                blocks.Add(new OneShotBlock(spec, width, spec.InnerWidths[stage], spec.Widths[stage], i > 0, i == spec.Depths[stage] - 1, rate));
                width = spec.Widths[stage];
            }
            var body = ("blocks", (Module)new Sequential(blocks));
            stages.Add(new Sequential(stage == 0 ? [body] : [("pool", new MaxPool2d(3, 2, ceilMode: true)), body]));
            AddFeature(width, 4 << stage, $"stages.{stage}");
        }
        _stages = Child("stages", new Sequential(stages));
        AddHead(width, options);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    private static Family MakeFamily()
    {
        VovNetSpec v39a = new([1, 1, 2, 2]);
        var b19 = v39a with { Depths = [1, 1, 1, 1], Layers = 3, IsResidual = true, Attention = VovNetAttention.Effective };
        var slim = b19 with { InnerWidths = [64, 80, 96, 112], Widths = [112, 256, 384, 512] };
        var b39 = v39a with { IsResidual = true, Attention = VovNetAttention.Effective };
        (string Name, VovNetSpec Spec)[] rows =
        [
            ("vovnet39a", v39a),
            ("vovnet57a", v39a with { Depths = [1, 1, 4, 3] }),
            ("ese_vovnet19b_slim_dw", slim with { IsDepthwise = true, StemWidth = 64 }),
            ("ese_vovnet19b_dw", b19 with { IsDepthwise = true, StemWidth = 64 }),
            ("ese_vovnet19b_slim", slim),
            ("ese_vovnet39b", b39),
            ("ese_vovnet57b", b39 with { Depths = [1, 1, 4, 3] }),
            ("ese_vovnet99b", b39 with { Depths = [1, 3, 9, 3] }),
            ("eca_vovnet39b", b39 with { Attention = VovNetAttention.EfficientChannel }),
            ("ese_vovnet39b_evos", b39 with { UsesEvoNorm = true }),
        ];
        var tags = VovNetWeights.Tags();
        return new(
            "vovnet",
            "Lee, Hwang, Lee, Bae, Park: An energy and GPU-computation efficient backbone network, CVPR workshops 2019, arXiv:1904.09730; Lee, Park: CenterMask, CVPR 2020, arXiv:1911.06667",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "vovnet", tags[r.Name], "head.fc", "stem.0.conv", options => new VovNet(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Layers of a block are concatenated once at its end, not at each step as in DenseNet, which spares memory traffic and energy. Later variants add a residual connection and squeeze each block by effective channel attention.",
        };
    }
}

/// <summary>One-shot aggregation: a chain of convolutions whose maps, with the input, are merged by a 1x1 convolution.</summary>
internal sealed class OneShotBlock : Module
{
    private readonly Module? _reduction;
    private readonly ModuleList<Module> _chain;
    private readonly Module _merge;
    private readonly Module? _attention;
    private readonly DropPath? _dropPath;
    private readonly bool _isResidual;

    public OneShotBlock(VovNetSpec spec, int inWidth, int inner, int outWidth, bool follows, bool isLast, float dropPathRate)
    {
        _isResidual = spec.IsResidual && follows;
        var width = inWidth;
        if (spec.IsDepthwise && inWidth != inner)
        {
            _reduction = Child("conv_reduction", spec.Conv(inWidth, inner, 1));
            width = inner;
        }
        var chain = new List<Module>();
        for (var i = 0; i < spec.Layers; i++)
        {
            chain.Add(spec.Light(width, inner));
            width = inner;
        }
        _chain = Child("conv_mid", new ModuleList<Module>(chain));
        _merge = Child("conv_concat", spec.Conv(inWidth + (spec.Layers * inner), outWidth, 1));
        _attention = isLast ? spec.MakeAttention(outWidth) : null;
        if (_attention is not null)
            Child("attn", _attention);
        if (dropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(dropPathRate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var maps = new List<Tensor> { x };
        var next = _reduction?.Forward(x) ?? x;
        foreach (var layer in _chain.Modules)
            maps.Add(next = layer.Forward(next));
        var merged = _merge.Forward(Tensor.Concat([.. maps], -1));
        merged = _attention?.Forward(merged) ?? merged;
        merged = _dropPath?.Forward(merged) ?? merged;
        return _isResidual ? merged + x : merged;
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Depths">Blocks of the stages.</param>
internal sealed record VovNetSpec(IReadOnlyList<int> Depths)
{
    public int StemWidth { get; init; } = 128;

    /// <summary>Widths of the chains.</summary>
    public IReadOnlyList<int> InnerWidths { get; init; } = [128, 160, 192, 224];

    /// <summary>Widths of the stages.</summary>
    public IReadOnlyList<int> Widths { get; init; } = [256, 512, 768, 1024];

    /// <summary>Convolutions of a chain.</summary>
    public int Layers { get; init; } = 5;

    /// <summary>All blocks of a stage but the first have a shortcut.</summary>
    public bool IsResidual { get; init; }

    /// <summary>Separable convolutions in the chains.</summary>
    public bool IsDepthwise { get; init; }

    /// <summary>Of the last block of a stage.</summary>
    public VovNetAttention Attention { get; init; }

    /// <summary>EvoNorm S0 instead of batch normalisation and ReLU.</summary>
    public bool UsesEvoNorm { get; init; }

    public ConvNormAct Conv(int inWidth, int outWidth, int kernel, int stride = 1) =>
        new(inWidth, outWidth, kernel, stride, norm: MakeNorm(outWidth), initialiser: ResNetSpec.ConvInit);

    /// <summary>A 3x3 convolution, separable where the variant is.</summary>
    public Module Light(int inWidth, int outWidth, int stride = 1) => IsDepthwise
        ? new SeparableConvNormAct(inWidth, outWidth, 3, stride, MakeNorm(outWidth), ResNetSpec.ConvInit)
        : Conv(inWidth, outWidth, 3, stride);

    public Module? MakeAttention(int width) => Attention switch
    {
        VovNetAttention.Effective => new EffectiveSqueezeExcite(width),
        VovNetAttention.EfficientChannel => new EfficientChannelAttention(width),
        _ => null,
    };

    private NormLayer MakeNorm(int width) => UsesEvoNorm ? new EvoNormS0(width) : new BatchNorm2d(width, activation: ActivationKind.Relu);
}

internal enum VovNetAttention
{
    None,

    /// <summary>Squeeze-and-excitation with one layer.</summary>
    Effective,
    EfficientChannel,
}
