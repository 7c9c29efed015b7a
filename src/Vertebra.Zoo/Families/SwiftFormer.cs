using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// SwiftFormer: convolutional blocks, and at the end of each stage attention without products of tokens: one query for the whole image
/// scales the keys (Shaker et al. 2023). Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class SwiftFormer : Backbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly NormLayer _norm;
    private readonly Dropout _drop;
    private readonly List<FeatureInfo> _features = [];
    private GlobalPool2d _pool;
    private Module _head;
    private Module _distillationHead;

    internal SwiftFormer(IntList depths, IntList widths, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException("output_stride cannot be chosen for SwiftFormer: its pyramid is fixed at 32");
        _stem = Child("stem", new Sequential(
            SwiftFormerParts.Conv(InChans, widths[0] / 2, 3, 2), new BatchNorm2d(widths[0] / 2), new ActivationLayer(ActivationKind.Relu),
            SwiftFormerParts.Conv(widths[0] / 2, widths[0], 3, 2), new BatchNorm2d(widths[0]), new ActivationLayer(ActivationKind.Relu)));
        var (index, count) = (0, depths.Sum());
        var stages = new Module[4];
        for (var i = 0; i < 4; i++)
        {
            Module downsample = i == 0 ? new Identity() : new Sequential(
            [
                ("proj", SwiftFormerParts.Conv(widths[i - 1], widths[i], 3, 2)), ("norm", new BatchNorm2d(widths[i])),
            ]);
            var blocks = new Module[depths[i]];
            for (var b = 0; b < blocks.Length; b++, index++)
            {
                var rate = Widths.DropPathRate(options.DropPathRate, index, count);
                blocks[b] = b == blocks.Length - 1 ? new SwiftFormerBlock(widths[i], rate) : new SwiftFormerConvolution(widths[i], 4 * widths[i], rate);
            }
            stages[i] = new Sequential([("downsample", downsample), ("blocks", new Sequential(blocks))]);
            _features.Add(new(i, widths[i], 4 << i, $"stages.{i}"));
        }
        _stages = Child("stages", new Sequential(stages));
        _norm = Child("norm", new BatchNorm2d(NumFeatures));
        _pool = Child("global_pool", new GlobalPool2d(options.GlobalPool ?? GlobalPool.Avg));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", MakeClassifier(NumClasses));
        _distillationHead = Child("head_dist", MakeClassifier(NumClasses));
    }

    public static Family Family { get; } = new(
        "swiftformer",
        "Shaker et al.: SwiftFormer: efficient additive attention for transformer-based real-time mobile vision applications, ICCV 2023, arXiv:2303.15446",
        [
            Row("swiftformer_xs", [3, 3, 6, 4], [48, 56, 112, 220]), Row("swiftformer_s", [3, 3, 9, 6], [48, 64, 168, 224]),
            Row("swiftformer_l1", [4, 3, 10, 5], [48, 96, 192, 384]), Row("swiftformer_l3", [4, 4, 12, 6], [64, 128, 320, 512]),
        ],
        new Dictionary<string, string>())
    {
        Idea = "Attention is reduced to a learned global query that is multiplied with the keys, without interaction of keys and values. It is linear in the number of tokens, so that it can be used in all stages of a phone's network.",
    };

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head,head_dist";

    public override string FirstConv => "stem.0";

    protected override Tensor OnForwardFeatures(Tensor x) => _norm.Forward(_stages.Forward(_stem.Forward(x)));

    // The network was taught by another: two classifiers, of which the mean counts.
    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(_pool.Forward(features));
        return preLogits || NumClasses == 0 ? x : (_head.Forward(x) + _distillationHead.Forward(x)) * 0.5f;
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", new GlobalPool2d(changed));
        _head = Replace("head", MakeClassifier(numClasses));
        _distillationHead = Replace("head_dist", MakeClassifier(numClasses));
    }

    private Module MakeClassifier(int numClasses) => TokenLinear.Classifier(NumFeatures * _pool.Pool.Width(), numClasses);

    private static ModelInfo Row(string name, IntList depths, IntList widths) => ModelInfo.Row(
        name, "swiftformer", [("dist_in1k", new() { FixedInputSize = true, PoolSize = [], CropPct = 0.95f, License = "apache-2.0" })], "head,head_dist", "stem.0",
        options => new SwiftFormer(depths, widths, options));
}

/// <summary>What the parts share.</summary>
internal static class SwiftFormerParts
{
    public const float FirstScale = 1e-5f;

    public static Conv2d Conv(int inChannels, int outChannels, int kernel, int stride = 1, int groups = 1) =>
        new(inChannels, outChannels, kernel, stride, kernel / 2, groups: groups, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros);
}

/// <summary>A depthwise convolution and an MLP of 1x1 convolutions, scaled and added to a shortcut.</summary>
internal sealed class SwiftFormerConvolution : Module
{
    private readonly Conv2d _depthwise;
    private readonly NormLayer _norm;
    private readonly Conv2d _expand;
    private readonly ActivationLayer _act;
    private readonly Conv2d _reduce;
    private readonly DropPath? _dropPath;
    private readonly MapScale _scale;

    public SwiftFormerConvolution(int width, int hidden, float dropPathRate)
    {
        _depthwise = Child("dwconv", SwiftFormerParts.Conv(width, width, 3, groups: width));
        _norm = Child("norm", new BatchNorm2d(width));
        _expand = Child("pwconv1", SwiftFormerParts.Conv(width, hidden, 1));
        _act = Child("act", new ActivationLayer(ActivationKind.Gelu));
        _reduce = Child("pwconv2", SwiftFormerParts.Conv(hidden, width, 1));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _scale = Child("layer_scale", new MapScale(width, 1));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _scale.Forward(_reduce.Forward(_act.Forward(_expand.Forward(_norm.Forward(_depthwise.Forward(x))))));
        return x + (_dropPath?.Forward(branch) ?? branch);
    }
}

/// <summary>A convolutional part, attention and an MLP, the two last scaled and added to a shortcut.</summary>
internal sealed class SwiftFormerBlock : Module
{
    private readonly SwiftFormerConvolution _local;
    private readonly AdditiveAttention _attn;
    private readonly Sequential _mlp;
    private readonly DropPath? _dropPath;
    private readonly MapScale _scale1;
    private readonly MapScale _scale2;

    public SwiftFormerBlock(int width, float dropPathRate)
    {
        _local = Child("local_representation", new SwiftFormerConvolution(width, width, 0));
        _attn = Child("attn", new AdditiveAttention(width));
        _mlp = Child("linear", new Sequential(
        [
            ("norm1", new BatchNorm2d(width)), ("fc1", SwiftFormerParts.Conv(width, 4 * width, 1)),
            ("act", new ActivationLayer(ActivationKind.Gelu)), ("fc2", SwiftFormerParts.Conv(4 * width, width, 1)),
        ]));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _scale1 = Child("layer_scale_1", new MapScale(width, SwiftFormerParts.FirstScale));
        _scale2 = Child("layer_scale_2", new MapScale(width, SwiftFormerParts.FirstScale));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _local.Forward(x);
        var branch = _scale1.Forward(_attn.Forward(x));
        x += _dropPath?.Forward(branch) ?? branch;
        branch = _scale2.Forward(_mlp.Forward(x));
        return x + (_dropPath?.Forward(branch) ?? branch);
    }
}

/// <summary>A learned vector <c>w_g</c> scores the queries; their sum by these scores is one query for the image, which scales the keys.</summary>
internal sealed class AdditiveAttention : Module
{
    private readonly Tensor _weight;
    private readonly Linear _query;
    private readonly Linear _key;
    private readonly Linear _proj;
    private readonly Linear _final;

    public AdditiveAttention(int width)
    {
        _weight = Parameter("w_g", [width, 1], Init.Normal(1));
        _query = Child("to_query", TokenLinear.Create(width, width));
        _key = Child("to_key", TokenLinear.Create(width, width));
        _proj = Child("proj", TokenLinear.Create(width, width));
        _final = Child("final", TokenLinear.Create(width, width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var tokens = x.ToTokens();
        var (query, key) = (Cosines.Unit(_query.Forward(tokens)), Cosines.Unit(_key.Forward(tokens)));
        var width = x.Shape[3];
        var scores = Cosines.Unit(query.Linear(_weight.Reshape([1, width])).Transpose(1, 2) * (1 / MathF.Sqrt(width)));
        var whole = (scores.Transpose(1, 2) * query).Sum([1], keepAxes: true);
        return _final.Forward(_proj.Forward(whole * key) + query).ToMap(x.Shape[1], x.Shape[2]);
    }
}
