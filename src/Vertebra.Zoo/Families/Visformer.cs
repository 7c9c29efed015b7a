using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Visformer: a first stage of convolutions, two of attention, batch normalisation everywhere (Chen et al. 2021). Names, state-dict
/// keys and defaults follow timm.
/// </summary>
public sealed class Visformer : Backbone
{
    private static readonly IntList s_depths = [7, 4, 4];
    private readonly int _width;
    private readonly Tensor[] _positions = new Tensor[3];
    private readonly Sequential _stem;
    private readonly PatchEmbed[] _embeds = new PatchEmbed[3];
    private readonly Sequential[] _stages = new Sequential[3];
    private readonly NormLayer _norm;
    private readonly Dropout _drop;
    private GlobalPool2d _pool;
    private Module _classifier;

    internal Visformer(int width, int stemWidth, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException("output_stride cannot be chosen for Visformer: its pyramid is fixed at 32");
        _width = width;
        var side = options.ImgSize ?? 224;
        for (var i = 0; i < 3; i++)
            _positions[i] = Parameter($"pos_embed{i + 1}", [1, width / 2 << i, side / (8 << i), side / (8 << i)], Init.TruncatedNormal(0.02f));
        _stem = Child("stem", new Sequential(VisformerBlock.Conv(InChans, stemWidth, 7, 2, 3), new BatchNorm2d(stemWidth), new ActivationLayer(ActivationKind.Relu)));
        var index = 0;
        for (var i = 0; i < 3; i++)
        {
            var channels = width / 2 << i;
            _embeds[i] = Child($"patch_embed{i + 1}", new PatchEmbed(i == 0 ? stemWidth : channels / 2, channels, i == 0 ? 4 : 2, norm: new BatchNorm2d(channels), flatten: false));
            var blocks = new Module[s_depths[i]];
            for (var b = 0; b < blocks.Length; b++, index++)
                blocks[b] = new VisformerBlock(channels, i == 0 ? null : width / 64, Widths.DropPathRate(options.DropPathRate, index, s_depths.Sum()));
            _stages[i] = Child($"stage{i + 1}", new Sequential(blocks));
        }
        _norm = Child("norm", new BatchNorm2d(NumFeatures));
        _pool = Child("global_pool", new GlobalPool2d(options.GlobalPool ?? GlobalPool.Avg));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _classifier = Child("head", TokenLinear.Classifier(NumFeatures * _pool.Pool.Width(), NumClasses));
        FeatureInfo = [.. Enumerable.Range(0, 3).Select(i => new FeatureInfo(i, width / 2 << i, 8 << i, $"stage{i + 1}"))];
    }

    public static Family Family { get; } = new(
        "visformer",
        "Chen et al.: Visformer: the vision-friendly transformer, ICCV 2021, arXiv:2104.12533",
        [Row("visformer_tiny", 192, 16), Row("visformer_small", 384, 32)],
        new Dictionary<string, string>())
    {
        Idea = "A DeiT is turned step by step towards a ResNet, keeping what helps: stages, batch norms, and grouped 3x3 convolutions at high resolution. Attention is used in the last two stages only.",
    };

    public override int NumFeatures => 2 * _width;

    public override IReadOnlyList<FeatureInfo> FeatureInfo { get; }

    public override string Classifier => "head";

    public override string FirstConv => "stem.0";

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes)
    {
        for (var i = 0; i < 3; i++)
        {
            var (name, own) = ($"pos_embed{i + 1}", _positions[i].Shape);
            if (!state.TryGetValue(name, out var given) || given.Rank != 4 || given.Shape == own)
                continue;
            notes.Add($"{name}: resampled from {given.Shape} to {own}");
            var map = given.To(DType.Float32).Permute([0, 2, 3, 1]).Interpolate((own[2], own[3]), Kernels.InterpolationMode.Bicubic, antialias: true);
            state[name] = map.Permute([0, 3, 1, 2]);
        }
    }

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        x = _stem.Forward(x);
        for (var i = 0; i < 3; i++)
        {
            x = _embeds[i].Forward(x);
            if (x.Shape[1] != _positions[i].Shape[2] || x.Shape[2] != _positions[i].Shape[3])
                throw new VertebraException($"positions are learned for a map of {_positions[i].Shape[2]}x{_positions[i].Shape[3]}, got {x.Shape[1]}x{x.Shape[2]}; build the network for the image size (img_size)");
            x = _stages[i].Forward(x + _positions[i].Permute([0, 2, 3, 1]));
        }
        return _norm.Forward(x);
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(_pool.Forward(features));
        return preLogits ? x : _classifier.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", new GlobalPool2d(changed));
        _classifier = Replace("head", TokenLinear.Classifier(NumFeatures * _pool.Pool.Width(), numClasses));
    }

    private static ModelInfo Row(string name, int width, int stemWidth) => ModelInfo.Row(
        name, "visformer", [("in1k", new() { FixedInputSize = true, CropPct = 0.9f, License = "apache-2.0" })], "head", "stem.0", options => new Visformer(width, stemWidth, options));
}

/// <summary>Attention, where there are heads, and an MLP of 1x1 convolutions; without attention the MLP has a grouped 3x3 convolution inside.</summary>
internal sealed class VisformerBlock : Module
{
    private readonly DropPath? _dropPath;
    private readonly NormLayer? _norm1;
    private readonly MapAttention? _attn;
    private readonly NormLayer _norm2;
    private readonly Sequential _mlp;

    public VisformerBlock(int width, int? heads, float dropPathRate)
    {
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        if (heads is { } count)
        {
            _norm1 = Child("norm1", new BatchNorm2d(width));
            _attn = Child("attn", new MapAttention(width, count));
        }
        _norm2 = Child("norm2", new BatchNorm2d(width));
        var hidden = heads is null ? 2 * width : 4 * width;
        List<(string, Module)> layers = [("conv1", Conv(width, hidden, 1)), ("act1", new ActivationLayer(ActivationKind.Gelu))];
        if (heads is null)
            layers.AddRange([("conv2", Conv(hidden, hidden, 3, 1, 1, 8)), ("act2", new ActivationLayer(ActivationKind.Gelu))]);
        layers.Add(("conv3", Conv(hidden, width, 1)));
        _mlp = Child("mlp", new Sequential(layers));
    }

    internal static Conv2d Conv(int inChannels, int outChannels, int kernel, int stride = 1, int padding = 0, int groups = 1) =>
        new(inChannels, outChannels, kernel, stride, padding, groups: groups, bias: false, initialiser: Init.KaimingNormal(fanOut: true));

    protected override Tensor OnForward(Tensor x)
    {
        if (_attn is not null)
            x += Dropped(_attn.Forward(_norm1!.Forward(x)));
        return x + Dropped(_mlp.Forward(_norm2.Forward(x)));
    }

    private Tensor Dropped(Tensor branch) => _dropPath?.Forward(branch) ?? branch;

    /// <summary>Attention between all pixels of a map, with weights as 1x1 convolutions and no biases.</summary>
    private sealed class MapAttention : Module
    {
        private readonly int _heads;
        private readonly Conv2d _qkv;
        private readonly Conv2d _proj;

        public MapAttention(int width, int heads)
        {
            _heads = heads;
            _qkv = Child("qkv", Conv(width, 3 * width, 1));
            _proj = Child("proj", Conv(width, width, 1));
        }

        protected override Tensor OnForward(Tensor x)
        {
            return _proj.Forward(Heads.Attend(_qkv.Forward(x).ToTokens(), _heads).ToMap(x.Shape[1], x.Shape[2]));
        }
    }
}
