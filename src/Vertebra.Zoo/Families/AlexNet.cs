using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// AlexNet in its one-column form (Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks"). Names and
/// state-dict keys are torchvision's. The head reads a map of 6x6 pixels; maps of other sizes are pooled or spread to that.
/// </summary>
public sealed class AlexNet : PooledBackbone
{
    private const int Width = 256;
    private readonly Sequential _body;

    internal AlexNet(ModelOptions options) : base(options, "features.0", "classifier.6")
    {
        RefuseOutputStride(options, "AlexNet");
        _body = Child("features", new Sequential(
            new Conv2d(InChans, 64, 11, 4, 2), Relu(), new MaxPool2d(3, 2),
            new Conv2d(64, 192, 5, padding: 2), Relu(), new MaxPool2d(3, 2),
            new Conv2d(192, 384, 3, padding: 1), Relu(), new Conv2d(384, Width, 3, padding: 1), Relu(), new Conv2d(Width, Width, 3, padding: 1), Relu(), new MaxPool2d(3, 2)));
        AddFeature(64, 4, "features.1");
        AddFeature(192, 8, "features.4");
        AddFeature(Width, 16, "features.11");
        AddFeature(Width, 32, "features.12");
        CheckPool(options.GlobalPool);
        AddHead("classifier", new LinearHead(NumClasses, options.DropRate), Width);
    }

    public static Family Family { get; } = new(
        "alexnet",
        "Krizhevsky: One weird trick for parallelizing convolutional neural networks, 2014, arXiv:1404.5997",
        [TorchvisionRows.Row("alexnet", "alexnet", "classifier.6", "features.0", options => new AlexNet(options), pixels: 6)],
        TorchvisionRows.Aliases("alexnet"))
    {
        Idea = "Five convolutions with large first kernels and three wide linear layers, trained with dropout and ReLU, began the era of deep vision networks. This is the single-tower form of the later paper, which does without the split over two GPUs.",
        FollowsTimm = false,
    };

    protected override Tensor OnForwardFeatures(Tensor x) => _body.Forward(x);

    private static ActivationLayer Relu() => new(ActivationKind.Relu);

    private static void CheckPool(GlobalPool? pool)
    {
        if (pool is not (null or GlobalPool.Avg))
            throw new VertebraException($"global_pool '{pool.Value.NameOf()}' is not to be had from AlexNet: its head reads every pixel of a 6x6 map; leave it out");
    }

    /// <summary>Three linear layers over the pixels of the map.</summary>
    private sealed class LinearHead : ClassificationHead
    {
        private const int Side = 6;
        private const int HiddenWidth = 4096;
        private readonly Module[] _hidden;
        private Module _classifier;

        public LinearHead(int numClasses, float dropRate)
        {
            Module[] hidden = [new Dropout(dropRate), new Linear(Width * Side * Side, HiddenWidth), Relu(), new Dropout(dropRate), new Linear(HiddenWidth, HiddenWidth), Relu()];
            _hidden = [.. hidden.Select((module, i) => Child($"{i}", module))];
            _classifier = Child("6", Make(numClasses));
        }

        public override void Reset(int numClasses, GlobalPool? pool)
        {
            CheckPool(pool);
            _classifier = Replace("6", Make(numClasses));
        }

        protected override Tensor OnForward(Tensor x) => _classifier.Forward(PreLogits(x));

        protected override Tensor PreLogits(Tensor x)
        {
            if (x.Shape[1] != Side || x.Shape[2] != Side)
                x = x.AdaptiveAvgPool2d(Side);
            // The linear layer was made for maps that lie channel by channel.
            x = x.Permute([0, 3, 1, 2]).Flatten();
            foreach (var layer in _hidden)
                x = layer.Forward(x);
            return x;
        }

        private static Module Make(int numClasses) => numClasses == 0 ? new Identity() : new Linear(HiddenWidth, numClasses);
    }
}
