using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>The table of <see cref="RegNet"/>. The digits of a name are hundreds of millions of multiply-accumulates.</summary>
internal static class RegNetVariants
{
    public static Family Family()
    {
        var tags = RegNetWeights.Tags();
        return new(
            "regnet",
            "Radosavovic, Kosaraju, Girshick, He, Dollár: Designing network design spaces, CVPR 2020, arXiv:2003.13678; Dollár, Singh, Girshick: Fast and accurate model scaling, CVPR 2021, arXiv:2103.06877",
            [.. Rows().Select(r => ModelInfo.Row(r.Name, "regnet", tags[r.Name], "head.fc", r.Spec.FirstConv, options => new RegNet(r.Spec, options)))],
            RegNetWeights.Aliases())
        {
            Idea = "Instead of one network a space of them is searched, and the good ones prove to follow a rule: block widths grow linearly with depth and are quantised into stages. Y has squeeze-and-excitation, Z inverted bottlenecks.",
        };
    }

    private static (string Name, RegNetSpec Spec)[] Rows()
    {
        static RegNetSpec Y(int depth, int w0, float wa, float wm, int group) => new(depth, w0, wa, wm, group) { AttentionRatio = 0.25 };
        static RegNetSpec V(RegNetSpec y, RegNetShortcut shortcut) => y with { ActivatesFirst = true, Activation = ActivationKind.Silu, Shortcut = shortcut };
        static RegNetSpec Z(RegNetSpec y, int? final) => y with
        {
            BottleRatio = 4, Shortcut = RegNetShortcut.None, HasLinearOutput = true, FinalWidth = final, Activation = ActivationKind.Silu, StartsAsShortcut = false,
        };
        var y008 = Y(14, 56, 38.84f, 2.4f, 16);
        var y040 = Y(22, 96, 31.41f, 2.24f, 64);
        var y064 = Y(25, 112, 33.22f, 2.27f, 72);
        var y080 = Y(17, 192, 76.82f, 2.19f, 56);
        var z040 = Y(28, 48, 14.5f, 2.226f, 8);
        var x004 = new RegNetSpec(22, 24, 24.48f, 2.54f, 16);
        return
        [
            ("regnetx_002", new(13, 24, 36.44f, 2.49f, 8)),
            ("regnetx_004", x004),
            ("regnetx_004_tv", x004 with { RoundsAsTorchvision = true }),
            ("regnetx_006", new(16, 48, 36.97f, 2.24f, 24)),
            ("regnetx_008", new(16, 56, 35.73f, 2.28f, 16)),
            ("regnetx_016", new(18, 80, 34.01f, 2.25f, 24)),
            ("regnetx_032", new(25, 88, 26.31f, 2.25f, 48)),
            ("regnetx_040", new(23, 96, 38.65f, 2.43f, 40)),
            ("regnetx_064", new(17, 184, 60.83f, 2.07f, 56)),
            ("regnetx_080", new(23, 80, 49.56f, 2.88f, 120)),
            ("regnetx_120", new(19, 168, 73.36f, 2.37f, 112)),
            ("regnetx_160", new(22, 216, 55.59f, 2.1f, 128)),
            ("regnetx_320", new(23, 320, 69.86f, 2.0f, 168)),
            ("regnety_002", Y(13, 24, 36.44f, 2.49f, 8)),
            ("regnety_004", Y(16, 48, 27.89f, 2.09f, 8)),
            ("regnety_006", Y(15, 48, 32.54f, 2.32f, 16)),
            ("regnety_008", y008),
            ("regnety_008_tv", y008 with { RoundsAsTorchvision = true }),
            ("regnety_016", Y(27, 48, 20.71f, 2.65f, 24)),
            ("regnety_032", Y(21, 80, 42.63f, 2.66f, 24)),
            ("regnety_040", y040),
            ("regnety_064", y064),
            ("regnety_080", y080),
            ("regnety_080_tv", y080 with { RoundsAsTorchvision = true }),
            ("regnety_120", Y(19, 168, 73.36f, 2.37f, 112)),
            ("regnety_160", Y(18, 200, 106.23f, 2.48f, 112)),
            ("regnety_320", Y(20, 232, 115.89f, 2.53f, 232)),
            ("regnety_640", Y(20, 352, 147.48f, 2.4f, 328)),
            ("regnety_1280", Y(27, 456, 160.83f, 2.52f, 264)),
            ("regnety_2560", Y(27, 640, 230.83f, 2.53f, 373)),
            ("regnety_040_sgn", y040 with { NormGroupSize = 16, Activation = ActivationKind.Silu }),
            ("regnetv_040", V(y040, RegNetShortcut.Convolution)),
            ("regnetv_064", V(y064, RegNetShortcut.Average)),
            ("regnetz_005", Z(Y(21, 16, 10.7f, 2.51f, 4), 1024)),
            ("regnetz_040", Z(z040, null)),
            ("regnetz_040_h", Z(z040, 1536)),
        ];
    }
}

/// <summary>What distinguishes the variants: the line that gives the widths, and the block.</summary>
/// <param name="Depth">Blocks altogether.</param>
/// <param name="InitialWidth">Width of the first block, where the line starts.</param>
/// <param name="Slope">Channels per block along the line.</param>
/// <param name="Multiplier">Ratio of the widths that the line is quantised to.</param>
/// <param name="GroupSize">Channels of a group in the 3x3 convolutions.</param>
internal sealed record RegNetSpec(int Depth, int InitialWidth, float Slope, float Multiplier, int GroupSize)
{
    public int StemWidth => 32;

    /// <summary>Inner width of a block relative to its output.</summary>
    public double BottleRatio { get; init; } = 1;

    /// <summary>Bottleneck of squeeze-and-excitation relative to the block's input; 0: there is none.</summary>
    public double AttentionRatio { get; init; }

    public RegNetShortcut Shortcut { get; init; } = RegNetShortcut.Convolution;

    /// <summary>No activation after the sum.</summary>
    public bool HasLinearOutput { get; init; }

    /// <summary>Normaliser and activation before each convolution.</summary>
    public bool ActivatesFirst { get; init; }

    /// <summary>Width of a 1x1 convolution after the last stage.</summary>
    public int? FinalWidth { get; init; }

    public ActivationKind Activation { get; init; } = ActivationKind.Relu;

    /// <summary>Group normalisation with groups of this size instead of batch normalisation.</summary>
    public int? NormGroupSize { get; init; }

    /// <summary>Widths that groups do not divide are rounded up by a step where rounding loses more than a tenth, as torchvision does.</summary>
    public bool RoundsAsTorchvision { get; init; }

    /// <summary>The last normaliser of a block starts at zero.</summary>
    public bool StartsAsShortcut { get; init; } = true;

    public string FirstConv => ActivatesFirst ? "stem" : "stem.conv";

    /// <summary>The stages: blocks of equal width. All in single precision, as the reference rounds.</summary>
    public List<(int Width, int Depth, int GroupSize)> Stages()
    {
        var stages = new List<(int Width, int Depth, int GroupSize)>();
        for (var i = 0; i < Depth; i++)
        {
            var exponent = MathF.Round(MathF.Log(((i * Slope) + InitialWidth) / InitialWidth) / (float)Math.Log(Multiplier));
            var width = (int)(MathF.Round(InitialWidth * MathF.Pow(Multiplier, exponent) / 8) * 8);
            if (stages.Count > 0 && stages[^1].Width == width)
                stages[^1] = stages[^1] with { Depth = stages[^1].Depth + 1 };
            else
                stages.Add((width, 1, GroupSize));
        }
        return [.. stages.Select(s => Compatible(s.Width, s.Depth))];
    }

    public NormLayer MakeNorm(int channels, ActivationKind activation, bool startsAtZero = false)
    {
        var initialiser = startsAtZero ? Init.Zeros : null;
        return NormGroupSize is { } size
            ? new GroupNorm(channels / size, channels, activation: activation, initialiser: initialiser)
            : new BatchNorm2d(channels, activation: activation, initialiser: initialiser);
    }

    public ConvNormAct ConvNormAct(
        int inChannels, int outChannels, int kernel, int stride = 1, int dilation = 1, int groups = 1, bool activates = true, bool startsAtZero = false) =>
        new(inChannels, outChannels, kernel, stride, dilation: dilation, groups: groups, initialiser: ConvInit(outChannels, kernel, groups),
            norm: MakeNorm(outChannels, activates ? Activation : ActivationKind.Identity, startsAtZero));

    public Initialiser ConvInit(int outChannels, int kernel, int groups) => Init.Normal(MathF.Sqrt(2f * groups / (kernel * kernel * outChannels)));

    /// <summary>The nearest width whose inner width the groups divide.</summary>
    private (int Width, int Depth, int GroupSize) Compatible(int width, int depth)
    {
        var inner = (int)(width * BottleRatio);
        var group = Math.Min(GroupSize, inner);
        inner = RoundsAsTorchvision ? Widths.Divisible(inner, group) : (int)Math.Round((double)inner / group) * group;
        return ((int)(inner / BottleRatio), depth, group);
    }
}

/// <summary>What stands beside a block that changes size or width.</summary>
internal enum RegNetShortcut
{
    /// <summary>Nothing: the block is no residual block then.</summary>
    None,

    /// <summary>A striding 1x1 convolution.</summary>
    Convolution,

    /// <summary>A mean of 2x2 pixels and a 1x1 convolution.</summary>
    Average,
}
