using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// FocalNet: in place of attention each pixel is scaled by its context, gathered by depthwise convolutions of growing size and weighed by
/// gates (Yang et al. 2022). Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class FocalNet : PooledBackbone
{
    private readonly FocalDownsample _stem;
    private readonly Sequential _layers;
    private readonly NormLayer _norm;

    internal FocalNet(FocalNetSpec spec, ModelOptions options) : base(options, "stem.proj", "head.fc")
    {
        RefuseOutputStride(options, "FocalNet");
        _stem = Child("stem", new FocalDownsample(InChans, spec.Width, 4, spec.IsLarge));
        var (index, count) = (0, spec.Depths.Sum());
        var layers = new Module[4];
        for (var i = 0; i < 4; i++)
        {
            var width = spec.Width << i;
            var blocks = new Module[spec.Depths[i]];
            for (var b = 0; b < blocks.Length; b++, index++)
                blocks[b] = new FocalNetBlock(spec, width, Widths.DropPathRate(options.DropPathRate, index, count));
            Module downsample = i == 0 ? new Identity() : new FocalDownsample(width / 2, width, 2, spec.IsLarge);
            layers[i] = new Sequential([("downsample", downsample), ("blocks", new Sequential(blocks))]);
            AddFeature(width, 4 << i, $"layers.{i}");
        }
        _layers = Child("layers", new Sequential(layers));
        _norm = Child("norm", new LayerNorm(spec.Width << 3));
        AddHead(spec.Width << 3, options, initialiser: FocalNetBlock.Start);
    }

    public static Family Family { get; } = new(
        "focalnet",
        "Yang et al.: Focal modulation networks, NeurIPS 2022, arXiv:2203.11926",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "focalnet", [(r.Tag, r.Config)], "head.fc", "stem.proj", options => new FocalNet(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Instead of attention, each query is multiplied by context gathered through a hierarchy of depthwise convolutions with gates. It looks from near to far at linear cost, and needs no softmax over pairs of tokens.",
    };

    protected override Tensor OnForwardFeatures(Tensor x) => _norm.Forward(_layers.Forward(_stem.Forward(x)));

    private static (string Name, string Tag, FocalNetSpec Spec, PretrainedConfig Config)[] Rows()
    {
        var config = new PretrainedConfig { CropPct = 0.9f, License = "mit" };
        var all = config with { NumClasses = 21842 };
        var wide = all.At(384).Crop(1);
        IntList shallow = [2, 2, 6, 2], deep = [2, 2, 18, 2];
        return
        [
            ("focalnet_tiny_srf", "ms_in1k", new(96, shallow, 2), config),
            ("focalnet_small_srf", "ms_in1k", new(96, deep, 2), config),
            ("focalnet_base_srf", "ms_in1k", new(128, deep, 2), config),
            ("focalnet_tiny_lrf", "ms_in1k", new(96, shallow, 3), config),
            ("focalnet_small_lrf", "ms_in1k", new(96, deep, 3), config),
            ("focalnet_base_lrf", "ms_in1k", new(128, deep, 3), config),
            ("focalnet_large_fl3", "ms_in22k", new(192, deep, 3) { Window = 5, IsLarge = true }, wide),
            ("focalnet_large_fl4", "ms_in22k", new(192, deep, 4) { IsLarge = true }, wide),
            ("focalnet_xlarge_fl3", "ms_in22k", new(256, deep, 3) { Window = 5, IsLarge = true }, wide),
            ("focalnet_xlarge_fl4", "ms_in22k", new(256, deep, 4) { IsLarge = true }, wide),
            ("focalnet_huge_fl3", "ms_in22k", new(352, deep, 3) { IsLarge = true, NormsModulator = true }, all),
            ("focalnet_huge_fl4", "ms_in22k", new(352, deep, 4) { IsLarge = true, NormsModulator = true }, config with { NumClasses = 0 }),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels of the first stage; they double from stage to stage.</param>
/// <param name="Depths">Blocks by stage.</param>
/// <param name="Levels">Convolutions that gather context, one on another.</param>
internal sealed record FocalNetSpec(int Width, IntList Depths, int Levels)
{
    /// <summary>Side of the first level's kernel; each level's is two pixels larger.</summary>
    public int Window { get; init; } = 3;

    /// <summary>The form of the large variants: overlapping downsampling, branches normalised after, not before, and scaled.</summary>
    public bool IsLarge { get; init; }

    /// <summary>The modulated pixels are normalised too.</summary>
    public bool NormsModulator { get; init; }
}

/// <summary>A convolution that shrinks the map, and a norm.</summary>
internal sealed class FocalDownsample : Module
{
    private readonly Conv2d _proj;
    private readonly NormLayer _norm;

    public FocalDownsample(int inChannels, int outChannels, int stride, bool overlaps)
    {
        var (kernel, padding) = !overlaps ? (stride, 0) : stride == 4 ? (7, 2) : (3, 1);
        _proj = Child("proj", new Conv2d(inChannels, outChannels, kernel, stride, padding, initialiser: FocalNetBlock.Start, biasInitialiser: Init.Zeros));
        _norm = Child("norm", new LayerNorm(outChannels));
    }

    protected override Tensor OnForward(Tensor x) => _norm.Forward(_proj.Forward(x));
}

/// <summary>Focal modulation and an MLP over a map [N, H, W, C], each normalised, perhaps scaled, and added to a shortcut.</summary>
internal sealed class FocalNetBlock : Module
{
    private const float FirstScale = 1e-4f;
    private readonly NormLayer? _norm1;
    private readonly FocalModulation _modulation;
    private readonly NormLayer? _norm1Post;
    private readonly LayerScale? _scale1;
    private readonly DropPath? _dropPath1;
    private readonly NormLayer? _norm2;
    private readonly TokenMlp _mlp;
    private readonly NormLayer? _norm2Post;
    private readonly LayerScale? _scale2;
    private readonly DropPath? _dropPath2;

    public FocalNetBlock(FocalNetSpec spec, int width, float dropPathRate)
    {
        _norm1 = Norm("norm1", !spec.IsLarge);
        _modulation = Child("modulation", new FocalModulation(spec, width));
        _norm1Post = Norm("norm1_post", spec.IsLarge);
        _scale1 = Scale("ls1");
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Norm("norm2", !spec.IsLarge);
        _mlp = Child("mlp", new TokenMlp(width, 4 * width, useConv: true));
        _norm2Post = Norm("norm2_post", spec.IsLarge);
        _scale2 = Scale("ls2");
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;

        NormLayer? Norm(string name, bool isWanted) => isWanted ? Child(name, new LayerNorm(width)) : null;

        LayerScale? Scale(string name) => spec.IsLarge ? Child(name, new LayerScale(width, FirstScale)) : null;
    }

    public static Initialiser Start { get; } = Init.TruncatedNormal(0.02f);

    protected override Tensor OnForward(Tensor x)
    {
        x = Add(x, _modulation.Forward(_norm1?.Forward(x) ?? x), _norm1Post, _scale1, _dropPath1);
        return Add(x, _mlp.Forward(_norm2?.Forward(x) ?? x), _norm2Post, _scale2, _dropPath2);
    }

    private static Tensor Add(Tensor shortcut, Tensor branch, NormLayer? norm, LayerScale? scale, DropPath? dropPath)
    {
        branch = norm?.Forward(branch) ?? branch;
        branch = scale?.Forward(branch) ?? branch;
        return shortcut + (dropPath?.Forward(branch) ?? branch);
    }
}

/// <summary>
/// One layer <c>f</c> makes of each pixel a query, a start of its context and a gate for each level; the gated contexts of all levels,
/// the whole image's mean the last, pass <c>h</c> and scale the query.
/// </summary>
internal sealed class FocalModulation : Module
{
    private readonly int _width;
    private readonly int _levels;
    private readonly Conv2d _f;
    private readonly Conv2d _h;
    private readonly ActivationLayer _act;
    private readonly Conv2d _proj;
    private readonly ModuleList<Sequential> _focal;
    private readonly NormLayer? _norm;

    public FocalModulation(FocalNetSpec spec, int width)
    {
        (_width, _levels) = (width, spec.Levels);
        _f = Child("f", Pointwise((2 * width) + _levels + 1));
        _h = Child("h", Pointwise(width));
        _act = Child("act", new ActivationLayer(ActivationKind.Gelu));
        _proj = Child("proj", Pointwise(width));
        _focal = Child("focal_layers", new ModuleList<Sequential>(Enumerable.Range(0, _levels).Select(k => Gather(spec.Window + (2 * k)))));
        _norm = spec.NormsModulator ? Child("norm", new LayerNorm(width)) : null;

        Conv2d Pointwise(int outChannels) => new(width, outChannels, 1, initialiser: FocalNetBlock.Start, biasInitialiser: Init.Zeros);

        Sequential Gather(int kernel) => new(
            new Conv2d(width, width, kernel, 1, kernel / 2, groups: width, bias: false, initialiser: FocalNetBlock.Start), new ActivationLayer(ActivationKind.Gelu));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var parts = _f.Forward(x).Split([_width, _width, _levels + 1], -1);
        var (query, context, gates) = (parts[0], parts[1], parts[2]);
        Tensor? sum = null;
        for (var level = 0; level < _levels; level++)
        {
            context = _focal.Modules[level].Forward(context);
            var gated = context * gates.Slice(-1, level, level + 1);
            sum = sum is null ? gated : sum + gated;
        }
        var whole = _act.Forward(context.Mean([1, 2], keepAxes: true)) * gates.Slice(-1, _levels, _levels + 1);
        x = query * _h.Forward(sum is null ? whole : sum + whole);
        return _proj.Forward(_norm?.Forward(x) ?? x);
    }
}
