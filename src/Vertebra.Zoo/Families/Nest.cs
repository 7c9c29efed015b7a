using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// NesT: attention inside blocks of the map, which a convolution and a pool join four by four (Zhang et al. 2022, "Nested
/// hierarchical transformer"). Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class Nest : Backbone
{
    private readonly NestSpec _spec;
    private readonly PatchEmbed _embed;
    private readonly Sequential _levels;
    private readonly NormLayer _norm;
    private readonly Dropout _drop;
    private GlobalPool2d _pool;
    private Module _classifier;

    internal Nest(NestSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 16))
            throw new VertebraException("output_stride cannot be chosen for NesT: its pyramid is fixed at 16");
        var side = options.ImgSize ?? 224;
        if (side % 16 != 0)
            throw new VertebraException($"img_size is {side}; for NesT it must be a multiple of 16: four by four blocks of patches of 4");
        _spec = spec;
        _embed = Child("patch_embed", new PatchEmbed(InChans, spec.Width, 4, flatten: false));
        var (index, count) = (0, spec.Depths.Sum());
        var levels = new Module[3];
        for (var i = 0; i < 3; i++)
        {
            var rates = Enumerable.Range(index, spec.Depths[i]).Select(b => Widths.DropPathRate(options.DropPathRate, b, count));
            levels[i] = new NestLevel(spec, i, side / 16, [.. rates]);
            index += spec.Depths[i];
        }
        _levels = Child("levels", new Sequential(levels));
        _norm = Child("norm", new LayerNorm(NumFeatures, 1e-6f));
        _pool = Child("global_pool", new GlobalPool2d(options.GlobalPool ?? GlobalPool.Avg));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _classifier = Child("head", TokenLinear.Classifier(NumFeatures * _pool.Pool.Width(), NumClasses));
        FeatureInfo = [.. Enumerable.Range(0, 3).Select(i => new FeatureInfo(i, spec.Width << i, 4 << i, $"levels.{i}"))];
    }

    public static Family Family { get; } = new(
        "nest",
        "Zhang et al.: Nested hierarchical transformer: towards accurate, data-efficient and interpretable visual understanding, AAAI 2022, arXiv:2105.12723",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "nest", [(r.Tag, new() { FixedInputSize = true, PoolSize = [14, 14], License = "apache-2.0" })], "head", "patch_embed.proj", options => new Nest(r.Spec, options)))],
        new[] { "base", "small", "tiny" }.ToDictionary(size => $"jx_nest_{size}", size => $"nest_{size}_jx"))
    {
        Idea = "Images are divided into blocks within which plain transformers attend, and neighbouring blocks are merged by convolution and pooling from level to level. Blocks never attend to one another directly, and the tree of merges makes the network learn from less data.",
    };

    public override int NumFeatures => _spec.Width << 2;

    public override IReadOnlyList<FeatureInfo> FeatureInfo { get; }

    public override string Classifier => "head";

    public override string FirstConv => "patch_embed.proj";

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes)
    {
        foreach (var (name, own) in NamedParameters().Where(p => p.Name.EndsWith(".pos_embed", StringComparison.Ordinal)))
        {
            if (!state.TryGetValue(name, out var given) || given.Rank != 4 || given.Shape == own.Shape)
                continue;
            notes.Add($"{name}: resampled from {given.Shape} to {own.Shape}");
            state[name] = Resample(given.To(DType.Float32), own.Shape);
        }
    }

    protected override Tensor OnForwardFeatures(Tensor x) => _norm.Forward(_levels.Forward(_embed.Forward(x)));

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

    // Positions [1, blocks, tokens, C], resampled as the image that the blocks make up.
    private static Tensor Resample(Tensor positions, Shape shape)
    {
        var (from, to) = (Side(positions.Shape), Side(shape));
        var block = (int)Math.Round(Math.Sqrt(positions.Shape[2]));
        var map = positions.Squeeze(0).FromWindows(block, from, from).Interpolate(to, Kernels.InterpolationMode.Bicubic);
        return map.ToWindows((int)Math.Round(Math.Sqrt(shape[2]))).Reshape([.. shape]);

        static int Side(Shape shape) => (int)Math.Round(Math.Sqrt(shape[1] * shape[2]));
    }

    private static IEnumerable<(string Name, string Tag, NestSpec Spec)> Rows()
    {
        foreach (var (size, width, last) in new[] { ("base", 128, 20), ("small", 96, 20), ("tiny", 96, 8) })
        {
            var spec = new NestSpec(width, [2, 2, last]);
            yield return ($"nest_{size}", "untrained", spec);
            yield return ($"nest_{size}_jx", "goog_in1k", spec with { Padding = WindowPadding.Same });
        }
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels of the first level; they double from level to level, and a head has 32.</param>
/// <param name="Depths">Blocks by level.</param>
internal sealed record NestSpec(int Width, IntList Depths)
{
    /// <summary>Of the convolution and the pool between levels; TensorFlow's for the weights that come from there.</summary>
    public WindowPadding Padding { get; init; } = 1;
}

/// <summary>Joining of blocks, positions, and layers whose attention stays inside a block.</summary>
internal sealed class NestLevel : Module
{
    private readonly int _blockSide;
    private readonly Tensor _positions;
    private readonly Module _pool;
    private readonly Sequential _layers;

    public NestLevel(NestSpec spec, int level, int blockSide, IReadOnlyList<float> dropPathRates)
    {
        _blockSide = blockSide;
        var width = spec.Width << level;
        _positions = Parameter("pos_embed", [1, 16 >> (2 * level), blockSide * blockSide, width], Init.TruncatedNormal(0.02f));
        _pool = Child<Module>("pool", level == 0 ? new Identity() : new Sequential(
        [
            ("conv", new Conv2d(width / 2, width, 3, 1, spec.Padding, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros)),
            ("norm", new LayerNorm(width, 1e-6f)), ("pool", new MaxPool2d(3, 2, spec.Padding)),
        ]));
        _layers = Child("transformer_encoder", new Sequential(dropPathRates.Select(rate => new NestLayer(width, rate))));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _pool.Forward(x);
        var blocks = x.ToWindows(_blockSide).Reshape([x.Shape[0], -1, _blockSide * _blockSide, x.Shape[3]]);
        if (blocks.Shape[1] != _positions.Shape[1])
            throw new VertebraException($"the image makes {blocks.Shape[1]} blocks where the network has {_positions.Shape[1]}; build it for the image size (img_size)");
        return _layers.Forward(blocks + _positions).Flatten(0, 1).FromWindows(_blockSide, x.Shape[1], x.Shape[2]);
    }
}

/// <summary>Attention and MLP over blocks [N, T, L, C], each normalised before and added to a shortcut.</summary>
internal sealed class NestLayer : Module
{
    private readonly NormLayer _norm1;
    private readonly NestAttention _attn;
    private readonly DropPath? _dropPath1;
    private readonly NormLayer _norm2;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPath2;

    public NestLayer(int width, float dropPathRate)
    {
        _norm1 = Child("norm1", new LayerNorm(width, 1e-6f));
        _attn = Child("attn", new NestAttention(width));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(width, 1e-6f));
        _mlp = Child("mlp", new TokenMlp(width, 4 * width));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _attn.Forward(_norm1.Forward(x));
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _mlp.Forward(_norm2.Forward(x));
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }

    private sealed class NestAttention : Module
    {
        private readonly int _heads;
        private readonly Linear _qkv;
        private readonly Linear _proj;

        public NestAttention(int width)
        {
            _heads = width / 32;
            _qkv = Child("qkv", TokenLinear.Create(width, 3 * width));
            _proj = Child("proj", TokenLinear.Create(width, width));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var (q, k, v) = Heads.Split3(_qkv.Forward(x).Flatten(0, 1), _heads);
            // Unlike elsewhere, the heads' results are interleaved: neighbouring channels belong to different heads.
            return _proj.Forward(q.Attention(k, v).Permute([0, 2, 3, 1]).Reshape([.. x.Shape]));
        }
    }
}
