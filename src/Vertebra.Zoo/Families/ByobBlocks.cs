using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>Where a block stands.</summary>
/// <param name="InChannels">Channels that come in.</param>
/// <param name="OutChannels">Channels that go out.</param>
/// <param name="Stride">1 or 2.</param>
/// <param name="Dilation">Of the stage.</param>
/// <param name="FirstDilation">Of the block's striding convolution.</param>
/// <param name="DropPathRate">Stochastic depth.</param>
/// <param name="Map">Size of the map that comes in, where the network is built for one.</param>
internal readonly record struct ByobPlace(int InChannels, int OutChannels, int Stride, int Dilation, int FirstDilation, float DropPathRate, Size2d? Map)
{
    /// <summary>Whether the output has the input's shape.</summary>
    public bool KeepsShape => InChannels == OutChannels && Stride == 1 && FirstDilation == Dilation;
}

/// <summary>Two to four convolutions, or self-attention between two, beside a shortcut, and activation after the sum.</summary>
internal sealed class ByobBlock : Module
{
    private readonly Module? _shortcut;
    private readonly List<Module> _layers = [];
    private readonly DropPath? _dropPath;
    private readonly ActivationLayer? _act;

    public ByobBlock(ByobSpec spec, ByobBlockSpec block, ByobPlace place)
    {
        var middle = Widths.Divisible((spec.WidensInput && block.Kind is ByobBlockKind.Bottleneck or ByobBlockKind.SelfAttention ? place.InChannels : place.OutChannels) * block.Ratio);
        var groups = block.GroupSize == 0 ? 1 : middle / block.GroupSize;
        _shortcut = MakeShortcut(spec, place);
        if (_shortcut is not null)
            Child("shortcut", _shortcut);
        var lastInit = _shortcut is null ? null : Init.Zeros;
        var (input, output, stride, first, second) = (place.InChannels, place.OutChannels, place.Stride, place.FirstDilation, place.Dilation);
        switch (block.Kind)
        {
            case ByobBlockKind.Basic:
                Add("conv1_kxk", spec.Conv(input, middle, 3, stride, first));
                Add("conv2_kxk", spec.Conv(middle, output, 3, 1, second, groups, activates: false, normInitialiser: lastInit));
                Add("attn_last", spec.Attend(output));
                break;
            case ByobBlockKind.Dark:
                Add("conv1_1x1", spec.Conv(input, middle, 1));
                Add("conv2_kxk", spec.Conv(middle, output, 3, stride, first, groups, activates: false, normInitialiser: lastInit));
                Add("attn_last", spec.Attend(output));
                break;
            case ByobBlockKind.Edge:
                Add("conv1_kxk", spec.Conv(input, middle, 3, stride, first, groups));
                Add("attn", spec.Attend(middle));
                Add("conv2_1x1", spec.Conv(middle, output, 1, activates: false, normInitialiser: lastInit));
                break;
            case ByobBlockKind.Bottleneck:
                Add("conv1_1x1", spec.Conv(input, middle, 1));
                Add("conv2_kxk", spec.Conv(middle, middle, 3, stride, first, groups));
                if (block.HasExtraConv)
                    Add("conv2b_kxk", spec.Conv(middle, middle, 3, 1, second, groups));
                Add("attn", spec.Attend(middle));
                Add("conv3_1x1", spec.Conv(middle, output, 1, activates: false, normInitialiser: lastInit));
                break;
            case ByobBlockKind.SelfAttention:
                Add("conv1_1x1", spec.Conv(input, middle, 1));
                Add("self_attn", block.SelfAttention!.Create(middle, stride, place.Map));
                Add("post_attn", spec.MakeNorm(middle, activates: true));
                Add("conv3_1x1", spec.Conv(middle, output, 1, activates: false, normInitialiser: lastInit));
                break;
            default:
                throw new InvalidOperationException($"{block.Kind} is no block with a shortcut");
        }
        if (place.DropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(place.DropPathRate));
        if (!spec.EndsLinearly)
            _act = Child("act", new ActivationLayer(spec.Activation));
    }

    /// <summary>A block of any kind.</summary>
    public static Module Create(ByobSpec spec, ByobBlockSpec block, ByobPlace place) => block.Kind switch
    {
        ByobBlockKind.Rep or ByobBlockKind.One => MultiBranch(spec, block, place),
        ByobBlockKind.MobileVit => new MobileVitBlock(spec, block, place),
        ByobBlockKind.MobileVitV2 => new MobileVitV2Block(spec, block, place),
        _ => new ByobBlock(spec, block, place),
    };

    /// <summary>The blocks of RepVGG and MobileOne.</summary>
    public static MultiBranchBlock MultiBranch(ByobSpec spec, ByobBlockSpec block, ByobPlace place)
    {
        var groups = block.GroupSize == 0 ? 1 : place.InChannels / block.GroupSize;
        var isRep = block.Kind == ByobBlockKind.Rep;
        var attention = isRep || block.Attends ? spec.Attend(place.OutChannels) : null;
        return new(
            place.InChannels, place.OutChannels, block.Kernel, place.Stride, isRep ? place.FirstDilation : 1, groups, isRep ? null : block.Branches, place.KeepsShape,
            attention, spec.Activation, place.DropPathRate, ByobSpec.ConvInit(block.Kernel, place.OutChannels, groups), isRep ? s_repNormInit : null);
    }

    protected override Tensor OnForward(Tensor x)
    {
        var input = x;
        foreach (var layer in _layers)
            x = layer.Forward(x);
        x = _dropPath?.Forward(x) ?? x;
        if (_shortcut is not null)
            x += _shortcut.Forward(input);
        return _act?.Forward(x) ?? x;
    }

    private static readonly Initialiser s_repNormInit = (weight, random) =>
    {
        Init.Normal(0.1f)(weight, random);
        foreach (ref var value in weight.AsSpan<float>())
            value += 0.1f;
    };

    private void Add(string name, Module? layer)
    {
        if (layer is not null)
            _layers.Add(Child(name, layer));
    }

    private static Module? MakeShortcut(ByobSpec spec, ByobPlace place)
    {
        if (place.KeepsShape)
            return new Identity();
        if (spec.Shortcut == ByobShortcut.None)
            return null;
        if (spec.Shortcut == ByobShortcut.Convolution)
            return spec.Conv(place.InChannels, place.OutChannels, 1, place.Stride, place.FirstDilation, activates: false);
        Module pool = place is { Stride: 1, FirstDilation: 1 } ? new Identity()
            : place.FirstDilation == 1 ? new AvgPool2d(2, place.Stride, ceilMode: true, countIncludePad: false)
            : new AvgPool2d(2, 1, WindowPadding.Same, countIncludePad: false);
        return new Sequential([("pool", pool), ("conv", spec.Conv(place.InChannels, place.OutChannels, 1, activates: false))]);
    }
}

/// <summary>One block.</summary>
internal sealed record ByobBlockSpec(ByobBlockKind Kind, int OutChannels)
{
    /// <summary>Channels per group of the kxk convolutions; 1 for depthwise, 0 for one group.</summary>
    public int GroupSize { get; init; }

    /// <summary>Inner width relative to the block's.</summary>
    public double Ratio { get; init; } = 1;

    /// <summary>Equal branches of a MobileOne block.</summary>
    public int Branches { get; init; } = 1;

    /// <summary>Side of a MobileOne block's kernel.</summary>
    public int Kernel { get; init; } = 3;

    /// <summary>A second kxk convolution.</summary>
    public bool HasExtraConv { get; init; }

    /// <summary>Whether a MobileOne block has the network's attention.</summary>
    public bool Attends { get; init; }

    public SelfAttentionSpec? SelfAttention { get; init; }

    /// <summary>Channels of a MobileViT block's transformer.</summary>
    public int Inner { get; init; }

    /// <summary>Blocks of that transformer.</summary>
    public int Depth { get; init; }
}

/// <summary>One stage.</summary>
internal sealed record ByobStage(int Stride, IReadOnlyList<ByobBlockSpec> Blocks);

/// <summary>What distinguishes the variants.</summary>
internal sealed record ByobSpec(IReadOnlyList<ByobStage> Stages)
{
    /// <summary>Widths of the stem's convolutions.</summary>
    public IReadOnlyList<int> Stem { get; init; } = [32];

    public ByobStem StemKind { get; init; }

    public ByobPool StemPool { get; init; }

    /// <summary>So many first convolutions of the stem have neither normaliser nor activation.</summary>
    public int BareStemConvs { get; init; }

    public ByobShortcut Shortcut { get; init; }

    /// <summary>Width of a last 1x1 convolution; 0: there is none.</summary>
    public int FinalWidth { get; init; }

    public ActivationKind Activation { get; init; } = ActivationKind.Relu;

    /// <summary>EvoNorm S0 of groups of 16 channels instead of batch normalisation and activation.</summary>
    public bool UsesEvoNorm { get; init; }

    /// <summary>Striding convolutions of the stages average instead.</summary>
    public bool AveragesStride { get; init; }

    public AttentionSpec Attention { get; init; }

    /// <summary>The inner width of bottlenecks is relative to their input.</summary>
    public bool WidensInput { get; init; }

    /// <summary>No activation after the sum.</summary>
    public bool EndsLinearly { get; init; }

    public ByobHead Head { get; init; }

    /// <summary>Side of the images that positions are made for; null: there are none.</summary>
    public int? ImageSize { get; init; }

    public string FirstConv { get; init; } = "stem.conv1.conv";

    public string Classifier => Head == ByobHead.Attention ? "head.proj" : "head.fc";

    /// <summary>Normal with variance 2 / fan-out.</summary>
    public static Initialiser ConvInit(int kernel, int outChannels, int groups) => Init.Normal(MathF.Sqrt(2f * groups / (kernel * kernel * outChannels)));

    public Module? Attend(int channels) => Attention.Create(channels, Init.KaimingNormal(fanOut: true));

    public NormLayer MakeNorm(int channels, bool activates, Initialiser? initialiser = null) => UsesEvoNorm
        ? new EvoNormS0(channels, channels / 16, 1e-3f, activates, alwaysNormalises: true)
        : new BatchNorm2d(channels, activation: activates ? Activation : ActivationKind.Identity, initialiser: initialiser);

    public ConvNormAct Conv(
        int inChannels, int outChannels, int kernel, int stride = 1, int dilation = 1, int groups = 1, bool activates = true, bool blurs = true,
        Initialiser? normInitialiser = null) =>
        new(inChannels, outChannels, kernel, stride, dilation: dilation, groups: groups, norm: MakeNorm(outChannels, activates, normInitialiser),
            antiAliasing: blurs && AveragesStride ? AntiAliasing.Average : AntiAliasing.None, initialiser: ConvInit(kernel, outChannels, groups));

    /// <summary>A convolution by itself.</summary>
    public static Conv2d BareConv(int inChannels, int outChannels, int kernel, int stride) =>
        new(inChannels, outChannels, kernel, stride, WindowPadding.Centred(kernel, stride, 1), bias: false, initialiser: ConvInit(kernel, outChannels, 1));
}

internal enum ByobBlockKind
{
    /// <summary>3x3, 3x3.</summary>
    Basic,

    /// <summary>1x1, 3x3, 1x1.</summary>
    Bottleneck,

    /// <summary>1x1, 3x3.</summary>
    Dark,

    /// <summary>3x3, 1x1.</summary>
    Edge,

    /// <summary>1x1, self-attention, 1x1.</summary>
    SelfAttention,

    /// <summary>RepVGG's.</summary>
    Rep,

    /// <summary>MobileOne's.</summary>
    One,

    /// <summary>MobileViT's.</summary>
    MobileVit,

    /// <summary>MobileViT V2's.</summary>
    MobileVitV2,
}

internal enum ByobStem
{
    /// <summary>3x3 convolutions.</summary>
    Conv3,

    /// <summary>One 7x7 convolution.</summary>
    Conv7,

    /// <summary>A RepVGG block.</summary>
    Rep,

    /// <summary>A MobileOne block.</summary>
    One,
}

internal enum ByobPool
{
    None,

    /// <summary>Maximum over 3x3.</summary>
    Max,

    /// <summary>Mean over 2x2.</summary>
    Average,
}

internal enum ByobShortcut
{
    /// <summary>A 1x1 convolution where shapes change.</summary>
    Convolution,

    /// <summary>Mean, then a 1x1 convolution.</summary>
    Average,

    /// <summary>No shortcut where shapes change.</summary>
    None,
}

internal enum ByobHead
{
    Linear,

    /// <summary>Attention pool.</summary>
    Attention,

    /// <summary>With a hidden layer.</summary>
    Hidden,
}
