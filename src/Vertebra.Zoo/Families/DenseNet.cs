using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// DenseNet (Huang et al. 2017, "Densely connected convolutional networks"): every layer sees the maps of all layers of its
/// block before it. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class DenseNet : PooledBackbone
{
    private static readonly Initialiser s_init = Init.KaimingNormal(fanOut: false);
    private readonly Sequential _body;

    internal DenseNet(DenseNetSpec spec, ModelOptions options) : base(options, "features.conv0", "classifier")
    {
        RefuseOutputStride(options, "DenseNet");
        _body = Child("features", new Sequential(MakeLayers(spec)));
        AddHead(FeatureInfo[^1].Channels, options);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x) => _body.Forward(x);

    internal static Conv2d Conv(int inChannels, int outChannels, int kernel, int stride = 1) =>
        new(inChannels, outChannels, kernel, stride, WindowPadding.Centred(kernel, stride, 1), bias: false, initialiser: s_init);

    internal static BatchNorm2d Norm(int channels) => new(channels, activation: ActivationKind.Relu);

    private IEnumerable<(string, Module)> MakeLayers(DenseNetSpec spec)
    {
        var width = 2 * spec.Growth;
        var stem = spec.HasDeepStem ? [(InChans, spec.Growth), (spec.Growth, spec.Growth), (spec.Growth, width)] : new[] { (InChans, width) };
        for (var i = 0; i < stem.Length; i++)
        {
            var (inWidth, outWidth) = stem[i];
            yield return ($"conv{i}", Conv(inWidth, outWidth, spec.HasDeepStem ? 3 : 7, i == 0 ? 2 : 1));
            yield return ($"norm{i}", Norm(outWidth));
        }
        AddFeature(width, 2, $"features.norm{stem.Length - 1}");
        yield return ("pool0", spec.BlursStem ? new Sequential(new MaxPool2d(3, 1, 1), new BlurPool2d(width, 2)) : new MaxPool2d(3, 2, 1));
        var reduction = 4;
        for (var stage = 1; stage <= spec.Depths.Count; stage++)
        {
            var depth = spec.Depths[stage - 1];
            yield return ($"denseblock{stage}", new DenseBlock(width, depth, spec.Growth));
            width += depth * spec.Growth;
            if (stage == spec.Depths.Count)
                break;
            AddFeature(width, reduction, $"features.denseblock{stage}");
            yield return ($"transition{stage}", new Sequential([("norm", Norm(width)), ("conv", Conv(width, width / 2, 1)), ("pool", new AvgPool2d(2))]));
            (width, reduction) = (width / 2, reduction * 2);
        }
        yield return ("norm5", Norm(width));
        AddFeature(width, reduction, "features.norm5");
    }

    private static Family MakeFamily()
    {
        (string Name, DenseNetSpec Spec)[] rows =
        [
            ("densenet121", new(32, [6, 12, 24, 16])),
            ("densenetblur121d", new(32, [6, 12, 24, 16]) { HasDeepStem = true, BlursStem = true }),
            ("densenet169", new(32, [6, 12, 32, 32])),
            ("densenet201", new(32, [6, 12, 48, 32])),
            ("densenet161", new(48, [6, 12, 36, 24])),
            ("densenet264d", new(48, [6, 12, 64, 48]) { HasDeepStem = true }),
        ];
        var tags = DenseNetWeights.Tags();
        return new(
            "densenet",
            "Huang, Liu, van der Maaten, Weinberger: Densely connected convolutional networks, CVPR 2017, arXiv:1608.06993",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "densenet", tags[r.Name], "classifier", "features.conv0", options => new DenseNet(r.Spec, options)))],
            DenseNetWeights.Aliases())
        {
            Idea = "Each layer takes the maps of all layers before it in its block and appends a few channels of its own. Features are reused instead of learned again, which spares weights.",
        };
    }

    /// <summary>Layers that each add a few channels to all that came before.</summary>
    private sealed class DenseBlock : Module
    {
        private readonly List<Module> _layers = [];

        public DenseBlock(int width, int depth, int growth)
        {
            for (var i = 0; i < depth; i++)
            {
                var inWidth = width + (i * growth);
                _layers.Add(Child($"denselayer{i + 1}", new Sequential(
                [
                    ("norm1", Norm(inWidth)), ("conv1", Conv(inWidth, 4 * growth, 1)), ("norm2", Norm(4 * growth)), ("conv2", Conv(4 * growth, growth, 3)),
                ])));
            }
        }

        protected override Tensor OnForward(Tensor x)
        {
            foreach (var layer in _layers)
                x = Tensor.Concat([x, layer.Forward(x)], -1);
            return x;
        }
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Growth">Channels that a layer adds.</param>
/// <param name="Depths">Layers of the blocks.</param>
internal sealed record DenseNetSpec(int Growth, IReadOnlyList<int> Depths)
{
    /// <summary>Three 3x3 convolutions instead of one 7x7.</summary>
    public bool HasDeepStem { get; init; }

    /// <summary>The stem's pool blurs before it subsamples.</summary>
    public bool BlursStem { get; init; }
}
