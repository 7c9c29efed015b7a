using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// The Xception of the paper (Chollet 2017): stacks of depthwise separable convolutions beside shortcuts. Names, state-dict keys
/// and defaults follow timm's legacy_xception.
/// </summary>
public sealed class Xception : PooledBackbone
{
    private readonly List<Module> _layers = [];

    internal Xception(ModelOptions options) : base(options, "conv1", "fc")
    {
        RefuseOutputStride(options, "Xception");
        AddConvolution(1, new Conv2d(InChans, 32, 3, 2, bias: false, initialiser: ResNetSpec.ConvInit), 32);
        AddConvolution(2, new Conv2d(32, 64, 3, bias: false, initialiser: ResNetSpec.ConvInit), 64);
        (int In, int Out)[] entry = [(64, 128), (128, 256), (256, 728)];
        for (var i = 1; i <= 12; i++)
        {
            var (inWidth, outWidth) = i <= 3 ? entry[i - 1] : (728, i == 12 ? 1024 : 728);
            var changes = i is <= 3 or 12;
            _layers.Add(Child($"block{i}", new XceptionBlock(inWidth, outWidth, changes ? 2 : 3, changes ? 2 : 1, activatesFirst: i > 1, growsFirst: i < 12)));
        }
        AddConvolution(3, Separable(1024, 1536), 1536);
        AddConvolution(4, Separable(1536, 2048), 2048);
        AddFeature(64, 2, "act2");
        AddFeature(128, 4, "block2.rep.0");
        AddFeature(256, 8, "block3.rep.0");
        AddFeature(728, 16, "block12.rep.0");
        AddFeature(2048, 32, "act4");
        AddHead(2048, options);
    }

    public static Family Family { get; } = new(
        "xception",
        "Chollet: Xception: Deep learning with depthwise separable convolutions, CVPR 2017, arXiv:1610.02357",
        [ModelInfo.Row(
            "legacy_xception", "xception", XceptionWeights.Tags()["legacy_xception"].Select(t => (t.Tag, t.Config with { HubId = "" })), "fc", "conv1",
            options => new Xception(options))],
        XceptionWeights.Aliases())
    {
        Idea = "Inception is taken to its limit: spatial and channel correlations are separated entirely, by depthwise and pointwise convolutions. Residual connections join blocks of such separable convolutions.",
    };

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        foreach (var layer in _layers)
            x = layer.Forward(x);
        return x;
    }

    internal static Sequential Separable(int inWidth, int outWidth) => new(
    [
        ("conv1", new Conv2d(inWidth, inWidth, 3, 1, 1, 1, inWidth, bias: false, initialiser: ResNetSpec.ConvInit)),
        ("pointwise", new Conv2d(inWidth, outWidth, 1, bias: false, initialiser: ResNetSpec.ConvInit)),
    ]);

    private void AddConvolution(int number, Module conv, int width)
    {
        _layers.Add(Child($"conv{number}", conv));
        _layers.Add(Child($"bn{number}", new BatchNorm2d(width)));
        _layers.Add(Child($"act{number}", new ActivationLayer(ActivationKind.Relu)));
    }

    /// <summary>Separable convolutions, each after a ReLU, and a pool where the size is halved; beside a shortcut.</summary>
    private sealed class XceptionBlock : Module
    {
        private readonly Conv2d? _skip;
        private readonly NormLayer? _skipNorm;
        private readonly Sequential _body;

        public XceptionBlock(int inWidth, int outWidth, int depth, int stride, bool activatesFirst, bool growsFirst)
        {
            if (outWidth != inWidth || stride != 1)
            {
                _skip = Child("skip", new Conv2d(inWidth, outWidth, 1, stride, bias: false, initialiser: ResNetSpec.ConvInit));
                _skipNorm = Child("skipbn", new BatchNorm2d(outWidth));
            }
            var layers = new List<Module>();
            var width = inWidth;
            for (var i = 0; i < depth; i++)
            {
                var next = growsFirst || i == depth - 1 ? outWidth : inWidth;
                if (i > 0 || activatesFirst)
                    layers.Add(new ActivationLayer(ActivationKind.Relu));
                layers.Add(Separable(width, next));
                layers.Add(new BatchNorm2d(next));
                width = next;
            }
            if (stride != 1)
                layers.Add(new MaxPool2d(3, stride, 1));
            _body = Child("rep", new Sequential(layers));
        }

        protected override Tensor OnForward(Tensor x) => _body.Forward(x) + (_skip is null ? x : _skipNorm!.Forward(_skip.Forward(x)));
    }
}
