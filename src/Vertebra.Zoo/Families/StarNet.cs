using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// StarNet (Ma et al. 2024, "Rewrite the stars"): the product of two linear branches takes the place of a wide hidden layer.
/// Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class StarNet : PooledBackbone
{
    private const int StemWidth = 32;
    private static readonly Initialiser s_init = Init.TruncatedNormal(0.02f);
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly NormLayer _norm;

    internal StarNet(int width, IReadOnlyList<int> depths, int ratio, ModelOptions options) : base(options, "stem.0.conv", "head")
    {
        RefuseOutputStride(options, "StarNet");
        _stem = Child("stem", new Sequential(Conv(InChans, StemWidth, 3, 2), new ActivationLayer(ActivationKind.Relu6)));
        var (inWidth, index, count, stages) = (StemWidth, 0, depths.Sum(), new List<Module>());
        for (var stage = 0; stage < depths.Count; stage++)
        {
            var outWidth = width << stage;
            var layers = new List<Module> { Conv(inWidth, outWidth, 3, 2) };
            for (var i = 0; i < depths[stage]; i++, index++)
                layers.Add(new StarBlock(outWidth, ratio, Widths.DropPathRate(options.DropPathRate, index, count)));
            stages.Add(new Sequential(layers));
            AddFeature(outWidth, 4 << stage, $"stages.{stage}");
            inWidth = outWidth;
        }
        _stages = Child("stages", new Sequential(stages));
        _norm = Child("norm", new BatchNorm2d(inWidth));
        AddHead(inWidth, options, initialiser: s_init);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x) => _norm.Forward(_stages.Forward(_stem.Forward(x)));

    /// <summary>Convolution with bias, and a normaliser unless left out.</summary>
    internal static Sequential Conv(int inWidth, int outWidth, int kernel, int stride = 1, int groups = 1, bool normalises = true)
    {
        (string, Module) conv = ("conv", new Conv2d(inWidth, outWidth, kernel, stride, kernel / 2, 1, groups, initialiser: s_init));
        return new(normalises ? [conv, ("bn", new BatchNorm2d(outWidth))] : [conv]);
    }

    private static Family MakeFamily()
    {
        (string Name, int Width, int[] Depths, int Ratio)[] rows =
        [
            ("starnet_s1", 24, [2, 2, 8, 3], 4),
            ("starnet_s2", 32, [1, 2, 6, 2], 4),
            ("starnet_s3", 32, [2, 2, 8, 4], 4),
            ("starnet_s4", 32, [3, 3, 12, 5], 4),
            ("starnet_s050", 16, [1, 1, 3, 1], 3),
            ("starnet_s100", 20, [1, 2, 4, 1], 4),
            ("starnet_s150", 24, [1, 2, 4, 2], 3),
        ];
        var tags = StarNetWeights.Tags();
        return new(
            "starnet",
            "Ma, Dai, Bai, Wang, Fu: Rewrite the stars, CVPR 2024, arXiv:2403.19967",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "starnet", tags[r.Name], "head", "stem.0.conv", options => new StarNet(r.Width, r.Depths, r.Ratio, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Two linear maps of the same features are multiplied element by element, which reaches a high-dimensional space of products implicitly. A plain four-stage network of such blocks with depthwise convolutions suffices.",
        };
    }

    /// <summary>Depthwise 7x7, two 1x1 whose results are multiplied, 1x1 back, depthwise 7x7; beside a shortcut.</summary>
    private sealed class StarBlock : Module
    {
        private readonly Sequential _depthwise;
        private readonly Sequential _left;
        private readonly Sequential _right;
        private readonly Sequential _back;
        private readonly Sequential _last;
        private readonly ActivationLayer _act;
        private readonly DropPath? _dropPath;

        public StarBlock(int width, int ratio, float dropPathRate)
        {
            _depthwise = Child("dwconv", Conv(width, width, 7, groups: width));
            _left = Child("f1", Conv(width, ratio * width, 1, normalises: false));
            _right = Child("f2", Conv(width, ratio * width, 1, normalises: false));
            _back = Child("g", Conv(ratio * width, width, 1));
            _last = Child("dwconv2", Conv(width, width, 7, groups: width, normalises: false));
            _act = Child("act", new ActivationLayer(ActivationKind.Relu6));
            if (dropPathRate > 0)
                _dropPath = Child("drop_path", new DropPath(dropPathRate));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var y = _depthwise.Forward(x);
            y = _last.Forward(_back.Forward(_act.Forward(_left.Forward(y)) * _right.Forward(y)));
            return x + (_dropPath?.Forward(y) ?? y);
        }
    }
}
