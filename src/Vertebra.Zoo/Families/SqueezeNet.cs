using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// SqueezeNet 1.0 and 1.1 (Iandola et al. 2016): fire modules squeeze the channels by a 1x1 convolution and expand them by 1x1
/// and 3x3 ones side by side; there is no normalisation. Names and state-dict keys are torchvision's.
/// </summary>
public sealed class SqueezeNet : PooledBackbone
{
    private static readonly Initialiser s_init = Init.KaimingNormal(fanOut: false);
    private readonly Sequential _body;

    /// <param name="stem">Channels and kernel of the stem.</param>
    /// <param name="plan">The layers after it: <c>M</c> for a pool, a number for a fire module that squeezes to it and expands to four times as many on each side.</param>
    /// <param name="options">As <see cref="Backbone"/> takes them.</param>
    internal SqueezeNet((int Width, int Kernel) stem, string plan, ModelOptions options) : base(options, "features.0", "classifier.1")
    {
        RefuseOutputStride(options, "SqueezeNet");
        var layers = new List<Module> { Conv(InChans, stem.Width, stem.Kernel, stride: 2), new ActivationLayer(ActivationKind.Relu) };
        var (width, reduction) = (stem.Width, 2);
        foreach (var step in plan.Split(' '))
        {
            if (step == "M")
            {
                AddFeature(width, reduction, $"features.{layers.Count - 1}");
                layers.Add(new MaxPool2d(3, 2, ceilMode: true));
                reduction *= 2;
                continue;
            }
            var squeezed = int.Parse(step);
            layers.Add(new Fire(width, squeezed));
            width = 8 * squeezed;
        }
        AddFeature(width, reduction, $"features.{layers.Count - 1}");
        _body = Child("features", new Sequential(layers));
        AddHead("classifier", new ConvolutionFirstHead(width, NumClasses, options), width);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x) => _body.Forward(x);

    private static Conv2d Conv(int inWidth, int outWidth, int kernel, int stride = 1, int padding = 0) =>
        new(inWidth, outWidth, kernel, stride, padding, initialiser: s_init, biasInitialiser: Init.Zeros);

    private static Family MakeFamily()
    {
        ModelInfo Row(string name, (int, int) stem, string plan) =>
            TorchvisionRows.Row(name, "squeezenet", "classifier.1", "features.0", options => new SqueezeNet(stem, plan, options), pixels: 13);
        return new(
            "squeezenet",
            "Iandola et al.: SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size, 2016, arXiv:1602.07360",
            [
                Row("squeezenet1_0", (96, 7), "M 16 16 32 M 32 48 48 64 M 64"),
                Row("squeezenet1_1", (64, 3), "M 16 16 M 32 32 M 48 48 64 64"),
            ],
            TorchvisionRows.Aliases("squeezenet1_0", "squeezenet1_1"))
        {
            Idea = "Fire modules squeeze the channels by 1x1 convolutions before they are expanded by 1x1 and 3x3 ones side by side. Together with late downsampling and a convolutional classifier this reaches AlexNet's accuracy with a fiftieth of its weights.",
            FollowsTimm = false,
        };
    }

    private sealed class Fire : Module
    {
        private readonly Module _squeeze, _squeezeAct, _expand1, _expand1Act, _expand3, _expand3Act;

        public Fire(int inWidth, int squeezed)
        {
            _squeeze = Child("squeeze", Conv(inWidth, squeezed, 1));
            _squeezeAct = Child("squeeze_activation", new ActivationLayer(ActivationKind.Relu));
            _expand1 = Child("expand1x1", Conv(squeezed, 4 * squeezed, 1));
            _expand1Act = Child("expand1x1_activation", new ActivationLayer(ActivationKind.Relu));
            _expand3 = Child("expand3x3", Conv(squeezed, 4 * squeezed, 3, padding: 1));
            _expand3Act = Child("expand3x3_activation", new ActivationLayer(ActivationKind.Relu));
        }

        protected override Tensor OnForward(Tensor x)
        {
            x = _squeezeAct.Forward(_squeeze.Forward(x));
            return Tensor.Concat([_expand1Act.Forward(_expand1.Forward(x)), _expand3Act.Forward(_expand3.Forward(x))], -1);
        }
    }

    /// <summary>A classifying 1x1 convolution and ReLU at every pixel, pooled afterwards.</summary>
    private sealed class ConvolutionFirstHead : ClassificationHead
    {
        private readonly int _features;
        private readonly Dropout _drop;
        private readonly ActivationLayer _act;
        private GlobalPool2d _pool;
        private Module _classifier;

        public ConvolutionFirstHead(int features, int numClasses, ModelOptions options)
        {
            _features = features;
            _drop = Child("0", new Dropout(options.DropRate));
            _classifier = Child("1", Make(numClasses));
            _act = Child("2", new ActivationLayer(ActivationKind.Relu));
            _pool = Child("3", MakePool(options.GlobalPool ?? GlobalPool.Avg));
        }

        public override void Reset(int numClasses, GlobalPool? pool)
        {
            if (pool is { } changed)
                _pool = Replace("3", MakePool(changed));
            _classifier = Replace("1", Make(numClasses));
        }

        protected override Tensor OnForward(Tensor x) => _pool.Forward(_act.Forward(_classifier.Forward(_drop.Forward(x))));

        protected override Tensor PreLogits(Tensor x) => _pool.Forward(_drop.Forward(x));

        private Module Make(int numClasses) => numClasses == 0 ? new Identity()
            : new Conv2d(_features, numClasses, 1, initialiser: Init.Normal(0.01f), biasInitialiser: Init.Zeros);

        private static GlobalPool2d MakePool(GlobalPool pool) => pool == GlobalPool.CatAvgMax
            ? throw new VertebraException("global_pool 'catavgmax' is not to be had from SqueezeNet: it pools class scores; use avg, max, avgmax or none") : new(pool);
    }
}
