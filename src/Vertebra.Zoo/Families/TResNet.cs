using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// TResNet (Ridnik et al. 2021): a residual network whose image becomes channels by blocks of 4x4 pixels, with blurred strides,
/// squeeze-and-excitation and hardly leaking ReLUs. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class TResNet : PooledBackbone
{
    private readonly Sequential _body;

    internal TResNet(TResNetSpec spec, ModelOptions options) : base(options, "body.conv1.conv", "head.fc")
    {
        RefuseOutputStride(options, "TResNet");
        var stem = new ConvNormAct(InChans * 16, spec.Width, 3, activation: ActivationKind.LeakyRelu, initialiser: ResNetSpec.ConvInit);
        var layers = new List<(string, Module)> { ("s2d", new SpaceToDepth()), ("conv1", stem) };
        var (width, index, count) = (spec.Width, 0, spec.Depths.Sum());
        for (var stage = 0; stage < spec.Depths.Count; stage++)
        {
            var inner = spec.Width << stage;
            var isBottleneck = stage > 1 || spec.IsV2;
            var blocks = new List<Module>();
            for (var i = 0; i < spec.Depths[stage]; i++, index++)
            {
                var stride = stage > 0 && i == 0 ? 2 : 1;
                var rate = Widths.DropPathRate(options.DropPathRate, index, count);
                blocks.Add(new TResNetBlock(width, inner, isBottleneck, stride, excites: stage < 3, rate));
                width = isBottleneck ? 4 * inner : inner;
            }
            layers.Add(($"layer{stage + 1}", new Sequential(blocks)));
            AddFeature(width, 4 << stage, $"body.layer{stage + 1}");
        }
        _body = Child("body", new Sequential(layers));
        AddHead(width, options, initialiser: Init.Normal(0.01f));
    }

    public static Family Family { get; } = MakeFamily();

    protected override int FirstLevel => 1;

    protected override Tensor OnForwardFeatures(Tensor x) => _body.Forward(x);

    private static Family MakeFamily()
    {
        var usual = new PretrainedConfig { Mean = [0f, 0f, 0f], Std = [1f, 1f, 1f], Interpolation = "bilinear", License = "apache-2.0" };
        var (large, many) = (usual.At(448), usual with { NumClasses = 11221 });
        (string Name, TResNetSpec Spec, (string, PretrainedConfig)[] Tags)[] rows =
        [
            ("tresnet_m", new(64, [3, 4, 11, 3]), [("miil_in21k_ft_in1k", usual), ("miil_in21k", many), ("miil_in1k", usual), ("miil_in1k_448", large)]),
            ("tresnet_l", new(76, [4, 5, 18, 3]), [("miil_in1k", usual), ("miil_in1k_448", large)]),
            ("tresnet_xl", new(83, [4, 5, 24, 3]), [("miil_in1k", usual), ("miil_in1k_448", large)]),
            ("tresnet_v2_l", new(64, [3, 4, 23, 3]) { IsV2 = true }, [("miil_in21k_ft_in1k", usual), ("miil_in21k", many)]),
        ];
        return new(
            "tresnet",
            "Ridnik et al.: TResNet: High performance GPU-dedicated architecture, WACV 2021, arXiv:2003.13630",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "tresnet", r.Tags, "head.fc", "body.conv1.conv", options => new TResNet(r.Spec, options)))],
            new Dictionary<string, string>
            {
                ["tresnet_m_miil_in21k"] = "tresnet_m.miil_in21k",
                ["tresnet_m_448"] = "tresnet_m.miil_in1k_448",
                ["tresnet_l_448"] = "tresnet_l.miil_in1k_448",
                ["tresnet_xl_448"] = "tresnet_xl.miil_in1k_448",
            })
        {
            Idea = "A ResNet is rebuilt for throughput on GPUs: space-to-depth stem, antialiased strides, in-place activated batch norm, and squeeze-and-excitation where it pays. Basic blocks serve the early stages and bottlenecks the late ones.",
        };
    }

    /// <summary>Blocks of 4x4 pixels become channels: row, column, colour.</summary>
    private sealed class SpaceToDepth : Module
    {
        private const int Side = 4;

        protected override Tensor OnForward(Tensor x)
        {
            var (n, h, w, c) = (x.Shape[0], x.Shape[1] / Side, x.Shape[2] / Side, x.Shape[3]);
            if (x.Shape[1] % Side != 0 || x.Shape[2] % Side != 0)
                throw new VertebraException($"TResNet takes images whose sides are multiples of {Side}, not {x.Shape[1]}x{x.Shape[2]}");
            return x.Reshape([n, h, Side, w, Side, c]).Permute([0, 1, 3, 2, 4, 5]).Reshape([n, h, w, Side * Side * c]);
        }
    }
}

/// <summary>Two 3x3 convolutions, or a bottleneck of three, with squeeze-and-excitation, beside a shortcut.</summary>
internal sealed class TResNetBlock : Module
{
    private readonly Sequential? _shortcut;
    private readonly List<Module> _layers = [];
    private readonly DropPath? _dropPath;
    private readonly ActivationLayer _act;

    public TResNetBlock(int inWidth, int inner, bool isBottleneck, int stride, bool excites, float dropPathRate)
    {
        var outWidth = isBottleneck ? 4 * inner : inner;
        if (stride > 1 || inWidth != outWidth)
            _shortcut = Child("downsample", MakeShortcut(inWidth, outWidth, stride));
        if (isBottleneck)
        {
            Add("conv1", Conv(inWidth, inner, 1));
            Add("conv2", Conv(inner, inner, 3, stride));
            if (excites)
                Add("se", new SqueezeExcite(inner, Math.Max(outWidth / 8, 64), initialiser: ResNetSpec.ConvInit));
            Add("conv3", Conv(inner, outWidth, 1, activation: ActivationKind.Identity, startsAtZero: true));
        }
        else
        {
            Add("conv1", Conv(inWidth, inner, 3, stride));
            Add("conv2", Conv(inner, inner, 3, activation: ActivationKind.Identity, startsAtZero: true));
            if (excites)
                Add("se", new SqueezeExcite(inner, Math.Max(inner / 4, 64), initialiser: ResNetSpec.ConvInit));
        }
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _act = Child("act", new ActivationLayer(ActivationKind.Relu));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = x;
        foreach (var layer in _layers)
            y = layer.Forward(y);
        return _act.Forward((_dropPath?.Forward(y) ?? y) + (_shortcut?.Forward(x) ?? x));
    }

    private void Add(string name, Module layer) => _layers.Add(Child(name, layer));

    private static Sequential MakeShortcut(int inWidth, int outWidth, int stride)
    {
        var conv = Conv(inWidth, outWidth, 1, activation: ActivationKind.Identity);
        return stride > 1 ? new(new AvgPool2d(2, 2, ceilMode: true, countIncludePad: false), conv) : new(conv);
    }

    private static ConvNormAct Conv(
        int inWidth, int outWidth, int kernel, int stride = 1, ActivationKind activation = ActivationKind.LeakyReluThousandth, bool startsAtZero = false) =>
        new(inWidth, outWidth, kernel, stride, activation, antiAliasing: AntiAliasing.Blur, initialiser: ResNetSpec.ConvInit, normInitialiser: startsAtZero ? Init.Zeros : null);
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels of the stem.</param>
/// <param name="Depths">Blocks of the stages.</param>
internal sealed record TResNetSpec(int Width, IReadOnlyList<int> Depths)
{
    /// <summary>Bottlenecks in all stages.</summary>
    public bool IsV2 { get; init; }
}
