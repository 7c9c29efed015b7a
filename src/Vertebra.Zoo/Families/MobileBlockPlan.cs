using System.Globalization;

namespace Vertebra.Zoo.Families;

/// <summary>
/// One block of a mobile network. Tables write it in the notation that MnasNet's code introduced and the field has kept:
/// <c>ir_r2_k3_s2_e6_c24_se0.25</c> is an inverted residual, twice, kernel 3, stride 2, expansion 6, 24 channels,
/// squeeze-and-excitation at a quarter of the width.
/// </summary>
internal sealed record MobileBlockPlan(MobileBlockKind Kind)
{
    public int Repeats { get; init; } = 1;

    /// <summary>Channels of the output, before the network's width factor.</summary>
    public int Channels { get; init; }

    public int Stride { get; init; } = 1;

    /// <summary>k: kernel sizes of the middle convolution; 0 leaves it out of a universal block.</summary>
    public IReadOnlyList<int> Kernels { get; init; } = [1];

    /// <summary>a: kernel sizes of the expanding convolution; of a universal block's first depthwise one.</summary>
    public IReadOnlyList<int>? ExpandKernels { get; init; }

    /// <summary>p: kernel sizes of the projecting convolution; of a universal block's last depthwise one.</summary>
    public IReadOnlyList<int>? ProjectKernels { get; init; }

    /// <summary>e: how many times wider the inside is.</summary>
    public double Expansion { get; init; } = 1;

    /// <summary>se: inner width of the channel attention, relative to the block's input; 0: none.</summary>
    public double Squeeze { get; init; }

    /// <summary>n: the block's own activation.</summary>
    public ActivationKind? Act { get; init; }

    /// <summary>noskip: no shortcut although the shapes allow it.</summary>
    public bool ForbidsSkip { get; init; }

    /// <summary>skip: a shortcut in a block that by itself has none.</summary>
    public bool AsksForSkip { get; init; }

    /// <summary>gs: channels in a group of the middle convolution; 1: depthwise, 0: one group, null: the kind's own.</summary>
    public int? GroupSize { get; init; }

    /// <summary>cc: experts of conditional convolutions; 0: ordinary ones.</summary>
    public int Experts { get; init; }

    /// <summary>fc: the expansion is counted from this width instead of the input's.</summary>
    public int ExpandsFrom { get; init; }

    /// <summary>h: heads of an attention block.</summary>
    public int Heads { get; init; }

    /// <summary>v: how much smaller the image is from which an attention block takes keys and values.</summary>
    public int KeyStride { get; init; } = 1;

    /// <summary>d: width of an attention block's keys; for the others, above 0, that space-to-depth begins here.</summary>
    public int Depth { get; init; }

    /// <summary>Reads one block.</summary>
    public static MobileBlockPlan Parse(string text)
    {
        var parts = text.Split('_');
        var plan = new MobileBlockPlan(parts[0] switch
        {
            "cn" => MobileBlockKind.Convolution,
            "ds" => MobileBlockKind.Separable,
            "dsa" => MobileBlockKind.SeparableActive,
            "ir" => MobileBlockKind.Inverted,
            "er" => MobileBlockKind.Edge,
            "uir" => MobileBlockKind.Universal,
            "mqa" => MobileBlockKind.MultiQuery,
            _ => throw new FormatException($"block '{text}' is of no known kind"),
        });
        return parts.Skip(1).Aggregate(plan, (p, part) => p.With(part, text));
    }

    private MobileBlockPlan With(string part, string text)
    {
        switch (part)
        {
            case "skip":
                return this with { AsksForSkip = true };
            case "noskip":
                return this with { ForbidsSkip = true };
            case "nre":
                return this with { Act = ActivationKind.Relu };
            case "nsw":
                return this with { Act = ActivationKind.Silu };
        }
        var split = part.IndexOfAny(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
        var (key, value) = (part[..split], part[split..]);
        return key switch
        {
            "r" => this with { Repeats = Int(value) },
            "k" => this with { Kernels = Ints(value) },
            "a" => this with { ExpandKernels = Ints(value) },
            "p" => this with { ProjectKernels = Ints(value) },
            "s" => this with { Stride = Int(value) },
            "e" => this with { Expansion = Number(value) },
            "c" => this with { Channels = Int(value) },
            "se" => this with { Squeeze = Number(value) },
            "gs" => this with { GroupSize = Int(value) },
            "cc" => this with { Experts = Int(value) },
            "fc" => this with { ExpandsFrom = Int(value) },
            "h" => this with { Heads = Int(value) },
            "v" => this with { KeyStride = Int(value) },
            "d" => this with { Depth = Int(value) },
            _ => throw new FormatException($"block '{text}' has an unknown part '{part}'"),
        };
    }

    private static int Int(string value) => int.Parse(value, CultureInfo.InvariantCulture);

    private static int[] Ints(string value) => [.. value.Split('.').Select(Int)];

    private static double Number(string value) => double.Parse(value, CultureInfo.InvariantCulture);
}

internal enum MobileBlockKind
{
    /// <summary>One convolution, normalised and activated.</summary>
    Convolution,

    /// <summary>Depthwise and pointwise convolution (MobileNet V1), the second without activation.</summary>
    Separable,

    /// <summary>The same with an activation after both, and no shortcut.</summary>
    SeparableActive,

    /// <summary>Pointwise expansion, depthwise convolution, pointwise projection (MobileNet V2).</summary>
    Inverted,

    /// <summary>Full convolution that expands, pointwise projection (EfficientNet-EdgeTPU; "fused").</summary>
    Edge,

    /// <summary>Universal inverted bottleneck: optional depthwise convolutions before, inside and after (MobileNet V4).</summary>
    Universal,

    /// <summary>Multi-query attention over the pixels (MobileNet V4).</summary>
    MultiQuery,
}
