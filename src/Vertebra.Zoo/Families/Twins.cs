using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Twins: PCPVT, a pyramid of transformers with positions from convolutions, and SVT, where attention in windows alternates with
/// attention to a smaller map (Chu et al. 2021). Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class Twins : Backbone
{
    private readonly TwinsSpec _spec;
    private readonly ModuleList<PatchEmbed> _embeds;
    private readonly ModuleList<ModuleList<TwinsBlock>> _blocks;
    private readonly ModuleList<PositionConvolution> _positions;
    private readonly ModuleList<Identity> _levels;
    private readonly NormLayer _norm;
    private readonly Dropout _drop;
    private GlobalPool _pool;
    private Module _classifier;

    internal Twins(TwinsSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException("output_stride cannot be chosen for Twins: its pyramid is fixed at 32");
        (_spec, _pool) = (spec, CheckPool(options.GlobalPool ?? GlobalPool.Avg));
        _embeds = Child("patch_embeds", new ModuleList<PatchEmbed>(Enumerable.Range(0, 4).Select(i =>
            new PatchEmbed(i == 0 ? InChans : spec.Widths[i - 1], spec.Widths[i], i == 0 ? 4 : 2, norm: new LayerNorm(spec.Widths[i]), flatten: false))));
        var (index, count) = (0, spec.Depths.Sum());
        _blocks = Child("blocks", new ModuleList<ModuleList<TwinsBlock>>(Enumerable.Range(0, 4).Select(stage =>
            new ModuleList<TwinsBlock>(Enumerable.Range(0, spec.Depths[stage]).Select(i =>
                new TwinsBlock(spec, stage, i, Widths.DropPathRate(options.DropPathRate, index++, count))).ToArray())).ToArray()));
        _positions = Child("pos_block", new ModuleList<PositionConvolution>(spec.Widths.Select(w => new PositionConvolution(w))));
        // The field's name for the feature levels, which are nowhere the output of one module.
        _levels = Child("block", new ModuleList<Identity>(spec.Widths.Select(_ => new Identity())));
        _norm = Child("norm", new LayerNorm(NumFeatures, 1e-6f));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _classifier = Child("head", TokenLinear.Classifier(NumFeatures, NumClasses));
        FeatureInfo = [.. spec.Widths.Select((w, i) => new FeatureInfo(i, w, 4 << i, $"block.{i}"))];
    }

    public static Family Family { get; } = new(
        "twins",
        "Chu et al.: Twins: revisiting the design of spatial attention in vision transformers, NeurIPS 2021, arXiv:2104.13840",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "twins", [("in1k", new() { FixedInputSize = true, PoolSize = [], CropPct = 0.9f, License = "apache-2.0" })], "head", "patch_embeds.0.proj", options => new Twins(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Attention within windows alternates with attention to a subsampled map of the whole image, which needs no shifts. A convolution after the first block of each stage encodes positions from content.",
    };

    public override int NumFeatures => _spec.Widths[^1];

    public override IReadOnlyList<FeatureInfo> FeatureInfo { get; }

    public override string Classifier => "head";

    public override string FirstConv => "patch_embeds.0.proj";

    /// <summary>The last stage's tokens [N, L, <see cref="NumFeatures"/>].</summary>
    protected override Tensor OnForwardFeatures(Tensor x)
    {
        for (var stage = 0; stage < 4; stage++)
        {
            x = _embeds.Modules[stage].Forward(x);
            foreach (var (i, block) in _blocks.Modules[stage].Modules.Index())
            {
                x = block.Forward(x);
                if (i == 0)
                    x = _positions.Modules[stage].Forward(x);
            }
            x = _levels.Modules[stage].Forward(x);
        }
        return _norm.Forward(x.ToTokens());
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(_pool == GlobalPool.Avg ? features.Mean([1]) : features);
        return preLogits ? x : _classifier.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        _pool = CheckPool(pool ?? _pool);
        _classifier = Replace("head", TokenLinear.Classifier(NumFeatures, numClasses));
    }

    private static GlobalPool CheckPool(GlobalPool pool) => pool is GlobalPool.Avg or GlobalPool.None ? pool
        : throw new VertebraException($"global_pool {pool.NameOf()} does not fit Twins; use avg or none");

    private static (string Name, TwinsSpec Spec)[] Rows()
    {
        TwinsSpec Pcpvt(IntList depths) => new([64, 128, 320, 512], depths, [1, 2, 5, 8]) { Ratios = [8, 8, 4, 4] };
        TwinsSpec Svt(int width, IntList depths) => new([width, 2 * width, 4 * width, 8 * width], depths, [width / 32, width / 16, width / 8, width / 4]) { Window = 7 };
        return
        [
            ("twins_pcpvt_small", Pcpvt([3, 4, 6, 3])), ("twins_pcpvt_base", Pcpvt([3, 4, 18, 3])), ("twins_pcpvt_large", Pcpvt([3, 8, 27, 3])),
            ("twins_svt_small", Svt(64, [2, 2, 10, 4])), ("twins_svt_base", Svt(96, [2, 2, 18, 2])), ("twins_svt_large", Svt(128, [2, 2, 18, 2])),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">By stage.</param>
/// <param name="Depths">Blocks by stage.</param>
/// <param name="Heads">By stage.</param>
internal sealed record TwinsSpec(IntList Widths, IntList Depths, IntList Heads)
{
    /// <summary>Hidden width of the MLPs relative to the stage's, by stage.</summary>
    public IntList Ratios { get; init; } = [4, 4, 4, 4];

    /// <summary>Side of the windows of every first, third ... block; null: all blocks attend to a smaller map.</summary>
    public int? Window { get; init; }
}

/// <summary>Attention and MLP over a map, each normalised before and added to a shortcut.</summary>
internal sealed class TwinsBlock : Module
{
    private readonly NormLayer _norm1;
    private readonly Module _attn;
    private readonly DropPath? _dropPath1;
    private readonly NormLayer _norm2;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPath2;

    public TwinsBlock(TwinsSpec spec, int stage, int index, float dropPathRate)
    {
        var (width, heads) = (spec.Widths[stage], spec.Heads[stage]);
        _norm1 = Child("norm1", new LayerNorm(width, 1e-6f));
        _attn = Child<Module>("attn", spec.Window is { } window && index % 2 == 0
            ? new LocalAttention(width, heads, window)
            : new ReducedAttention(width, heads, 8 >> stage));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(width, 1e-6f));
        _mlp = Child("mlp", new TokenMlp(width, spec.Ratios[stage] * width));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _attn.Forward(_norm1.Forward(x));
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _mlp.Forward(_norm2.Forward(x));
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}

/// <summary>Attention inside windows of a map; the map is padded with zeros to whole windows, and these take part.</summary>
internal sealed class LocalAttention : Module
{
    private readonly bool _projectsWindows;
    private readonly int _heads;
    private readonly int _window;
    private readonly Linear _qkv;
    private readonly Linear _proj;

    /// <param name="width">Channels.</param>
    /// <param name="heads">A divisor of them.</param>
    /// <param name="window">Side of a window.</param>
    /// <param name="projectsWindows">The last layer comes before the padding is cut off rather than after.</param>
    public LocalAttention(int width, int heads, int window, bool projectsWindows = false)
    {
        (_heads, _window, _projectsWindows) = (heads, window, projectsWindows);
        _qkv = Child("qkv", TokenLinear.Create(width, 3 * width));
        _proj = Child("proj", TokenLinear.Create(width, width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (h, w) = (x.Shape[1], x.Shape[2]);
        var padded = x.PadToWindows(_window);
        var result = Heads.Attend(_qkv.Forward(padded.ToWindows(_window)), _heads);
        if (_projectsWindows)
            result = _proj.Forward(result);
        var map = result.FromWindows(_window, padded.Shape[1], padded.Shape[2]).Crop(h, w);
        return _projectsWindows ? map : _proj.Forward(map);
    }
}

/// <summary>Positions from the surroundings: a depthwise 3x3 convolution added to its input (Chu et al. 2021, conditional positional encoding).</summary>
internal sealed class PositionConvolution : Module
{
    private readonly Sequential _proj;

    public PositionConvolution(int width) => _proj = Child("proj", new Sequential(
        new Conv2d(width, width, 3, 1, 1, groups: width, initialiser: Init.Normal(MathF.Sqrt(2f / 9)), biasInitialiser: Init.Zeros)));

    protected override Tensor OnForward(Tensor x) => _proj.Forward(x) + x;
}
