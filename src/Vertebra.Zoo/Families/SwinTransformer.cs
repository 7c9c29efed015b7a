using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Swin: attention inside windows that shift from block to block, over maps that halve from stage to stage (Liu et al. 2021); S3
/// variants with searched windows (Chen et al. 2021). Swin V2 has the same stages of other blocks: SwinTransformerV2.cs. Names,
/// state-dict keys and defaults follow timm.
/// </summary>
public sealed class SwinTransformer : Backbone
{
    private readonly PatchEmbed _embed;
    private readonly Sequential _layers;
    private readonly NormLayer _norm;
    private readonly ClassifierHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal SwinTransformer(SwinSpec spec, int side, ModelOptions options) : base(options)
    {
        SwinSpec.Refuse(options);
        _embed = Child("patch_embed", new PatchEmbed(InChans, spec.Width, 4, norm: new LayerNorm(spec.Width), flatten: false));
        var (map, resolution) = ((options.ImgSize ?? side) / 4, (options.ImgSize ?? side) / 4);
        var index = 0;
        var layers = new Module[4];
        for (var i = 0; i < 4; i++)
        {
            var width = spec.Width << i;
            var window = spec.Windows[Math.Min(i, spec.Windows.Count - 1)];
            if (i > 0)
                (map, resolution) = ((map + 1) / 2, resolution / 2);
            var blocks = new Module[spec.Depths[i]];
            for (var b = 0; b < blocks.Length; b++, index++)
            {
                var windows = SwinSpec.Place(map, resolution, window, b % 2 == 1);
                var rate = Widths.DropPathRate(options.DropPathRate, index, spec.Depths.Sum());
                blocks[b] = spec.IsSecond
                    ? new SwinV2Block(width, width / 32, windows, spec.TrainedWindows[i], rate)
                    : new SwinBlock(width, width / 32, windows, rate);
            }
            Module downsample = i == 0 ? new Identity() : new PatchMerging(width / 2, width, normFirst: !spec.IsSecond);
            layers[i] = new Sequential([("downsample", downsample), ("blocks", new Sequential(blocks))]);
            _features.Add(new(i, width, 4 << i, $"layers.{i}"));
        }
        _layers = Child("layers", new Sequential(layers));
        _norm = Child("norm", new LayerNorm(NumFeatures));
        _head = Child("head", new ClassifierHead(NumFeatures, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate, Init.TruncatedNormal(0.02f)));
    }

    public static Family Family { get; } = new(
        "swin",
        "Liu et al.: Swin transformer: hierarchical vision transformer using shifted windows, ICCV 2021, arXiv:2103.14030",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "swin", r.Tags, "head.fc", "patch_embed.proj", options => new SwinTransformer(r.Spec, r.Tags[0].Config.InputSize.Height, options)))],
        Aliases())
    {
        Idea = "Attention is taken within small windows that shift from block to block, so that its cost is linear in the number of pixels and neighbours still meet. Merging patches between stages gives the pyramid that dense tasks want.",
    };

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv => "patch_embed.proj";

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes) => PositionTables.Adapt(this, state, notes);

    protected override Tensor OnForwardFeatures(Tensor x) => _norm.Forward(_layers.Forward(_embed.Forward(x)));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    private static IEnumerable<(string Name, SwinSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)> Rows()
    {
        var config = new PretrainedConfig { FixedInputSize = true, CropPct = 0.9f, License = "mit" };
        var large = config.At(384) with { CropPct = 1 };
        IntList shallow = [2, 2, 6, 2], deep = [2, 2, 18, 2];
        yield return ("swin_tiny_patch4_window7_224", new(96, shallow, [7]), [("ms_in1k", config), ("ms_in22k_ft_in1k", config), ("ms_in22k", With22k(config))]);
        yield return ("swin_small_patch4_window7_224", new(96, deep, [7]), Tags(config, tunedAlone: false));
        yield return ("swin_base_patch4_window7_224", new(128, deep, [7]), Tags(config, tunedAlone: false));
        yield return ("swin_base_patch4_window12_384", new(128, deep, [12]), Tags(large, tunedAlone: false));
        yield return ("swin_large_patch4_window7_224", new(192, deep, [7]), Tags(config, tunedAlone: true));
        yield return ("swin_large_patch4_window12_384", new(192, deep, [12]), Tags(large, tunedAlone: true));
        (string, PretrainedConfig)[] s3 = [("ms_in1k", config)];
        yield return ("swin_s3_tiny_224", new(96, shallow, [7, 7, 14, 7]), s3);
        yield return ("swin_s3_small_224", new(96, deep, [14, 14, 14, 7]), s3);
        yield return ("swin_s3_base_224", new(96, [2, 2, 30, 2], [7, 7, 14, 7]), s3);

        static PretrainedConfig With22k(PretrainedConfig config) => config with { NumClasses = 21841 };

        static (string, PretrainedConfig)[] Tags(PretrainedConfig config, bool tunedAlone) => tunedAlone
            ? [("ms_in22k_ft_in1k", config), ("ms_in22k", With22k(config))]
            : [("ms_in22k_ft_in1k", config), ("ms_in1k", config), ("ms_in22k", With22k(config))];
    }

    private static Dictionary<string, string> Aliases() =>
        new[] { "swin_base_patch4_window7_224", "swin_base_patch4_window12_384", "swin_large_patch4_window7_224", "swin_large_patch4_window12_384" }
            .ToDictionary(name => $"{name}_in22k", name => $"{name}.ms_in22k");
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels of the first stage; they double from stage to stage, and a head has 32.</param>
/// <param name="Depths">Blocks by stage.</param>
/// <param name="Windows">Sides of the windows by stage, or one for all.</param>
internal sealed record SwinSpec(int Width, IntList Depths, IntList Windows)
{
    /// <summary>The design of Swin V2.</summary>
    public bool IsSecond { get; init; }

    /// <summary>Of Swin V2: sides of the windows that the weights were trained with, by stage; 0: the same.</summary>
    public IntList TrainedWindows { get; init; } = [0, 0, 0, 0];

    /// <summary>A map that one window covers has that one window and no shift.</summary>
    /// <param name="map">Side of the map.</param>
    /// <param name="resolution">The same, rounded down where the map was padded.</param>
    /// <param name="window">Side of a window, where the map is larger.</param>
    /// <param name="shifts">Whether the block shifts.</param>
    public static ShiftedWindows Place(int map, int resolution, int window, bool shifts) =>
        new(map, Math.Max(1, Math.Min(resolution, window)), shifts && resolution > window ? window / 2 : 0);

    public static void Refuse(ModelOptions options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException("output_stride cannot be chosen for Swin: its windows are cut for a pyramid down to 32");
    }
}

/// <summary>Attention in windows and MLP, each normalised before and added to a shortcut.</summary>
internal sealed class SwinBlock : Module
{
    private readonly ShiftedWindows _windows;
    private readonly NormLayer _norm1;
    private readonly WindowAttention _attn;
    private readonly DropPath? _dropPath1;
    private readonly NormLayer _norm2;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPath2;

    public SwinBlock(int width, int heads, ShiftedWindows windows, float dropPathRate)
    {
        _windows = windows;
        _norm1 = Child("norm1", new LayerNorm(width));
        _attn = Child("attn", new WindowAttention(width, heads, windows));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(width));
        _mlp = Child("mlp", new TokenMlp(width, 4 * width));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
        if (windows.Mask is { } mask)
            Buffer("attn_mask", mask, persistent: false);
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _windows.Join(_attn.Forward(_windows.Cut(_norm1.Forward(x))));
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _mlp.Forward(_norm2.Forward(x));
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}

/// <summary>Attention inside windows [N · windows, L, C] with a learned bias per displacement and head.</summary>
internal sealed class WindowAttention : Module
{
    private readonly ShiftedWindows _windows;
    private readonly int _heads;
    private readonly Tensor _table;
    private readonly Tensor _index;
    private readonly Linear _qkv;
    private readonly Linear _proj;

    public WindowAttention(int width, int heads, ShiftedWindows windows)
    {
        (_windows, _heads) = (windows, heads);
        _table = Parameter("relative_position_bias_table", [RelativePositions.Distances(windows.Window), heads], Init.TruncatedNormal(0.02f));
        _index = Buffer("relative_position_index", RelativePositions.Index(windows.Window, classToken: false), persistent: false);
        _qkv = Child("qkv", TokenLinear.Create(width, 3 * width));
        _proj = Child("proj", TokenLinear.Create(width, width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        return _proj.Forward(_windows.Attend(_qkv.Forward(x), _heads, RelativePositions.Bias(_table, _index)));
    }
}

/// <summary>Four neighbouring pixels become one of other width, by a linear layer with a norm before or after it.</summary>
internal sealed class PatchMerging : Module
{
    private readonly bool _normFirst;
    private readonly NormLayer _norm;
    private readonly Linear _reduction;

    public PatchMerging(int inChannels, int outChannels, bool normFirst)
    {
        _normFirst = normFirst;
        if (normFirst)
            _norm = Child("norm", new LayerNorm(4 * inChannels));
        _reduction = Child("reduction", new Linear(4 * inChannels, outChannels, bias: false, Init.TruncatedNormal(0.02f)));
        _norm ??= Child("norm", new LayerNorm(outChannels));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (h, w) = (x.Shape[1], x.Shape[2]);
        if (h % 2 != 0 || w % 2 != 0)
            x = x.Pad([0, 0, 0, 0], [0, h % 2, w % 2, 0]);
        var (n, c) = (x.Shape[0], x.Shape[3]);
        (h, w) = (x.Shape[1] / 2, x.Shape[2] / 2);
        // Of the four, those above one another lie side by side.
        x = x.Reshape([n, h, 2, w, 2, c]).Permute([0, 1, 3, 4, 2, 5]).Reshape([n, h, w, 4 * c]);
        return _normFirst ? _reduction.Forward(_norm.Forward(x)) : _norm.Forward(_reduction.Forward(x));
    }
}
