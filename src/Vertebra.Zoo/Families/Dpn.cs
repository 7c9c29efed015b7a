using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Dual path networks (Chen et al. 2017): the first channels of a map are added to as in a residual network, and new ones are
/// appended as in a densely connected one. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class Dpn : PooledBackbone
{
    private const float Epsilon = 1e-3f;
    private readonly Sequential _body;

    internal Dpn(DpnSpec spec, ModelOptions options) : base(options, "features.conv1_1.conv", "classifier")
    {
        RefuseOutputStride(options, "DPN");
        _body = Child("features", new Sequential(MakeLayers(spec)));
        AddHead(FeatureInfo[^1].Channels, options, isConvolution: true);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x) => _body.Forward(x);

    internal static BatchNorm2d Norm(int channels, ActivationKind activation) => new(channels, Epsilon, activation: activation);

    private IEnumerable<(string, Module)> MakeLayers(DpnSpec spec)
    {
        var width = spec.StemWidth;
        // timm gives its activation to the first and the last layer only: the blocks keep ReLU.
        yield return ("conv1_1", new ConvNormAct(InChans, width, spec.IsSmall ? 3 : 7, 2, norm: Norm(width, spec.EndsActivation)));
        AddFeature(width, 2, "features.conv1_1");
        yield return ("conv1_pool", new MaxPool2d(3, 2, 1));
        for (var stage = 0; stage < spec.Depths.Count; stage++)
        {
            var (residual, dense) = ((spec.IsSmall ? 64 : 256) << stage, spec.Dense[stage]);
            var inner = spec.InnerWidth << stage;
            for (var i = 1; i <= spec.Depths[stage]; i++)
            {
                yield return ($"conv{stage + 2}_{i}", new DualPathBlock(width, inner, residual, dense, spec, projects: i == 1, stride: i == 1 && stage > 0 ? 2 : 1));
                width = i == 1 ? residual + (3 * dense) : width + dense;
            }
            AddFeature(width, 4 << stage, $"features.conv{stage + 2}_{spec.Depths[stage]}");
        }
        yield return ("conv5_bn_ac", new Sequential([("bn", Norm(width, spec.EndsActivation))]));
    }

    private static Family MakeFamily()
    {
        DpnSpec small = new([3, 4, 12, 3], [16, 32, 32, 64], 128, 32, 10) { IsSmall = true };
        (string Name, DpnSpec Spec)[] rows =
        [
            ("dpn48b", small with { Depths = [3, 4, 6, 3], SplitsLast = true, EndsActivation = ActivationKind.Silu }),
            ("dpn68", small),
            ("dpn68b", small with { SplitsLast = true }),
            ("dpn92", new([3, 4, 20, 3], [16, 32, 24, 128], 96, 32, 64)),
            ("dpn98", new([3, 6, 20, 3], [16, 32, 32, 128], 160, 40, 96)),
            ("dpn131", new([4, 8, 28, 3], [16, 32, 32, 128], 160, 40, 128)),
            ("dpn107", new([4, 8, 20, 3], [20, 64, 64, 128], 200, 50, 128)),
        ];
        var tags = DpnWeights.Tags();
        return new(
            "dpn",
            "Chen, Li, Xiao, Jin, Yan, Feng: Dual path networks, NeurIPS 2017, arXiv:1707.01629",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "dpn", tags[r.Name], "classifier", "features.conv1_1.conv", options => new Dpn(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Each block feeds two paths: one adds to what was there, as in ResNet, and one appends new channels, as in DenseNet. Features are reused and new ones explored at the cost of a ResNeXt.",
        };
    }
}

/// <summary>1x1, grouped 3x3 and 1x1 convolution, activated before; of the result the first channels are added, the others appended.</summary>
internal sealed class DualPathBlock : Module
{
    private readonly int _residual;
    private readonly Module? _projection;
    private readonly Module _reduce;
    private readonly Module _conv;
    private readonly Module _expand;
    private readonly (Conv2d Residual, Conv2d Dense)? _split;

    public DualPathBlock(int inWidth, int inner, int residual, int dense, DpnSpec spec, bool projects, int stride)
    {
        _residual = residual;
        if (projects)
            _projection = Child(stride == 2 ? "c1x1_w_s2" : "c1x1_w_s1", Activated(inWidth, residual + (2 * dense), 1, stride));
        _reduce = Child("c1x1_a", Activated(inWidth, inner, 1));
        _conv = Child("c3x3_b", Activated(inner, inner, 3, stride, spec.Groups));
        if (spec.SplitsLast)
        {
            _expand = Child("c1x1_c", new Sequential([("bn", Dpn.Norm(inner, ActivationKind.Relu))]));
            _split = (Child("c1x1_c1", new Conv2d(inner, residual, 1, bias: false)), Child("c1x1_c2", new Conv2d(inner, dense, 1, bias: false)));
        }
        else
        {
            _expand = Child("c1x1_c", Activated(inner, residual + dense, 1));
        }
    }

    protected override Tensor OnForward(Tensor x)
    {
        var shortcut = _projection?.Forward(x) ?? x;
        x = _expand.Forward(_conv.Forward(_reduce.Forward(x)));
        var added = _split?.Residual.Forward(x) ?? x.Slice(-1, 0, _residual);
        var appended = _split?.Dense.Forward(x) ?? x.Slice(-1, _residual);
        return Tensor.Concat([shortcut.Slice(-1, 0, _residual) + added, shortcut.Slice(-1, _residual), appended], -1);
    }

    private static Sequential Activated(int inWidth, int outWidth, int kernel, int stride = 1, int groups = 1) => new(
    [
        ("bn", Dpn.Norm(inWidth, ActivationKind.Relu)), ("conv", new Conv2d(inWidth, outWidth, kernel, stride, kernel / 2, 1, groups, bias: false)),
    ]);
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Depths">Blocks of the stages.</param>
/// <param name="Dense">Channels that a block of each stage appends.</param>
/// <param name="InnerWidth">Width of the 3x3 convolutions in the first stage; it doubles from stage to stage.</param>
/// <param name="Groups">Groups of the 3x3 convolutions.</param>
/// <param name="StemWidth">Channels of the stem.</param>
internal sealed record DpnSpec(IReadOnlyList<int> Depths, IReadOnlyList<int> Dense, int InnerWidth, int Groups, int StemWidth)
{
    /// <summary>A quarter of the width, and a 3x3 stem.</summary>
    public bool IsSmall { get; init; }

    /// <summary>Two convolutions make the added and the appended channels ("b").</summary>
    public bool SplitsLast { get; init; }

    /// <summary>Activation of the first and the last layer.</summary>
    public ActivationKind EndsActivation { get; init; } = ActivationKind.Relu;
}
