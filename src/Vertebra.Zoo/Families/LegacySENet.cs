using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// The first squeeze-and-excitation networks (Hu et al. 2018) as they were converted from Caffe: other strides and names than
/// in <see cref="ResNet"/>. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class LegacySENet : PooledBackbone
{
    private readonly Sequential _stem;
    private readonly MaxPool2d _pool;
    private readonly Sequential[] _stages;

    internal LegacySENet(LegacySENetSpec spec, ModelOptions options) : base(options, "layer0.conv1", "last_linear")
    {
        RefuseOutputStride(options, "SENet");
        var width = spec.StemWidth;
        _stem = Child("layer0", new Sequential(MakeStem(spec)));
        AddFeature(width, 2, "layer0");
        _pool = Child("pool0", new MaxPool2d(3, 2, ceilMode: true));
        _stages = new Sequential[spec.Depths.Count];
        for (var stage = 0; stage < _stages.Length; stage++)
        {
            var blocks = new List<Module>();
            for (var i = 0; i < spec.Depths[stage]; i++)
            {
                blocks.Add(new LegacySEBlock(spec, width, 64 << stage, stage, i));
                width = spec.OutWidth(64 << stage);
            }
            _stages[stage] = Child($"layer{stage + 1}", new Sequential(blocks));
            AddFeature(width, 4 << stage, $"layer{stage + 1}");
        }
        AddHead(width, options);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        x = _pool.Forward(_stem.Forward(x));
        foreach (var stage in _stages)
            x = stage.Forward(x);
        return x;
    }

    private IEnumerable<(string, Module)> MakeStem(LegacySENetSpec spec)
    {
        var widths = spec.HasDeepStem ? [InChans, 64, 64, spec.StemWidth] : new[] { InChans, spec.StemWidth };
        for (var i = 1; i < widths.Length; i++)
        {
            yield return ($"conv{i}", ResNetSpec.Conv(widths[i - 1], widths[i], spec.HasDeepStem ? 3 : 7, i == 1 ? 2 : 1));
            yield return ($"bn{i}", new BatchNorm2d(widths[i]));
            yield return ($"relu{i}", new ActivationLayer(ActivationKind.Relu));
        }
    }

    private static Family MakeFamily()
    {
        LegacySENetSpec Next(IReadOnlyList<int> depths) => new(LegacySEKind.ResNeXt, depths) { Groups = 32 };
        (string Name, LegacySENetSpec Spec)[] rows =
        [
            ("legacy_seresnet18", new(LegacySEKind.Basic, [2, 2, 2, 2])),
            ("legacy_seresnet34", new(LegacySEKind.Basic, [3, 4, 6, 3])),
            ("legacy_seresnet50", new(LegacySEKind.Bottleneck, [3, 4, 6, 3])),
            ("legacy_seresnet101", new(LegacySEKind.Bottleneck, [3, 4, 23, 3])),
            ("legacy_seresnet152", new(LegacySEKind.Bottleneck, [3, 8, 36, 3])),
            ("legacy_senet154", new(LegacySEKind.SENet, [3, 8, 36, 3]) { Groups = 64, StemWidth = 128, HasDeepStem = true, ShortcutKernel = 3 }),
            ("legacy_seresnext26_32x4d", Next([2, 2, 2, 2])),
            ("legacy_seresnext50_32x4d", Next([3, 4, 6, 3])),
            ("legacy_seresnext101_32x4d", Next([3, 4, 23, 3])),
        ];
        var tags = LegacySENetWeights.Tags();
        // Their weights are files of timm's releases, not on the hub.
        IEnumerable<(string, PretrainedConfig)> NotOnHub((string Tag, PretrainedConfig Config)[] entries) => entries.Select(e => (e.Tag, e.Config with { HubId = "" }));
        return new(
            "legacy_senet",
            "Hu, Shen, Albanie, Sun, Wu: Squeeze-and-excitation networks, CVPR 2018, arXiv:1709.01507",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "legacy_senet", NotOnHub(tags[r.Name]), "last_linear", "layer0.conv1", options => new LegacySENet(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "A block's channels are squeezed to their means, and a small network decides by how much each is excited. These are the first published forms, with the original stem and names.",
        };
    }
}

/// <summary>A residual block with squeeze-and-excitation before the sum.</summary>
internal sealed class LegacySEBlock : Module
{
    private readonly List<(Conv2d Conv, NormLayer Norm)> _layers = [];
    private readonly bool _activatesLast;
    private readonly ActivationLayer _act;
    private readonly SqueezeExcite _attention;
    private readonly Module? _downsample;

    public LegacySEBlock(LegacySENetSpec spec, int inWidth, int planes, int stage, int index)
    {
        var (stride, outWidth) = (stage > 0 && index == 0 ? 2 : 1, spec.OutWidth(planes));
        switch (spec.Kind)
        {
            case LegacySEKind.Basic:
                _activatesLast = true;
                Add(inWidth, planes, 3, stride);
                Add(planes, planes, 3, 1, spec.Groups);
                break;
            case LegacySEKind.Bottleneck:
                // Caffe's networks stride in the first convolution.
                Add(inWidth, planes, 1, stride);
                Add(planes, planes, 3, 1, spec.Groups);
                Add(planes, outWidth, 1);
                break;
            case LegacySEKind.ResNeXt:
                var width = planes * 4 / 64 * spec.Groups;
                Add(inWidth, width, 1);
                Add(width, width, 3, stride, spec.Groups);
                Add(width, outWidth, 1);
                break;
            default:
                Add(inWidth, 2 * planes, 1);
                Add(2 * planes, 4 * planes, 3, stride, spec.Groups);
                Add(4 * planes, outWidth, 1);
                break;
        }
        _act = Child("relu", new ActivationLayer(ActivationKind.Relu));
        _attention = Child("se_module", new SqueezeExcite(outWidth, outWidth / 16));
        if (index == 0 && (stride != 1 || inWidth != outWidth))
        {
            var kernel = stage == 0 ? 1 : spec.ShortcutKernel;
            _downsample = Child("downsample", new Sequential(ResNetSpec.Conv(inWidth, outWidth, kernel, stride), new BatchNorm2d(outWidth)));
        }
    }

    protected override Tensor OnForward(Tensor x)
    {
        var shortcut = _downsample?.Forward(x) ?? x;
        for (var i = 0; i < _layers.Count; i++)
            x = _layers[i].Norm.Forward(_layers[i].Conv.Forward(x), i < _layers.Count - 1 || _activatesLast ? _act : null);
        return _act.Forward(_attention.Forward(x) + shortcut);
    }

    private void Add(int inWidth, int outWidth, int kernel, int stride = 1, int groups = 1)
    {
        var number = _layers.Count + 1;
        var conv = Child($"conv{number}", ResNetSpec.Conv(inWidth, outWidth, kernel, stride, 1, groups));
        _layers.Add((conv, Child($"bn{number}", new BatchNorm2d(outWidth))));
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Kind">Block.</param>
/// <param name="Depths">Blocks of the stages.</param>
internal sealed record LegacySENetSpec(LegacySEKind Kind, IReadOnlyList<int> Depths)
{
    /// <summary>Groups of the 3x3 convolutions.</summary>
    public int Groups { get; init; } = 1;

    public int StemWidth { get; init; } = 64;

    /// <summary>Three 3x3 convolutions instead of one 7x7.</summary>
    public bool HasDeepStem { get; init; }

    /// <summary>Of the striding shortcuts.</summary>
    public int ShortcutKernel { get; init; } = 1;

    public int OutWidth(int planes) => Kind == LegacySEKind.Basic ? planes : 4 * planes;
}

internal enum LegacySEKind
{
    Basic,
    Bottleneck,

    /// <summary>Narrow and grouped, 4 channels a group in the first stage.</summary>
    ResNeXt,

    /// <summary>The wide block of SENet-154.</summary>
    SENet,
}
