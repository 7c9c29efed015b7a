using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// VGG (Simonyan and Zisserman 2015, "Very deep convolutional networks for large-scale image recognition"), with and without
/// batch normalisation. The first two linear layers of its head are convolutions here, as in timm, whose names and keys it has.
/// </summary>
public sealed class Vgg : PooledBackbone
{
    private const int HeadWidth = 4096;
    private readonly Sequential _body;
    private readonly ConvolutionalMlp _preLogits;

    internal Vgg(string plan, bool normalises, ModelOptions options) : base(options, "features.0", "head.fc")
    {
        RefuseOutputStride(options, "VGG");
        _body = Child("features", new Sequential(MakeLayers(plan, normalises)));
        var channels = FeatureInfo[^1].Channels;
        _preLogits = Child("pre_logits", new ConvolutionalMlp(channels, HeadWidth, options.DropRate));
        AddHead(HeadWidth, options, initialiser: Init.Normal(0.01f), numFeatures: channels);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x) => _body.Forward(x);

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => base.OnForwardHead(_preLogits.Forward(features), preLogits);

    private List<Module> MakeLayers(string plan, bool normalises)
    {
        var layers = new List<Module>();
        var (width, reduction) = (InChans, 1);
        foreach (var group in plan.Split('|'))
        {
            foreach (var next in group.Split(' ').Select(int.Parse))
            {
                layers.Add(new Conv2d(width, next, 3, padding: 1, initialiser: ResNetSpec.ConvInit, biasInitialiser: Init.Zeros));
                if (normalises)
                    layers.Add(new BatchNorm2d(next));
                layers.Add(new ActivationLayer(ActivationKind.Relu));
                width = next;
            }
            AddFeature(width, reduction, $"features.{layers.Count - 1}");
            layers.Add(new MaxPool2d(2));
            reduction *= 2;
        }
        AddFeature(width, reduction, $"features.{layers.Count - 1}");
        return layers;
    }

    private static Family MakeFamily()
    {
        // Widths of the convolutions; a bar is a pool.
        (string Name, string Plan)[] plans =
        [
            ("vgg11", "64|128|256 256|512 512|512 512"),
            ("vgg13", "64 64|128 128|256 256|512 512|512 512"),
            ("vgg16", "64 64|128 128|256 256 256|512 512 512|512 512 512"),
            ("vgg19", "64 64|128 128|256 256 256 256|512 512 512 512|512 512 512 512"),
        ];
        var tags = VggWeights.Tags();
        ModelInfo Row(string name, string plan, bool normalises) =>
            ModelInfo.Row(name, "vgg", tags[name], "head.fc", "features.0", options => new Vgg(plan, normalises, options));
        return new(
            "vgg",
            "Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition, ICLR 2015, arXiv:1409.1556",
            [.. plans.SelectMany(p => new[] { Row(p.Name, p.Plan, normalises: false), Row($"{p.Name}_bn", p.Plan, normalises: true) })],
            new Dictionary<string, string>())
        {
            Idea = "Nothing but 3x3 convolutions and pooling, stacked deep: two or three of them see what one large filter would, with fewer weights. Two wide fully connected layers follow, here as convolutions.",
        };
    }

    /// <summary>Two linear layers as convolutions, the first over 7x7 pixels; smaller maps are spread to that size.</summary>
    private sealed class ConvolutionalMlp : Module
    {
        private const int Side = 7;
        private readonly Conv2d _first;
        private readonly ActivationLayer _act1;
        private readonly Dropout _drop;
        private readonly Conv2d _second;
        private readonly ActivationLayer _act2;

        public ConvolutionalMlp(int inChannels, int outChannels, float dropRate)
        {
            _first = Child("fc1", new Conv2d(inChannels, outChannels, Side, initialiser: ResNetSpec.ConvInit, biasInitialiser: Init.Zeros));
            _act1 = Child("act1", new ActivationLayer(ActivationKind.Relu));
            _drop = Child("drop", new Dropout(dropRate));
            _second = Child("fc2", new Conv2d(outChannels, outChannels, 1, initialiser: ResNetSpec.ConvInit, biasInitialiser: Init.Zeros));
            _act2 = Child("act2", new ActivationLayer(ActivationKind.Relu));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var (height, width) = (x.Shape[1], x.Shape[2]);
            if (height < Side || width < Side)
                x = x.AdaptiveAvgPool2d((Math.Max(Side, height), Math.Max(Side, width)));
            x = _drop.Forward(_act1.Forward(_first.Forward(x)));
            return _act2.Forward(_second.Forward(x));
        }
    }
}
