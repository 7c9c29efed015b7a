using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Swin V2: norms after the branches, attention by cosines, and biases that an MLP makes of the displacement, so that windows can
/// grow after training (Liu et al. 2022). Names, state-dict keys and defaults follow timm.
/// </summary>
public static class SwinTransformerV2
{
    public static Family Family { get; } = new(
        "swin_v2",
        "Liu et al.: Swin transformer V2: scaling up capacity and resolution, CVPR 2022, arXiv:2111.09883",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "swin_v2", r.Tags, "head.fc", "patch_embed.proj", options => new SwinTransformer(r.Spec, r.Tags[0].Config.InputSize.Height, options)))],
        Aliases())
    {
        Idea = "Swin is made stable at large scale: norms follow the branches, attention compares directions by a scaled cosine, and a small network gives the position bias. That bias is in logarithmic coordinates, so that it carries over to other windows.",
    };

    private static IEnumerable<(string Name, SwinSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)> Rows()
    {
        var config = new PretrainedConfig { FixedInputSize = true, CropPct = 0.9f, License = "mit" };
        (string, PretrainedConfig)[] own = [("ms_in1k", config.At(256))];
        foreach (var window in new[] { 8, 16 })
        {
            yield return ($"swinv2_tiny_window{window}_256", Second(96, [2, 2, 6, 2], window), own);
            yield return ($"swinv2_small_window{window}_256", Second(96, [2, 2, 18, 2], window), own);
            yield return ($"swinv2_base_window{window}_256", Second(128, [2, 2, 18, 2], window), own);
        }
        foreach (var (size, width) in new[] { ("base", 128), ("large", 192) })
        {
            var spec = Second(width, [2, 2, 18, 2], 12);
            IntList trained = [12, 12, 12, 6];
            yield return ($"swinv2_{size}_window12_192", spec, [("ms_in22k", config.At(192) with { NumClasses = 21841 })]);
            yield return ($"swinv2_{size}_window12to16_192to256", spec with { Windows = [16], TrainedWindows = trained }, [("ms_in22k_ft_in1k", config.At(256))]);
            yield return ($"swinv2_{size}_window12to24_192to384", spec with { Windows = [24], TrainedWindows = trained }, [("ms_in22k_ft_in1k", config.At(384) with { CropPct = 1 })]);
        }

        static SwinSpec Second(int width, IntList depths, int window) => new(width, depths, [window]) { IsSecond = true };
    }

    private static Dictionary<string, string> Aliases()
    {
        var aliases = new Dictionary<string, string>();
        foreach (var size in new[] { "base", "large" })
        {
            aliases[$"swinv2_{size}_window12_192_22k"] = $"swinv2_{size}_window12_192.ms_in22k";
            aliases[$"swinv2_{size}_window12to16_192to256_22kft1k"] = $"swinv2_{size}_window12to16_192to256.ms_in22k_ft_in1k";
            aliases[$"swinv2_{size}_window12to24_192to384_22kft1k"] = $"swinv2_{size}_window12to24_192to384.ms_in22k_ft_in1k";
        }
        return aliases;
    }
}

/// <summary>Attention in windows and MLP, each normalised afterwards and added to a shortcut.</summary>
internal sealed class SwinV2Block : Module
{
    private readonly ShiftedWindows _windows;
    private readonly CosineWindowAttention _attn;
    private readonly NormLayer _norm1;
    private readonly DropPath? _dropPath1;
    private readonly TokenMlp _mlp;
    private readonly NormLayer _norm2;
    private readonly DropPath? _dropPath2;

    /// <param name="width">Channels.</param>
    /// <param name="heads">A divisor of them.</param>
    /// <param name="windows">Where the windows lie.</param>
    /// <param name="trainedWindow">Side of the windows at training; 0: the same.</param>
    /// <param name="dropPathRate">Stochastic depth.</param>
    public SwinV2Block(int width, int heads, ShiftedWindows windows, int trainedWindow, float dropPathRate)
    {
        _windows = windows;
        _attn = Child("attn", new CosineWindowAttention(width, heads, windows, trainedWindow));
        // The scales start at zero, so that every block starts as its shortcut.
        _norm1 = Child("norm1", new LayerNorm(width, initialiser: Init.Zeros));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _mlp = Child("mlp", new TokenMlp(width, 4 * width));
        _norm2 = Child("norm2", new LayerNorm(width, initialiser: Init.Zeros));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
        if (windows.Mask is { } mask)
            Buffer("attn_mask", mask, persistent: false);
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _norm1.Forward(_windows.Join(_attn.Forward(_windows.Cut(x))));
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _norm2.Forward(_mlp.Forward(x));
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}

/// <summary>Attention by cosines inside windows [N · windows, L, C], each head with its own temperature.</summary>
internal sealed class CosineWindowAttention : Module
{
    private readonly ShiftedWindows _windows;
    private readonly int _heads;
    private readonly Tensor _logScale;
    private readonly Tensor _qBias;
    private readonly Tensor _vBias;
    private readonly Tensor _kBias;
    private readonly Tensor _displacements;
    private readonly Tensor _index;
    private readonly Sequential _biasMlp;
    private readonly Linear _qkv;
    private readonly Linear _proj;

    public CosineWindowAttention(int width, int heads, ShiftedWindows windows, int trainedWindow)
    {
        (_windows, _heads) = (windows, heads);
        _logScale = Parameter("logit_scale", [heads, 1, 1], Init.Constant(MathF.Log(10)));
        _qBias = Parameter("q_bias", [width], Init.Zeros);
        _vBias = Parameter("v_bias", [width], Init.Zeros);
        _kBias = Buffer("k_bias", Construction.Zeros([width]), persistent: false);
        _displacements = Buffer("relative_coords_table", LogDisplacements(windows.Window, trainedWindow > 0 ? trainedWindow : windows.Window), persistent: false);
        _index = Buffer("relative_position_index", RelativePositions.Index(windows.Window, classToken: false), persistent: false);
        _biasMlp = Child("cpb_mlp", new Sequential(
            TokenLinear.Create(2, 512), new ActivationLayer(ActivationKind.Relu), TokenLinear.Create(512, heads, bias: false)));
        _qkv = Child("qkv", TokenLinear.Create(width, 3 * width, bias: false));
        _proj = Child("proj", TokenLinear.Create(width, width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (q, k, v) = Heads.Split3(x.Linear(_qkv.Weight, Tensor.Concat([_qBias, _kBias, _vBias], 0)), _heads);
        q = Cosines.Unit(q) * Cosines.Scale(_logScale);
        var bias = RelativePositions.Bias(_biasMlp.Forward(_displacements), _index).Sigmoid() * 16;
        return _proj.Forward(_windows.Attend(q, Cosines.Unit(k), v, bias, scale: 1).Join());
    }

    // Displacements as shares of the window at training, eightfold, on a logarithmic scale with sign.
    private static Tensor LogDisplacements(int window, int trained)
    {
        var side = (2 * window) - 1;
        return PositionTables.Make([side * side, 2], i =>
        {
            var distance = (i % 2 == 0 ? i / 2 / side : i / 2 % side) - window + 1;
            var share = 8f * distance / Math.Max(1, trained - 1);
            return MathF.Sign(share) * MathF.Log2(MathF.Abs(share) + 1) / 3;
        });
    }
}

/// <summary>Attention by cosines (Liu et al. 2022): unit queries and keys, and a learned temperature.</summary>
internal static class Cosines
{
    private const float LargestLogScale = 4.6051702f; // ln 100

    /// <summary>Vectors of length 1 along the last axis.</summary>
    public static Tensor Unit(Tensor x) => x / x.Square().Sum([-1], keepAxes: true).Sqrt().Clamp(1e-12f, float.PositiveInfinity);

    /// <summary>The factor of the cosines, at most 100, of its learned logarithm.</summary>
    public static Tensor Scale(Tensor logScale) => logScale.Clamp(float.NegativeInfinity, LargestLogScale).Exp();
}
