using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// HarDNet (Chao et al. 2019): dense blocks whose layer l sees the layers l - 1, l - 2, l - 4 ... as far as powers of two divide l,
/// which keeps memory traffic low; layers that many others see are wider. State-dict keys as in the authors' code
/// (github.com/PingoLH/Pytorch-HarDNet).
/// </summary>
public sealed class HarDNet : Backbone
{
    private readonly ModuleList<Module> _base;
    private readonly HarDNetHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal HarDNet(HarDNetSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException($"output_stride {options.OutputStride} is not to be had from HarDNet: the strides of its stages are fixed; leave it out or use 32");
        var (first, second) = spec.Stem;
        var modules = new List<Module> { new HarDNetConv(InChans, first, 3, 2), new HarDNetConv(first, second, spec.IsDepthwise ? 1 : 3) };
        var (channels, reduction) = (second, 2);
        _features.Add(new(0, channels, reduction, "base.1"));
        modules.Add(spec.IsDepthwise ? HarDNetConv.Depthwise(channels, 2) : new MaxPool2d(3, 2, 1));
        reduction *= 2;
        for (var i = 0; i < spec.Blocks.Count; i++)
        {
            var (layers, growth, width, shrinks) = spec.Blocks[i];
            var isLast = i == spec.Blocks.Count - 1;
            var block = new HarDBlock(channels, growth, spec.Multiplier, layers, spec.IsDepthwise);
            modules.Add(block);
            if (isLast && spec.DropsBeforeLast)
                modules.Add(new Dropout(options.DropRate / 2));
            modules.Add(new HarDNetConv(block.OutChannels, channels = width, 1));
            if (shrinks || isLast)
                _features.Add(new(_features.Count, channels, reduction, $"base.{modules.Count - 1}"));
            if (!shrinks)
                continue;
            modules.Add(spec.IsDepthwise ? HarDNetConv.Depthwise(channels, 2) : new MaxPool2d(2));
            reduction *= 2;
        }
        NumFeatures = channels;
        Classifier = $"base.{modules.Count}.3";
        _head = new HarDNetHead(channels, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate);
        _base = Child("base", new ModuleList<Module>([.. modules, _head]));
    }

    public static Family Family { get; } = MakeFamily();

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier { get; }

    public override string FirstConv => "base.0.conv";

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        foreach (var module in _base.Modules.SkipLast(1))
            x = module.Forward(x);
        return x;
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    private static Family MakeFamily()
    {
        HarDNetSpec hardnet39 = new((24, 48), 1.6, [(4, 16, 96, true), (16, 20, 320, true), (8, 64, 640, true), (4, 160, 1024, false)]);
        HarDNetSpec hardnet68 = new((32, 64), 1.7, [(8, 14, 128, true), (16, 16, 256, false), (16, 20, 320, true), (16, 40, 640, true), (4, 160, 1024, false)]);
        HarDNetSpec hardnet85 = new(
            (48, 96), 1.7, [(8, 24, 192, true), (16, 24, 256, false), (16, 28, 320, true), (16, 36, 480, false), (16, 48, 720, true), (4, 256, 1280, false)])
        {
            DropsBeforeLast = true,
        };
        (string Name, HarDNetSpec Spec, string Classifier)[] rows =
        [
            ("hardnet39ds", hardnet39 with { IsDepthwise = true }, "base.14.3"),
            ("hardnet68ds", hardnet68 with { IsDepthwise = true }, "base.16.3"),
            ("hardnet68", hardnet68, "base.16.3"),
            ("hardnet85", hardnet85, "base.19.3"),
        ];
        var config = new PretrainedConfig { Interpolation = "bilinear", License = "mit", HubId = "" };
        return new(
            "hardnet",
            "Chao, Kao, Ruan, Huang, Lin: HarDNet: A low memory traffic network, ICCV 2019, arXiv:1909.00948",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "hardnet", [("in1k", config)], r.Classifier, "base.0.conv", options => new HarDNet(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Layers are connected as the harmonics of a wave: layer k to those a power of two before it, by which k divides. Most of DenseNet's memory traffic goes, and its reuse of features stays.",
            FollowsTimm = false,
        };
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Stem">Widths of the first two convolutions.</param>
/// <param name="Multiplier">How much wider a layer is for each power of two that divides its number.</param>
/// <param name="Blocks">Layers of a block, their least width, the width after it, and whether the image is halved then.</param>
internal sealed record HarDNetSpec((int First, int Second) Stem, double Multiplier, IReadOnlyList<(int Layers, int Growth, int Width, bool Shrinks)> Blocks)
{
    /// <summary>Separable convolutions in the blocks, and striding depthwise ones instead of pooling.</summary>
    public bool IsDepthwise { get; init; }

    /// <summary>Dropout before the last 1x1 convolution too.</summary>
    public bool DropsBeforeLast { get; init; }
}

/// <summary>The harmonic dense block. Its output is every second layer and the last.</summary>
internal sealed class HarDBlock : Module
{
    private readonly ModuleList<Module> _layers;
    private readonly int[][] _links;

    public HarDBlock(int inChannels, int growth, double multiplier, int layers, bool isDepthwise)
    {
        _links = [.. Enumerable.Range(1, layers).Select(LinksOf)];
        int WidthOf(int layer) => layer == 0 ? inChannels : Even(growth * Math.Pow(multiplier, LinksOf(layer).Length - 1));
        _layers = Child("layers", new ModuleList<Module>(_links.Select((links, i) =>
        {
            var (input, output) = (links.Sum(WidthOf), WidthOf(i + 1));
            return isDepthwise ? (Module)new Sequential([("layer1", new HarDNetConv(input, output, 1)), ("layer2", HarDNetConv.Depthwise(output, 1))]) : new HarDNetConv(input, output, 3);
        })));
        OutChannels = Enumerable.Range(1, layers).Where(IsOutput).Sum(WidthOf);
    }

    public int OutChannels { get; }

    protected override Tensor OnForward(Tensor x)
    {
        var maps = new List<Tensor> { x };
        for (var i = 0; i < _links.Length; i++)
            maps.Add(_layers.Modules[i].Forward(Joined(_links[i].Select(k => maps[k]))));
        return Joined(Enumerable.Range(1, _links.Length).Where(IsOutput).Select(k => maps[k]));
    }

    private bool IsOutput(int layer) => layer % 2 == 1 || layer == _links.Length;

    private static Tensor Joined(IEnumerable<Tensor> maps)
    {
        var all = maps.ToArray();
        return all.Length == 1 ? all[0] : Tensor.Concat(all, -1);
    }

    private static int[] LinksOf(int layer)
    {
        var links = new List<int>();
        for (var step = 1; layer % step == 0; step *= 2)
            links.Add(layer - step);
        return [.. links];
    }

    private static int Even(double width) => (int)(width + 1) / 2 * 2;
}

/// <summary>Convolution without bias, batch normalisation and ReLU6.</summary>
internal sealed class HarDNetConv : Module
{
    private readonly Conv2d _conv;
    private readonly BatchNorm2d _norm;
    private readonly ActivationLayer _relu;

    public HarDNetConv(int inChannels, int outChannels, int kernel, int stride = 1)
    {
        _conv = Child("conv", new Conv2d(inChannels, outChannels, kernel, stride, kernel / 2, bias: false));
        _norm = Child("norm", new BatchNorm2d(outChannels));
        _relu = Child("relu", new ActivationLayer(ActivationKind.Relu6));
    }

    /// <summary>A depthwise 3x3 convolution and its normaliser.</summary>
    public static Sequential Depthwise(int channels, int stride) => new(
        [("dwconv", new Conv2d(channels, channels, 3, stride, 1, groups: channels, bias: false)), ("norm", new BatchNorm2d(channels))]);

    protected override Tensor OnForward(Tensor x) => _norm.Forward(_conv.Forward(x), _relu);
}

/// <summary>Pooling, dropout and a linear classifier under the places that they have in the authors' list.</summary>
internal sealed class HarDNetHead : ClassificationHead
{
    private readonly int _features;
    private readonly Dropout _drop;
    private GlobalPool2d _pool;
    private Module _classifier;

    public HarDNetHead(int features, int numClasses, GlobalPool pool, float dropRate)
    {
        _features = features;
        _pool = Child("0", new GlobalPool2d(pool));
        _drop = Child("2", new Dropout(dropRate));
        _classifier = Child("3", MakeClassifier(numClasses));
    }

    public override void Reset(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("0", new GlobalPool2d(changed));
        _classifier = Replace("3", MakeClassifier(numClasses));
    }

    protected override Tensor OnForward(Tensor x) => _classifier.Forward(PreLogits(x));

    protected override Tensor PreLogits(Tensor x) => _drop.Forward(_pool.Forward(x));

    private Module MakeClassifier(int numClasses) => numClasses == 0 ? new Identity() : new Linear(_features * _pool.Pool.Width(), numClasses);
}
