using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>The ghost module of V3: three convolutions beside each other in place of one, and beside the cheap ones a pointwise scale and a normalised copy.</summary>
internal sealed class GhostModuleV3 : Module
{
    private const int Branches = 3;
    private readonly ModuleList<GhostConv> _primary, _cheap;
    private readonly ActivationLayer _primaryAct, _cheapAct;
    private readonly NormLayer _cheapSkip;
    private readonly GhostConv _cheapScale;
    private readonly Sequential? _gate;
    private readonly int _channels;

    public GhostModuleV3(int inChannels, int outChannels, ActivationKind act, bool hasGate)
    {
        _channels = outChannels;
        var half = (outChannels + 1) / 2;
        _primary = Child("primary_rpr_conv", Parallel(Branches, inChannels, half, 1, 1, 1));
        _primaryAct = Child("primary_activation", new ActivationLayer(act));
        _cheapSkip = Child("cheap_rpr_skip", new BatchNorm2d(half));
        _cheap = Child("cheap_rpr_conv", Parallel(Branches, half, half, 3, 1, half));
        _cheapScale = Child("cheap_rpr_scale", new GhostConv(half, half, 1, 1, half));
        _cheapAct = Child("cheap_activation", new ActivationLayer(act));
        if (hasGate)
            _gate = Child("short_conv", GhostParts.Gate(inChannels, outChannels));
    }

    internal static ModuleList<GhostConv> Parallel(int count, int inChannels, int outChannels, int kernel, int stride, int groups) =>
        new(Enumerable.Range(0, count).Select(_ => new GhostConv(inChannels, outChannels, kernel, stride, groups)));

    internal static Tensor Sum(ModuleList<GhostConv> branches, Tensor x, Tensor? start = null) =>
        branches.Modules.Aggregate(start, (sum, branch) => sum is null ? branch.Forward(x) : sum + branch.Forward(x))!;

    protected override Tensor OnForward(Tensor x)
    {
        var primary = _primaryAct.Forward(Sum(_primary, x));
        var cheap = _cheapAct.Forward(Sum(_cheap, primary, _cheapScale.Forward(primary) + _cheapSkip.Forward(primary)));
        // Unlike the first version, an odd last channel stays where there is no gate.
        return _gate is null ? Tensor.Concat([primary, cheap], -1) : GhostParts.Gated(GhostParts.Join(primary, cheap, _channels), x, _gate);
    }
}

/// <summary>The block of V3: as <see cref="GhostBlock"/>, its depthwise convolution too in parallel branches.</summary>
internal sealed class GhostBlockV3 : Module
{
    private readonly GhostModuleV3 _expand, _project;
    private readonly ModuleList<GhostConv>? _depthwise;
    private readonly GhostConv? _scale;
    private readonly SqueezeExcite? _attention;
    private readonly Sequential? _shortcut;

    public GhostBlockV3(GhostPlace place, bool hasGate)
    {
        _expand = Child("ghost1", new GhostModuleV3(place.Input, place.Inner, ActivationKind.Relu, hasGate));
        if (place.Stride > 1)
        {
            _depthwise = Child("dw_rpr_conv", GhostModuleV3.Parallel(3, place.Inner, place.Inner, place.Kernel, place.Stride, place.Inner));
            _scale = Child("dw_rpr_scale", new GhostConv(place.Inner, place.Inner, 1, 2, place.Inner));
        }
        if (place.Squeezes)
            _attention = Child("se", GhostParts.Attention(place.Inner));
        _project = Child("ghost2", new GhostModuleV3(place.Inner, place.Outer, ActivationKind.Identity, hasGate: false));
        _shortcut = GhostParts.Shortcut(place);
        if (_shortcut is not null)
            Child("shortcut", _shortcut);
    }

    protected override Tensor OnForward(Tensor x)
    {
        var shortcut = _shortcut?.Forward(x) ?? x;
        x = _expand.Forward(x);
        if (_depthwise is not null)
            x = GhostModuleV3.Sum(_depthwise, x, _scale!.Forward(x));
        x = _attention?.Forward(x) ?? x;
        return _project.Forward(x) + shortcut;
    }
}
