using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>Where a block stands and how large it is.</summary>
/// <param name="InChannels">Channels that come in.</param>
/// <param name="OutChannels">Channels that go out.</param>
/// <param name="ExpandsFrom">The width that the expansion multiplies.</param>
/// <param name="Stride">1 or 2.</param>
/// <param name="Dilation">Of the spatial convolutions.</param>
/// <param name="DropPathRate">Stochastic depth.</param>
/// <param name="Pruned">Widths that pruning left, instead of the plan's.</param>
internal readonly record struct MobilePlace(
    int InChannels, int OutChannels, int ExpandsFrom, int Stride, int Dilation, float DropPathRate, PrunedBlock? Pruned);

/// <summary>Widths of a pruned block.</summary>
/// <param name="Inner">Expanded channels.</param>
/// <param name="Squeezed">Inner width of the squeeze-and-excitation.</param>
/// <param name="Outer">Channels of the output.</param>
internal sealed record PrunedBlock(int Inner, int Squeezed, int Outer);

/// <summary>Named layers one after another, with a shortcut around them where the shapes allow it: every block of the mobile networks.</summary>
internal sealed class MobileBlock : Module
{
    private readonly Module[] _layers;
    private readonly bool _hasSkip;
    private readonly DropPath? _dropPath;
    private readonly Linear? _routing;

    private MobileBlock(IEnumerable<(string Name, Module? Module)> layers, bool hasSkip, float dropPathRate, Linear? routing = null)
    {
        _layers = [.. layers.Where(l => l.Module is not null).Select(l => Child(l.Name, l.Module!))];
        _hasSkip = hasSkip;
        if (hasSkip && dropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(dropPathRate));
        if (routing is not null)
            _routing = Child("routing_fn", routing);
    }

    public static MobileBlock Make(MobileStyle style, MobileBlockPlan plan, MobilePlace place)
    {
        if (place.Pruned is { } pruned)
            place = place with { OutChannels = pruned.Outer };
        var keepsShape = place.Stride == 1 && place.InChannels == place.OutChannels;
        var act = plan.Act ?? style.Act;
        var hasSkip = keepsShape && plan.Kind switch
        {
            MobileBlockKind.Convolution => plan.AsksForSkip,
            MobileBlockKind.SeparableActive => false,
            _ => !plan.ForbidsSkip,
        };
        var layers = plan.Kind switch
        {
            MobileBlockKind.Convolution => Convolution(style, plan, place, act),
            MobileBlockKind.Separable or MobileBlockKind.SeparableActive => Separable(style, plan, place, act),
            MobileBlockKind.Inverted => Inverted(style, plan, place, act),
            MobileBlockKind.Edge => Edge(style, plan, place, act),
            MobileBlockKind.Universal => Universal(style, plan, place, act),
            MobileBlockKind.MultiQuery => MultiQuery(style, plan, place),
            _ => throw new InvalidOperationException($"block {plan.Kind} has no layers"),
        };
        var routing = plan.Experts > 0 ? MobileInit.Linear(place.InChannels, plan.Experts, countsInputs: true) : null;
        return new(layers, hasSkip, place.DropPathRate, routing);
    }

    protected override Tensor OnForward(Tensor x)
    {
        var routing = _routing?.Forward(x.Mean([1, 2])).Sigmoid();
        var shortcut = x;
        foreach (var layer in _layers.AsSpan(..^1))
            x = layer is ConditionalConv2d conv ? conv.Forward(x, routing!) : layer.Forward(x);
        var drops = _dropPath is { IsInPlace: true };
        if (_hasSkip && !drops && _layers[^1] is NormLayer { Activation: null } norm)
            return norm.Forward(x, null, shortcut);
        x = _layers[^1].Forward(x);
        if (!_hasSkip)
            return x;
        return (drops ? _dropPath!.Forward(x) : x) + shortcut;
    }

    // ---------------------------------------------------------------- layers by kind

    private static IEnumerable<(string, Module?)> Convolution(MobileStyle style, MobileBlockPlan plan, MobilePlace place, ActivationKind act)
    {
        var antiAliasing = style.AntiAliasing.Make(place.OutChannels, place.Stride);
        var groups = Groups(plan.GroupSize ?? 0, place.InChannels);
        yield return ("conv", style.Conv(place.InChannels, place.OutChannels, plan.Kernels, antiAliasing is null ? place.Stride : 1, place.Dilation, groups));
        yield return ("bn1", style.MakeNorm(place.OutChannels, act));
        yield return ("aa", antiAliasing);
    }

    private static IEnumerable<(string, Module?)> Separable(MobileStyle style, MobileBlockPlan plan, MobilePlace place, ActivationKind act)
    {
        var (channels, kernels, squeeze) = (place.InChannels, plan.Kernels, plan.Squeeze);
        var depthwiseStyle = style;
        if (plan.Depth > 0)
        {
            // Space-to-depth: the image is halved into four times the channels, and the kernel shrinks with it.
            var wide = 4 * channels;
            yield return ("conv_s2d", (style with { PadsSame = true }).Conv(channels, wide, 2, stride: 2));
            yield return ("bn_s2d", style.MakeNorm(wide, act));
            (channels, kernels, squeeze) = (wide, [(kernels[0] + 1) / 2], squeeze / 4);
            depthwiseStyle = style with { PadsSame = style.PadsSame || kernels[0] == 2, AntiAliasing = AntiAliasing.None };
        }
        var antiAliasing = depthwiseStyle.AntiAliasing.Make(channels, place.Stride);
        var groups = Groups(plan.GroupSize ?? 1, channels);
        yield return ("conv_dw", depthwiseStyle.Conv(channels, channels, kernels, antiAliasing is null ? place.Stride : 1, place.Dilation, groups));
        yield return ("bn1", style.MakeNorm(channels, act));
        yield return ("aa", antiAliasing);
        yield return ("se", style.MakeAttention(channels, squeeze, act, place.Pruned?.Squeezed));
        yield return ("conv_pw", style.Conv(channels, place.OutChannels, plan.ProjectKernels ?? [1]));
        yield return ("bn2", style.MakeNorm(place.OutChannels, plan.Kind == MobileBlockKind.SeparableActive ? act : ActivationKind.Identity));
    }

    private static IEnumerable<(string, Module?)> Inverted(MobileStyle style, MobileBlockPlan plan, MobilePlace place, ActivationKind act)
    {
        var inner = Inner(plan, place);
        var antiAliasing = style.AntiAliasing.Make(inner, place.Stride);
        var groups = Groups(plan.GroupSize ?? 1, inner);
        yield return ("conv_pw", style.Conv(place.InChannels, inner, plan.ExpandKernels ?? [1], experts: plan.Experts));
        yield return ("bn1", style.MakeNorm(inner, act));
        yield return ("conv_dw", style.Conv(inner, inner, plan.Kernels, antiAliasing is null ? place.Stride : 1, place.Dilation, groups, plan.Experts));
        yield return ("bn2", style.MakeNorm(inner, act));
        yield return ("aa", antiAliasing);
        yield return ("se", style.MakeAttention(inner, Ratio(style, plan), act, place.Pruned?.Squeezed));
        yield return ("conv_pwl", style.Conv(inner, place.OutChannels, plan.ProjectKernels ?? [1], experts: plan.Experts));
        yield return ("bn3", style.MakeNorm(place.OutChannels));
    }

    private static IEnumerable<(string, Module?)> Edge(MobileStyle style, MobileBlockPlan plan, MobilePlace place, ActivationKind act)
    {
        var inner = Inner(plan, place);
        var antiAliasing = style.AntiAliasing.Make(inner, place.Stride);
        var groups = Groups(plan.GroupSize ?? 0, inner);
        yield return ("conv_exp", style.Conv(place.InChannels, inner, plan.Kernels, antiAliasing is null ? place.Stride : 1, place.Dilation, groups));
        yield return ("bn1", style.MakeNorm(inner, act));
        yield return ("aa", antiAliasing);
        yield return ("se", style.MakeAttention(inner, Ratio(style, plan), act));
        yield return ("conv_pwl", style.Conv(inner, place.OutChannels, plan.ProjectKernels ?? [1]));
        yield return ("bn2", style.MakeNorm(place.OutChannels));
    }

    private static IEnumerable<(string, Module?)> Universal(MobileStyle style, MobileBlockPlan plan, MobilePlace place, ActivationKind act)
    {
        var (start, middle, end) = (plan.ExpandKernels?[0] ?? 0, plan.Kernels[0], plan.ProjectKernels?[0] ?? 0);
        var (input, inner, output) = (place.InChannels, Inner(plan, place), place.OutChannels);
        // The stride goes to the middle convolution, else to the first, else to the last.
        var (startStride, endStride) = (middle == 0 ? place.Stride : 1, start == 0 && middle == 0 ? place.Stride : 1);
        Module? Depthwise(int channels, int kernel, int stride, ActivationKind activation) => kernel == 0 ? null
            : Normed(style, channels, channels, kernel, stride, place.Dilation, Groups(plan.GroupSize ?? 1, channels), activation);

        yield return ("dw_start", Depthwise(input, start, startStride, ActivationKind.Identity));
        yield return ("pw_exp", Normed(style, input, inner, 1, 1, 1, 1, act));
        yield return ("dw_mid", Depthwise(inner, middle, place.Stride, act));
        yield return ("se", style.MakeAttention(inner, Ratio(style, plan), act));
        yield return ("pw_proj", Normed(style, inner, output, 1, 1, 1, 1, ActivationKind.Identity));
        yield return ("dw_end", Depthwise(output, end, endStride, ActivationKind.Identity));
        yield return ("layer_scale", style.LayerScale is { } initial ? new LayerScale(output, initial) : null);
    }

    private static IEnumerable<(string, Module?)> MultiQuery(MobileStyle style, MobileBlockPlan plan, MobilePlace place)
    {
        var channels = place.InChannels;
        IEnumerable<(string, Module)> Shrink()
        {
            if (plan.KeyStride == 1)
                yield break;
            var (kernel, stride) = (plan.Kernels[0], plan.KeyStride);
            yield return ("down_conv", new Conv2d(
                channels, channels, kernel, stride, style.Padding(kernel, stride, place.Dilation), place.Dilation, channels, bias: false, initialiser: Init.XavierUniform));
            yield return ("norm", style.MakeNorm(channels));
        }

        yield return ("norm", style.MakeNorm(channels));
        yield return ("attn", new MultiQueryAttention2d(channels, place.OutChannels, plan.Heads, plan.Depth, Shrink));
        yield return ("layer_scale", style.LayerScale is { } initial ? new LayerScale(place.OutChannels, initial) : null);
    }

    private static ConvNormAct Normed(MobileStyle style, int inChannels, int outChannels, int kernel, int stride, int dilation, int groups, ActivationKind act) =>
        new(inChannels, outChannels, kernel, stride, dilation: dilation, groups: groups, padding: style.PadsSame ? WindowPadding.Same : null,
            norm: style.MakeNorm(outChannels, act), antiAliasing: style.AntiAliasing, initialiser: MobileInit.Conv(outChannels, kernel, groups));

    private static int Inner(MobileBlockPlan plan, MobilePlace place) => place.Pruned?.Inner ?? Widths.Divisible(place.ExpandsFrom * plan.Expansion);

    private static int Groups(int groupSize, int channels)
    {
        if (groupSize == 0)
            return 1;
        return channels % groupSize == 0 ? channels / groupSize : throw new VertebraException($"{channels} channels do not divide into groups of {groupSize}");
    }

    private static double Ratio(MobileStyle style, MobileBlockPlan plan) => style.AttentionOfExpanded ? plan.Squeeze : plan.Squeeze / plan.Expansion;
}
