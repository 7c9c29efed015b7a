using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Hiera: a plain pyramid of transformers, in windows first, over the whole map later, with queries pooled where it narrows (Ryali
/// et al. 2023). The reference keeps its tokens in an order that makes windows and pools slices; here they stay a map, which is the
/// same network. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class Hiera : Backbone
{
    private const int Unit = 8; // side of a window of the first stage
    private readonly HieraSpec _spec;
    private readonly Tensor _positions;
    private readonly Tensor? _windowPositions;
    private readonly int _side;
    private readonly PatchEmbedding _embed;
    private readonly ModuleList<HieraBlock> _blocks;
    private readonly VectorNormHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal Hiera(HieraSpec spec, int side, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException("output_stride cannot be chosen for Hiera: its pyramid is fixed at 32");
        side = options.ImgSize ?? side;
        if (side % 32 != 0)
            throw new VertebraException($"img_size is {side}; for Hiera it must be a multiple of 32: windows of eight patches of 4");
        (_spec, _side) = (spec, side / 4);
        if (spec.GlobalPositions is { } grid)
        {
            _positions = Parameter("pos_embed", [1, spec.Width, grid, grid], Init.TruncatedNormal(0.02f));
            _windowPositions = Parameter("pos_embed_win", [1, spec.Width, Unit, Unit], Init.TruncatedNormal(0.02f));
        }
        else
        {
            _positions = Parameter("pos_embed", [1, _side * _side, spec.Width], Init.TruncatedNormal(0.02f));
        }
        _embed = Child("patch_embed", new PatchEmbedding(InChans, spec.Width));
        _blocks = Child("blocks", new ModuleList<HieraBlock>(MakeBlocks(options)));
        _head = Child("head", new VectorNormHead(new LayerNorm(NumFeatures, 1e-6f), NumFeatures, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate));
    }

    public static Family Family { get; } = new(
        "hiera",
        "Ryali et al.: Hiera: a hierarchical vision transformer without the bells-and-whistles, ICML 2023, arXiv:2306.00989",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "hiera", r.Tags, "head.fc", "patch_embed.proj", options => new Hiera(r.Spec, r.Tags[0].Config.InputSize.Height, options)))],
        new Dictionary<string, string>())
    {
        Idea = "A hierarchical transformer is stripped of everything that masked pre-training can teach: no shifts, no convolutions, no relative positions. Queries are pooled between stages, and the early stages attend within small units of the mask.",
    };

    public override int NumFeatures => _spec.Width << 3;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv => "patch_embed.proj";

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes)
    {
        if (!state.TryGetValue("pos_embed", out var given) || given.Shape == _positions.Shape || PositionEmbedding.SquareOf(given, 0) is not { } from)
            return;
        notes.Add($"pos_embed: resampled from {from.H}x{from.W} to {_side}x{_side}");
        state["pos_embed"] = PositionEmbedding.Resample(given.To(DType.Float32), from, _side, 0);
    }

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        x = _embed.Forward(x);
        if (x.Shape[1] != _side || x.Shape[2] != _side)
            throw new VertebraException($"positions are learned for a map of {_side}x{_side}, got {x.Shape[1]}x{x.Shape[2]}; build the network for the image size (img_size)");
        x += Positions();
        foreach (var block in _blocks.Modules)
            x = block.Forward(x);
        return x;
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    // Either one position per patch, or a coarse grid, enlarged, plus the same window everywhere (Bolya et al. 2023).
    private Tensor Positions()
    {
        if (_windowPositions is null)
            return _positions.ToMap(_side, _side);
        var (width, units) = (_spec.Width, _side / Unit);
        var windows = _windowPositions.Permute([0, 2, 3, 1]).Reshape([1, 1, Unit, 1, Unit, width]).Expand([1, units, Unit, units, Unit, width]);
        return _positions.Permute([0, 2, 3, 1]).Interpolate(_side, Kernels.InterpolationMode.Bicubic, antialias: true) + windows.Reshape([1, _side, _side, width]);
    }

    private List<HieraBlock> MakeBlocks(ModelOptions options)
    {
        var blocks = new List<HieraBlock>();
        var count = _spec.Depths.Sum();
        for (var stage = 0; stage < 4; stage++)
        {
            var width = _spec.Width << stage;
            for (var i = 0; i < _spec.Depths[stage]; i++)
            {
                var opens = stage > 0 && i == 0;
                // A stage's first block still attends as the stage before: windows shrink with the map, and end after the second stage.
                var place = opens ? stage - 1 : stage;
                int? window = place < 2 ? Unit >> place : null;
                var rate = Widths.DropPathRate(options.DropPathRate, blocks.Count, count);
                blocks.Add(new HieraBlock(_spec, opens ? width / 2 : width, width, _spec.Heads << stage, window, rate));
            }
            _features.Add(new(stage, width, 4 << stage, $"blocks.{blocks.Count - 1}"));
        }
        return blocks;
    }

    private static IEnumerable<(string Name, HieraSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)> Rows()
    {
        var config = new PretrainedConfig { FixedInputSize = true, PoolSize = [], CropPct = 0.9f, License = "cc-by-nc-4.0" };
        (string, PretrainedConfig)[] tags = [("mae_in1k_ft_in1k", config), ("mae", config with { NumClasses = 0 })];
        yield return ("hiera_tiny_224", new(96, 1, [1, 2, 7, 2]), tags);
        yield return ("hiera_small_224", new(96, 1, [1, 2, 11, 2]), tags);
        yield return ("hiera_base_224", new(96, 1, [2, 3, 16, 3]), tags);
        yield return ("hiera_base_plus_224", new(112, 2, [2, 3, 16, 3]), tags);
        yield return ("hiera_large_224", new(144, 2, [2, 6, 36, 4]), tags);
        yield return ("hiera_huge_224", new(256, 4, [2, 6, 36, 4]), tags);
        var later = config with { InputSize = new(3, 256, 256), CropPct = 0.95f, License = "apache-2.0" };
        var later12k = later with { NumClasses = 11821 };
        yield return ("hiera_small_abswin_256", new(96, 1, [1, 2, 11, 2]) { GlobalPositions = 16, Scale = 1e-5f, PoolsShortcut = true },
            [("sbb2_e200_in12k_ft_in1k", later), ("sbb2_pd_e200_in12k_ft_in1k", later), ("sbb2_e200_in12k", later12k), ("sbb2_pd_e200_in12k", later12k)]);
        yield return ("hiera_base_abswin_256", new(96, 1, [2, 3, 16, 3]) { GlobalPositions = 14, Scale = 1e-5f }, [("untrained", later)]);
    }

    /// <summary>A 7x7 convolution that shrinks the image four times.</summary>
    private sealed class PatchEmbedding : Module
    {
        private readonly Conv2d _proj;

        public PatchEmbedding(int inChannels, int width) =>
            _proj = Child("proj", new Conv2d(inChannels, width, 7, 4, 3, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros));

        protected override Tensor OnForward(Tensor x) => _proj.Forward(x);
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels of the first stage; they double from stage to stage.</param>
/// <param name="Heads">Of the first stage; they double too.</param>
/// <param name="Depths">Blocks by stage.</param>
internal sealed record HieraSpec(int Width, int Heads, IntList Depths)
{
    /// <summary>Side of the coarse grid of positions beside those inside a window; null: one position per patch.</summary>
    public int? GlobalPositions { get; init; }

    /// <summary>First value of the scales of the branches; null: no scales.</summary>
    public float? Scale { get; init; }

    /// <summary>Where it widens, the shortcut is maximum and mean side by side rather than a linear layer.</summary>
    public bool PoolsShortcut { get; init; }
}

/// <summary>Attention, which may narrow the map, and MLP, each normalised before and added to a shortcut.</summary>
internal sealed class HieraBlock : Module
{
    private readonly bool _narrows;
    private readonly NormLayer _norm1;
    private readonly Linear? _proj;
    private readonly UnitAttention _attn;
    private readonly LayerScale? _scale1;
    private readonly DropPath? _dropPath1;
    private readonly NormLayer _norm2;
    private readonly TokenMlp _mlp;
    private readonly LayerScale? _scale2;
    private readonly DropPath? _dropPath2;

    public HieraBlock(HieraSpec spec, int inChannels, int outChannels, int heads, int? window, float dropPathRate)
    {
        _narrows = inChannels != outChannels;
        _norm1 = Child("norm1", new LayerNorm(inChannels, 1e-6f));
        if (_narrows && !spec.PoolsShortcut)
            _proj = Child("proj", TokenLinear.Create(inChannels, outChannels));
        _attn = Child("attn", new UnitAttention(inChannels, outChannels, heads, window, _narrows));
        _scale1 = spec.Scale is { } first ? Child("ls1", new LayerScale(outChannels, first)) : null;
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(outChannels, 1e-6f));
        _mlp = Child("mlp", new TokenMlp(outChannels, 4 * outChannels));
        _scale2 = spec.Scale is { } second ? Child("ls2", new LayerScale(outChannels, second)) : null;
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var normed = _norm1.Forward(x);
        if (_narrows)
            x = _proj is null ? Tensor.Concat([x.MaxPool2d(2, 2), x.AvgPool2d(2, 2)], -1) : _proj.Forward(normed).MaxPool2d(2, 2);
        var branch = _attn.Forward(normed);
        branch = _scale1?.Forward(branch) ?? branch;
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _mlp.Forward(_norm2.Forward(x));
        branch = _scale2?.Forward(branch) ?? branch;
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}

/// <summary>Attention in windows or over the whole map; where it narrows the map, queries are maxima of 2x2 pixels.</summary>
internal sealed class UnitAttention : Module
{
    private readonly int _heads;
    private readonly int? _window;
    private readonly bool _narrows;
    private readonly Linear _qkv;
    private readonly Linear _proj;

    public UnitAttention(int inChannels, int outChannels, int heads, int? window, bool narrows)
    {
        (_heads, _window, _narrows) = (heads, window, narrows);
        _qkv = Child("qkv", TokenLinear.Create(inChannels, 3 * outChannels));
        _proj = Child("proj", TokenLinear.Create(outChannels, outChannels));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var parts = _qkv.Forward(x).Chunk(3, -1);
        var q = _narrows ? parts[0].MaxPool2d(2, 2) : parts[0];
        var (h, w) = (q.Shape[1], q.Shape[2]);
        var result = Heads.Split(Tokens(q, _narrows ? _window / 2 : _window), _heads)
            .Attention(Heads.Split(Tokens(parts[1], _window), _heads), Heads.Split(Tokens(parts[2], _window), _heads)).Join();
        result = _proj.Forward(result);
        return _window is { } window ? result.FromWindows(_narrows ? window / 2 : window, h, w) : result.ToMap(h, w);
    }

    private static Tensor Tokens(Tensor map, int? window) => window is { } side ? map.ToWindows(side) : map.ToTokens();
}
