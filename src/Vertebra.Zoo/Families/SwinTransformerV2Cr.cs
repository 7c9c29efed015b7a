using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Swin V2 as timm built it from the paper alone, after Christoph Reich's code: an MLP over the logarithm of each pair's displacement,
/// norms on the main branch in place of the last one. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class SwinTransformerV2Cr : Backbone
{
    private readonly PatchEmbed _embed;
    private readonly Sequential _stages;
    private readonly ClassifierHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal SwinTransformerV2Cr(SwinCrSpec spec, int side, ModelOptions options) : base(options)
    {
        SwinSpec.Refuse(options);
        _embed = Child("patch_embed", new PatchEmbed(InChans, spec.Width, 4, norm: new LayerNorm(spec.Width), flatten: false));
        var (map, resolution) = ((options.ImgSize ?? side) / 4, (options.ImgSize ?? side) / 4);
        var (window, index) = (Math.Max(1, map / 8), 0);
        var stages = new Module[4];
        for (var i = 0; i < 4; i++)
        {
            var width = spec.Width << i;
            if (i > 0)
                (map, resolution) = ((map + 1) / 2, resolution / 2);
            var blocks = new Module[spec.Depths[i]];
            for (var b = 0; b < blocks.Length; b++, index++)
            {
                var windows = SwinSpec.Place(map, resolution, window, b % 2 == 1);
                var rate = Widths.DropPathRate(options.DropPathRate, index, spec.Depths.Sum());
                blocks[b] = new SwinCrBlock(width, spec.Heads << i, windows, spec.NormsAfter(i, b), rate);
            }
            Module downsample = i == 0 ? new Identity() : new PatchMerging(width / 2, width, normFirst: true);
            stages[i] = new Sequential([("downsample", downsample), ("blocks", new Sequential(blocks))]);
            _features.Add(new(i, width, 4 << i, $"stages.{i}"));
        }
        _stages = Child("stages", new Sequential(stages));
        _head = Child("head", new ClassifierHead(NumFeatures, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate));
    }

    public static Family Family { get; } = new(
        "swin_v2_cr",
        "Liu et al.: Swin transformer V2: scaling up capacity and resolution, CVPR 2022, arXiv:2111.09883; github.com/ChristophReich1996/Swin-Transformer-V2",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "swin_v2_cr", [(r.Tag, r.Config)], "head.fc", "patch_embed.proj", options => new SwinTransformerV2Cr(r.Spec, r.Config.InputSize.Height, options)))],
        new Dictionary<string, string>())
    {
        Idea = "An independent implementation of Swin V2: cosine attention, norms after the branches, and a position bias from a small network over logarithmic coordinates. Its variants change where and how norms are placed.",
    };

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv => "patch_embed.proj";

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_embed.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    private static (string Name, string Tag, PretrainedConfig Config, SwinCrSpec Spec)[] Rows()
    {
        var config = new PretrainedConfig { FixedInputSize = true, CropPct = 0.9f, License = "apache-2.0" };
        var (whole, larger) = (config.At(256) with { CropPct = 1 }, config.At(384) with { CropPct = 1 });
        const string None = "untrained";
        SwinCrSpec tiny = new(96, 3, [2, 2, 6, 2]), small = new(96, 3, [2, 2, 18, 2]), basic = new(128, 4, [2, 2, 18, 2]), large = new(192, 6, [2, 2, 18, 2]);
        SwinCrSpec huge = new(352, 8, [2, 2, 18, 2]) { NormPeriod = 6 }, giant = new(512, 16, [2, 2, 42, 2]) { NormPeriod = 6 };
        return
        [
            ("swinv2_cr_tiny_384", None, larger, tiny),
            ("swinv2_cr_tiny_224", None, config, tiny),
            ("swinv2_cr_tiny_ns_224", "sw_in1k", config, tiny with { NormsStages = true }),
            ("swinv2_cr_small_384", None, larger, small),
            ("swinv2_cr_small_224", "sw_in1k", config, small),
            ("swinv2_cr_small_ns_224", "sw_in1k", config, small with { NormsStages = true }),
            ("swinv2_cr_small_ns_256", None, whole, small with { NormsStages = true }),
            ("swinv2_cr_base_384", None, larger, basic),
            ("swinv2_cr_base_224", None, config, basic),
            ("swinv2_cr_base_ns_224", None, config, basic with { NormsStages = true }),
            ("swinv2_cr_large_384", None, larger, large),
            ("swinv2_cr_large_224", None, config, large),
            ("swinv2_cr_huge_384", None, larger, huge with { Heads = 11 }),
            ("swinv2_cr_huge_224", None, config, huge),
            ("swinv2_cr_giant_384", None, larger, giant),
            ("swinv2_cr_giant_224", None, config, giant),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels of the first stage; they double from stage to stage.</param>
/// <param name="Heads">Of the first stage; they double too.</param>
/// <param name="Depths">Blocks by stage.</param>
internal sealed record SwinCrSpec(int Width, int Heads, IntList Depths)
{
    /// <summary>A norm on the main branch at the end of every stage, not only of the last.</summary>
    public bool NormsStages { get; init; }

    /// <summary>A norm on the main branch after so many blocks of a stage; 0: none between.</summary>
    public int NormPeriod { get; init; }

    public bool NormsAfter(int stage, int index) =>
        (NormPeriod > 0 && (index + 1) % NormPeriod == 0) || (index + 1 == Depths[stage] && (NormsStages || stage == Depths.Count - 1));
}

/// <summary>Attention in windows and MLP, each normalised afterwards and added to a shortcut, and perhaps a norm of the sum.</summary>
internal sealed class SwinCrBlock : Module
{
    private readonly ShiftedWindows _windows;
    private readonly PairedWindowAttention _attn;
    private readonly NormLayer _norm1;
    private readonly DropPath? _dropPath1;
    private readonly TokenMlp _mlp;
    private readonly NormLayer _norm2;
    private readonly DropPath? _dropPath2;
    private readonly NormLayer? _norm3;

    public SwinCrBlock(int width, int heads, ShiftedWindows windows, bool normsAfter, float dropPathRate)
    {
        _windows = windows;
        _attn = Child("attn", new PairedWindowAttention(width, heads, windows));
        // The scales start at zero, so that every block starts as its shortcut.
        _norm1 = Child("norm1", new LayerNorm(width, initialiser: Init.Zeros));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _mlp = Child("mlp", new TokenMlp(width, 4 * width));
        _norm2 = Child("norm2", new LayerNorm(width, initialiser: Init.Zeros));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
        _norm3 = normsAfter ? Child("norm3", new LayerNorm(width)) : null;
        if (windows.Mask is { } mask)
            Buffer("attn_mask", mask, persistent: false);
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _norm1.Forward(_windows.Join(_attn.Forward(_windows.Cut(x))));
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _norm2.Forward(_mlp.Forward(x));
        x += _dropPath2?.Forward(branch) ?? branch;
        return _norm3?.Forward(x) ?? x;
    }
}

/// <summary>Attention by cosines inside windows [N · windows, L, C]; the MLP of positions runs for every pair of tokens.</summary>
internal sealed class PairedWindowAttention : Module
{
    private readonly ShiftedWindows _windows;
    private readonly int _heads;
    private readonly Tensor _logScale;
    private readonly Tensor _displacements;
    private readonly Linear _qkv;
    private readonly Linear _proj;
    private readonly Sequential _biasMlp;

    public PairedWindowAttention(int width, int heads, ShiftedWindows windows)
    {
        (_windows, _heads) = (windows, heads);
        _logScale = Parameter("logit_scale", [heads], Init.Constant(MathF.Log(10)));
        _displacements = Buffer("relative_coordinates_log", LogDisplacements(windows.Window), persistent: false);
        _qkv = Child("qkv", new Linear(width, 3 * width));
        _proj = Child("proj", new Linear(width, width));
        _biasMlp = Child("meta_mlp", new Sequential(
        [
            ("fc1", new Linear(2, 384)), ("act", new ActivationLayer(ActivationKind.Relu)), ("drop1", new Dropout(0.125f)), ("fc2", new Linear(384, heads)),
        ]));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var area = x.Shape[1];
        var (q, k, v) = Heads.Split3(_qkv.Forward(x), _heads);
        q = Cosines.Unit(q) * Cosines.Scale(_logScale).Reshape([_heads, 1, 1]);
        var bias = _biasMlp.Forward(_displacements).Transpose(0, 1).Reshape([1, _heads, area, area]);
        return _proj.Forward(_windows.Attend(q, Cosines.Unit(k), v, bias, scale: 1).Join());
    }

    // Query minus key, row by row of the score matrix, on a logarithmic scale with sign.
    private static Tensor LogDisplacements(int window)
    {
        var area = window * window;
        return PositionTables.Make([area * area, 2], i =>
        {
            var (query, key) = (i / 2 / area, i / 2 % area);
            var distance = i % 2 == 0 ? (query / window) - (key / window) : (query % window) - (key % window);
            return MathF.Sign(distance) * MathF.Log(1 + MathF.Abs(distance));
        });
    }
}
