using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// VanillaNet (Chen et al. 2023): one convolution a layer, no shortcuts, no attention, and series activations that mix
/// neighbouring pixels. It is trained with two convolutions where one will be, between which an activation fades into the
/// identity; <see cref="Reparameterisation.Reparameterise"/> then merges every pair. State-dict keys of both forms as in the
/// authors' code (github.com/huawei-noah/VanillaNet).
/// </summary>
public sealed class VanillaNet : Backbone, IReparameterisable
{
    private readonly ModuleList<VanillaBlock> _stages;
    private readonly List<FeatureInfo> _features = [];
    private readonly float _dropRate;
    private Sequential? _stem1;
    private Sequential? _stem2;
    private Sequential? _stem;
    private VanillaHead _head;
    private Module? _headAfter;

    internal VanillaNet(VanillaSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException($"output_stride {options.OutputStride} is not to be had from VanillaNet: the strides of its stages are fixed; leave it out or use 32");
        _dropRate = options.DropRate;
        var (width, reduction) = (spec.Widths[0], 4);
        _stem1 = Child("stem1", new Sequential(VanillaBlock.Conv(InChans, width, 4), VanillaBlock.Norm(width)));
        _stem2 = Child("stem2", new Sequential(VanillaBlock.Conv(width, width), VanillaBlock.Norm(width), new SeriesActivation(width)));
        _features.Add(new(0, width, reduction, "stem2"));
        var blocks = new List<VanillaBlock>();
        foreach (var (next, stride) in spec.Widths.Skip(1).Zip(spec.Strides))
        {
            blocks.Add(new VanillaBlock(width, next, stride));
            (width, reduction) = (next, reduction * stride);
            if (stride == 1) // the last map of each size counts
                _features.RemoveAt(_features.Count - 1);
            _features.Add(new(_features.Count, width, reduction, $"stages.{blocks.Count - 1}"));
        }
        _stages = Child("stages", new ModuleList<VanillaBlock>(blocks));
        NumFeatures = width;
        _head = Child("cls1", MakeHead(options.GlobalPool ?? GlobalPool.Avg, NumClasses, normalises: true));
        _headAfter = Child("cls2", MakeHeadAfter(NumClasses));
    }

    public static Family Family { get; } = MakeFamily();

    /// <summary>
    /// Slope below zero of the activations between the convolutions of a pair: 0 is ReLU, 1 nothing. Training raises it from 0 to 1;
    /// published weights stand at 1, and only there can pairs be merged.
    /// </summary>
    public float PairSlope
    {
        get;
        set
        {
            field = value is >= 0 and <= 1 ? value : throw new VertebraException($"the slope between paired convolutions is {value}; it must be from 0 to 1");
            foreach (var block in _stages.Modules)
                block.PairSlope = value;
        }
    }
    = 1;

    public bool IsReparameterised => _stem is not null;

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => IsReparameterised ? "cls" : "cls1,cls2";

    public override string FirstConv => IsReparameterised ? "stem.0" : "stem1.0";

    public void Reparameterise()
    {
        if (_stem1 is null || _stem2 is null)
            return;
        if (PairSlope != 1)
            throw new VertebraException($"convolutions can be merged only when nothing is between them: the slope is {PairSlope}; set PairSlope to 1, as training ends");
        var activation = (SeriesActivation)_stem2[2];
        var merged = FoldedKernel.OfPair((Conv2d)_stem1[0], (BatchNorm2d)_stem1[1], (Conv2d)_stem2[0], (BatchNorm2d)_stem2[1]);
        _stem = Replace("stem1", "stem", new Sequential(merged, activation));
        Remove("stem2");
        if (_features[0].Module == "stem2")
            _features[0] = _features[0] with { Module = "stem" };
        foreach (var block in _stages.Modules)
            block.Reparameterise();
        activation.Reparameterise();
        var classifier = _headAfter is Sequential after ? FoldedKernel.OfPair((Conv2d)_head.Classifier, _head.Norm, (Conv2d)after[0], null) : _head.Classifier;
        _head = Replace("cls1", "cls", new VanillaHead(_head.Pool, _dropRate, classifier, null));
        Remove("cls2");
        (_stem1, _stem2, _headAfter) = (null, null, null);
    }

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        x = _stem?.Forward(x) ?? _stem2!.Forward(VanillaBlock.Between(_stem1!.Forward(x), PairSlope));
        foreach (var block in _stages.Modules)
            x = block.Forward(x);
        return x;
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        if (preLogits)
            return Flatten(_head.PreLogits(features));
        var x = _head.Forward(features);
        if (_headAfter is Sequential after)
            x = after.Forward(VanillaBlock.Between(x, PairSlope));
        return Flatten(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        _head = Replace(IsReparameterised ? "cls" : "cls1", MakeHead(pool ?? _head.Pool, numClasses, normalises: !IsReparameterised));
        if (!IsReparameterised)
            _headAfter = Replace("cls2", MakeHeadAfter(numClasses));
    }

    private VanillaHead MakeHead(GlobalPool pool, int numClasses, bool normalises) => new(
        pool, _dropRate,
        numClasses == 0 ? new Identity() : VanillaBlock.Conv(NumFeatures * pool.Width(), numClasses),
        numClasses == 0 || !normalises ? null : VanillaBlock.Norm(numClasses));

    private static Module MakeHeadAfter(int numClasses) => numClasses == 0 ? new Identity() : new Sequential(VanillaBlock.Conv(numClasses, numClasses));

    private Tensor Flatten(Tensor x) => _head.Pool == GlobalPool.None ? x : x.Reshape([x.Shape[0], x.Shape[3]]);

    private static Family MakeFamily()
    {
        const int W = 512;
        (string Name, VanillaSpec Spec)[] rows =
        [
            ("vanillanet_5", new([W, 2 * W, 4 * W, 8 * W], [2, 2, 2])),
            ("vanillanet_6", new([W, 2 * W, 4 * W, 8 * W, 8 * W], [2, 2, 2, 1])),
            .. Enumerable.Range(7, 7).Select(depth => ($"vanillanet_{depth}", Deep(depth, W))),
            ("vanillanet_13_x1_5", Deep(13, W * 3 / 2)),
        ];
        var config = new PretrainedConfig { License = "mit", HubId = "" };
        return new(
            "vanillanet",
            "Chen, Wang, Guo, Tao: VanillaNet: the power of minimalism in deep learning, NeurIPS 2023, arXiv:2305.12972",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "vanillanet", [("in1k", config)], "cls1,cls2", "stem1.0", options => new VanillaNet(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Six to thirteen layers with neither shortcut nor attention nor depth: simple convolutions, pooling, and series of shifted activations. While training, pairs of convolutions have an activation between them that fades, so that they merge for use.",
            FollowsTimm = false,
        };
    }

    // From 7 on a deeper network has more layers at a sixteenth of the image's size.
    private static VanillaSpec Deep(int depth, int width)
    {
        var more = depth - 7;
        return new(
            [width, width, 2 * width, .. Enumerable.Repeat(4 * width, 1 + more), 8 * width, 8 * width],
            [1, 2, 2, .. Enumerable.Repeat(1, more), 2, 1]);
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">Of the stem and of every block's output.</param>
/// <param name="Strides">Of the blocks.</param>
internal sealed record VanillaSpec(IReadOnlyList<int> Widths, IReadOnlyList<int> Strides);
