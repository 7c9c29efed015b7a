using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// MNASNet B1 (Tan et al. 2019) under torchvision's names and with its batch norms, which hardly move in training; timm's form is
/// <c>mnasnet_100</c> and its kin.
/// </summary>
public sealed class TorchvisionMnasNet : PooledBackbone
{
    private const float Momentum = 0.0003f;
    private const int HeadWidth = 1280;
    private static readonly Initialiser s_init = Init.KaimingNormal(fanOut: true);
    private readonly Sequential _body;

    internal TorchvisionMnasNet(double widthFactor, ModelOptions options) : base(options, "layers.0", "classifier.1")
    {
        RefuseOutputStride(options, "MNASNet");
        var widths = new[] { 32, 16, 24, 40, 80, 96, 192, 320 }.Select(w => Widths.Divisible(w * widthFactor, 8)).ToArray();
        (int Kernel, int Stride, int Expansion, int Depth)[] stages = [(3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1)];
        List<Module> layers =
        [
            .. ConvNorm(InChans, widths[0], 3, 2, activates: true), .. ConvNorm(widths[0], widths[0], 3, 1, activates: true, groups: widths[0]),
            .. ConvNorm(widths[0], widths[1], 1),
        ];
        AddFeature(widths[1], 2, $"layers.{layers.Count - 1}");
        var reduction = 2;
        for (var stage = 0; stage < stages.Length; stage++)
        {
            var (kernel, stride, expansion, depth) = stages[stage];
            var (inWidth, outWidth) = (widths[stage + 1], widths[stage + 2]);
            layers.Add(new Sequential(Enumerable.Range(0, depth).Select(i => new InvertedResidual(i == 0 ? inWidth : outWidth, outWidth, kernel, i == 0 ? stride : 1, expansion))));
            reduction *= stride;
            if (stage + 1 == stages.Length || stages[stage + 1].Stride > 1)
                AddFeature(outWidth, reduction, $"layers.{layers.Count - 1}");
        }
        layers.AddRange(ConvNorm(widths[^1], HeadWidth, 1, activates: true));
        _body = Child("layers", new Sequential(layers));
        AddHead("classifier", new NumberedHead(NumClasses, options), HeadWidth);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x) => _body.Forward(x);

    private static IEnumerable<Module> ConvNorm(int inWidth, int outWidth, int kernel, int stride = 1, bool activates = false, int groups = 1)
    {
        yield return new Conv2d(inWidth, outWidth, kernel, stride, WindowPadding.Centred(kernel, stride, 1), groups: groups, bias: false, initialiser: s_init);
        yield return new BatchNorm2d(outWidth, momentum: Momentum);
        if (activates)
            yield return new ActivationLayer(ActivationKind.Relu);
    }

    private static Family MakeFamily()
    {
        (string Name, int Resize, double Width)[] rows = [("mnasnet0_5", 256, 0.5), ("mnasnet0_75", 232, 0.75), ("mnasnet1_0", 256, 1), ("mnasnet1_3", 232, 1.3)];
        return new(
            "torchvision_mnasnet",
            "Tan et al.: MnasNet: Platform-aware neural architecture search for mobile, CVPR 2019, arXiv:1807.11626",
            [.. rows.Select(r => TorchvisionRows.Row(r.Name, "torchvision_mnasnet", "classifier.1", "layers.0", options => new TorchvisionMnasNet(r.Width, options), r.Resize))],
            TorchvisionRows.Aliases(rows.Select(r => r.Name)))
        {
            Idea = "A search rewards accuracy and the time measured on a phone, and chooses kernel, expansion and depth for each stage on its own. These are torchvision's networks of the result, inverted residuals without squeeze-and-excitation.",
            FollowsTimm = false,
        };
    }

    private sealed class InvertedResidual : Module
    {
        private readonly Sequential _layers;
        private readonly bool _isResidual;

        public InvertedResidual(int inWidth, int outWidth, int kernel, int stride, int expansion)
        {
            var width = inWidth * expansion;
            _isResidual = inWidth == outWidth && stride == 1;
            _layers = Child("layers", new Sequential(
            [
                .. ConvNorm(inWidth, width, 1, activates: true), .. ConvNorm(width, width, kernel, stride, activates: true, groups: width), .. ConvNorm(width, outWidth, 1),
            ]));
        }

        protected override Tensor OnForward(Tensor x) => _isResidual ? _layers.Forward(x) + x : _layers.Forward(x);
    }

    /// <summary>Pooling, dropout and a linear classifier <c>1</c>.</summary>
    private sealed class NumberedHead : ClassificationHead
    {
        private readonly Dropout _drop;
        private GlobalPool2d _pool;
        private Module _classifier;

        public NumberedHead(int numClasses, ModelOptions options)
        {
            _pool = Child("global_pool", new GlobalPool2d(options.GlobalPool ?? GlobalPool.Avg));
            _drop = Child("0", new Dropout(options.DropRate));
            _classifier = Child("1", Make(numClasses));
        }

        public override void Reset(int numClasses, GlobalPool? pool)
        {
            if (pool is { } changed)
                _pool = Replace("global_pool", new GlobalPool2d(changed));
            _classifier = Replace("1", Make(numClasses));
        }

        protected override Tensor OnForward(Tensor x) => _classifier.Forward(PreLogits(x));

        protected override Tensor PreLogits(Tensor x) => _drop.Forward(_pool.Forward(x));

        private Module Make(int numClasses) => numClasses == 0 ? new Identity() : new Linear(HeadWidth * _pool.Pool.Width(), numClasses, biasInitialiser: Init.Zeros);
    }
}
