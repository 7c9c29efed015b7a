using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.TransformerConfigs;

namespace Vertebra.Zoo.Families;

/// <summary>
/// XCiT (El-Nouby et al. 2021): attention between channels instead of tokens, so that its cost grows with the tokens and not with their
/// square, and a depthwise convolution between neighbours; two blocks of class attention end it. Names, state-dict keys and
/// defaults follow timm's xcit. Positions are waves, so images of any multiple of the patch will do.
/// </summary>
public sealed class Xcit : TokenBackbone
{
    private const int ClassBlocks = 2;
    private readonly XcitSpec _spec;
    private readonly int _imgSize;
    private readonly Tensor _classToken;
    private readonly ConvolutionPatchEmbed _patchEmbed;
    private readonly FourierPositions _positions;
    private readonly ModuleList<XcitBlock> _blocks;
    private readonly ModuleList<XcitClassBlock> _classBlocks;
    private readonly LayerNorm _norm;
    private readonly Dropout _drop;
    private GlobalPool _pool;
    private Module _head;

    private Xcit(XcitSpec spec, ModelOptions options) : base(options, spec.Width, Levels(spec.Depth, spec.Width, spec.Patch, prefix: 0))
    {
        (_spec, _imgSize, _pool) = (spec, options.ImgSize!.Value, CheckedPool(options.GlobalPool ?? GlobalPool.Token));
        _classToken = Parameter("cls_token", [1, 1, spec.Width], Init.TruncatedNormal(0.02f));
        _patchEmbed = Child("patch_embed", new ConvolutionPatchEmbed(InChans, spec.Width, spec.Patch));
        _positions = Child("pos_embed", new FourierPositions(spec.Width));
        _blocks = Child("blocks", new ModuleList<XcitBlock>(Enumerable.Range(0, spec.Depth).Select(_ => new XcitBlock(spec, options.DropPathRate))));
        _classBlocks = Child("cls_attn_blocks", new ModuleList<XcitClassBlock>(Enumerable.Range(0, ClassBlocks).Select(_ => new XcitClassBlock(spec))));
        _norm = Child("norm", new LayerNorm(spec.Width, 1e-6f));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", TokenLinear.Classifier(spec.Width, NumClasses));
    }

    public static Family Family { get; } = new(
        "xcit",
        "El-Nouby, Touvron, Caron et al.: XCiT: cross-covariance image transformers, NeurIPS 2021, arXiv:2106.09681",
        [.. Rows()],
        Aliases())
    {
        Idea = "Attention is taken between channels instead of between tokens, by their cross-covariance, so that its cost grows linearly with the number of patches. A depthwise convolution after it lets neighbouring patches exchange what they know.",
    };

    public override string FirstConv => "patch_embed.proj.0.0";

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        var grid = GridOf(x, _spec.Patch, _imgSize);
        x = _patchEmbed.Forward(x) + _positions.At(grid).ToTokens();
        foreach (var block in _blocks.Modules)
            x = block.Forward(x, grid);
        x = x.Prepend(_classToken);
        foreach (var block in _classBlocks.Modules)
            x = block.Forward(x);
        return _norm.Forward(x);
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(PoolTokens(features, _pool, prefix: 1));
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        _pool = CheckedPool(pool ?? _pool);
        _head = Replace("head", TokenLinear.Classifier(NumFeatures, numClasses));
    }

    // Every size with patches of 16 and 8 pixels, at 224 with and without distillation and at 384 with it.
    private static IEnumerable<ModelInfo> Rows()
    {
        (string Name, XcitSpec Spec)[] sizes =
        [
            ("nano_12", new(128, 12, 4, 1) { NormsTokens = false }), ("tiny_12", new(192, 12, 4, 1)), ("tiny_24", new(192, 24, 4, 1e-5f)),
            ("small_12", new(384, 12, 8, 1)), ("small_24", new(384, 24, 8, 1e-5f)), ("medium_24", new(512, 24, 8, 1e-5f)), ("large_24", new(768, 24, 16, 1e-5f)),
        ];
        foreach (var (size, spec) in sizes)
        {
            foreach (var patch in new[] { 16, 8 })
            {
                var built = spec with { Patch = patch };
                yield return Row($"xcit_{size}_p{patch}_224", built, [("fb_in1k", ImageNet.Crop(1)), ("fb_dist_in1k", ImageNet.Crop(1))]);
                yield return Row($"xcit_{size}_p{patch}_384", built, [("fb_dist_in1k", ImageNet.Crop(1).Square(384))]);
            }
        }
    }

    private static ModelInfo Row(string name, XcitSpec spec, (string, PretrainedConfig)[] tags) =>
        ModelInfo.Row(name, "xcit", tags, "head", "patch_embed.proj.0.0", options => new Xcit(spec, options));

    // Distilled weights had names of their own once.
    private static Dictionary<string, string> Aliases() => Rows().Where(r => r.Name.EndsWith("_224", StringComparison.Ordinal)).SelectMany(r => new[] { "224", "384" }.Select(side =>
        (Former: $"{r.Name[..^4]}_{side}_dist", Now: $"{r.Name[..^4]}_{side}.fb_dist_in1k"))).ToDictionary(a => a.Former, a => a.Now);
}

/// <summary>What distinguishes the variants.</summary>
internal sealed record XcitSpec(int Width, int Depth, int Heads, float LayerScale)
{
    public int Patch { get; init; }

    /// <summary>Whether class blocks normalise all tokens before the MLP or the class token alone.</summary>
    public bool NormsTokens { get; init; } = true;
}

/// <summary>3x3 convolutions of stride 2, each with batch normalisation, GELU between them: an image becomes tokens [N, L, C].</summary>
internal sealed class ConvolutionPatchEmbed : Module
{
    private readonly Sequential _proj;

    public ConvolutionPatchEmbed(int inChans, int width, int patch)
    {
        var modules = new List<Module>();
        var channels = inChans;
        for (var share = patch / 2; share >= 1; share /= 2)
        {
            if (modules.Count > 0)
                modules.Add(new ActivationLayer(ActivationKind.Gelu));
            modules.Add(new Sequential(new Conv2d(channels, width / share, 3, 2, 1, bias: false), new BatchNorm2d(width / share)));
            channels = width / share;
        }
        _proj = Child("proj", new Sequential(modules));
    }

    protected override Tensor OnForward(Tensor x) => _proj.Forward(x).ToTokens();
}

/// <summary>Positions from sines and cosines of the row and the column, 32 of each, through a 1x1 convolution <c>token_projection</c>.</summary>
internal sealed class FourierPositions : Module
{
    private const int Waves = 32;
    private readonly Conv2d _projection;
    private (Size2d Grid, Tensor Table)? _last;

    public FourierPositions(int width) => _projection = Child("token_projection", new Conv2d(2 * Waves, width, 1));

    /// <summary>[1, H, W, width].</summary>
    public Tensor At(Size2d grid)
    {
        if (_last is not { } known || known.Grid != grid)
            _last = known = (grid, Table(grid));
        return Forward(known.Table);
    }

    protected override Tensor OnForward(Tensor x) => _projection.Forward(x);

    private static Tensor Table(Size2d grid)
    {
        var values = new float[grid.H * grid.W * 2 * Waves];
        for (var pixel = 0; pixel < grid.H * grid.W; pixel++)
        {
            var y = ((pixel / grid.W) + 1) / (grid.H + 1e-6) * 2 * Math.PI;
            var x = ((pixel % grid.W) + 1) / (grid.W + 1e-6) * 2 * Math.PI;
            for (var wave = 0; wave < Waves; wave++)
            {
                var length = Math.Pow(10000, 2 * (wave / 2) / (double)Waves);
                var at = (pixel * 2 * Waves) + wave;
                values[at] = (float)(wave % 2 == 0 ? Math.Sin(y / length) : Math.Cos(y / length));
                values[at + Waves] = (float)(wave % 2 == 0 ? Math.Sin(x / length) : Math.Cos(x / length));
            }
        }
        return Tensor.From(values, [1, grid.H, grid.W, 2 * Waves]);
    }
}

/// <summary>Attention between channels, convolution between neighbours and an MLP, each normalised before, scaled after, and beside a shortcut.</summary>
internal sealed class XcitBlock : Module
{
    private readonly Tensor _gamma1;
    private readonly Tensor _gamma3;
    private readonly Tensor _gamma2;
    private readonly LayerNorm _norm1;
    private readonly CrossCovarianceAttention _attention;
    private readonly DropPath? _dropPath1;
    private readonly LayerNorm _norm3;
    private readonly NeighbourMixing _neighbours;
    private readonly DropPath? _dropPath3;
    private readonly LayerNorm _norm2;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPath2;

    public XcitBlock(XcitSpec spec, float dropPathRate)
    {
        _gamma1 = Parameter("gamma1", [spec.Width], Init.Constant(spec.LayerScale));
        _gamma3 = Parameter("gamma3", [spec.Width], Init.Constant(spec.LayerScale));
        _gamma2 = Parameter("gamma2", [spec.Width], Init.Constant(spec.LayerScale));
        _norm1 = Child("norm1", new LayerNorm(spec.Width, 1e-6f));
        _attention = Child("attn", new CrossCovarianceAttention(spec.Width, spec.Heads));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm3 = Child("norm3", new LayerNorm(spec.Width, 1e-6f));
        _neighbours = Child("local_mp", new NeighbourMixing(spec.Width));
        _dropPath3 = dropPathRate > 0 ? Child("drop_path3", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(spec.Width, 1e-6f));
        _mlp = Child("mlp", new TokenMlp(spec.Width, spec.Width * 4));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    /// <summary>Tokens [N, H·W, C] of a grid.</summary>
    public Tensor Forward(Tensor x, Size2d grid) => Forward(() => Apply(x, grid));

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a block with convolutions takes tokens and their grid");

    private Tensor Apply(Tensor x, Size2d grid)
    {
        var y = _attention.Forward(_norm1.Forward(x)) * _gamma1;
        x += _dropPath1?.Forward(y) ?? y;
        y = _neighbours.Forward(_norm3.Forward(x).ToMap(grid.H, grid.W)).ToTokens() * _gamma3;
        x += _dropPath3?.Forward(y) ?? y;
        y = _mlp.Forward(_norm2.Forward(x)) * _gamma2;
        return x + (_dropPath2?.Forward(y) ?? y);
    }

    /// <summary>Two depthwise 3x3 convolutions over the map.</summary>
    private sealed class NeighbourMixing : Module
    {
        private readonly Conv2d _conv1;
        private readonly ActivationLayer _act;
        private readonly BatchNorm2d _norm;
        private readonly Conv2d _conv2;

        public NeighbourMixing(int width)
        {
            _conv1 = Child("conv1", new Conv2d(width, width, 3, 1, 1, groups: width));
            _act = Child("act", new ActivationLayer(ActivationKind.Gelu));
            _norm = Child("bn", new BatchNorm2d(width));
            _conv2 = Child("conv2", new Conv2d(width, width, 3, 1, 1, groups: width));
        }

        protected override Tensor OnForward(Tensor x) => _conv2.Forward(_norm.Forward(_act.Forward(_conv1.Forward(x))));
    }
}

/// <summary>Class attention; the patches go through the normalisers with the class token, and the shortcut counts them again, as in the published networks.</summary>
internal sealed class XcitClassBlock : Module
{
    private readonly bool _normsTokens;
    private readonly Tensor _gamma1;
    private readonly Tensor _gamma2;
    private readonly LayerNorm _norm1;
    private readonly ClassAttention _attention;
    private readonly LayerNorm _norm2;
    private readonly TokenMlp _mlp;

    public XcitClassBlock(XcitSpec spec)
    {
        _normsTokens = spec.NormsTokens;
        _gamma1 = Parameter("gamma1", [spec.Width], Init.Constant(spec.LayerScale));
        _gamma2 = Parameter("gamma2", [spec.Width], Init.Constant(spec.LayerScale));
        _norm1 = Child("norm1", new LayerNorm(spec.Width, 1e-6f));
        _attention = Child("attn", new ClassAttention(spec.Width, spec.Heads));
        _norm2 = Child("norm2", new LayerNorm(spec.Width, 1e-6f));
        _mlp = Child("mlp", new TokenMlp(spec.Width, spec.Width * 4));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var normed = _norm1.Forward(x);
        x += Tensor.Concat([_attention.Forward(normed), normed.Slice(1, 1)], 1) * _gamma1;
        x = _normsTokens ? _norm2.Forward(x) : Tensor.Concat([_norm2.Forward(x.Slice(1, 0, 1)), x.Slice(1, 1)], 1);
        return x + Tensor.Concat([_mlp.Forward(x.Slice(1, 0, 1)) * _gamma2, x.Slice(1, 1)], 1);
    }
}
