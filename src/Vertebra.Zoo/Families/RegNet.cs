using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// RegNet X, Y, Z (Radosavovic et al. 2020, "Designing network design spaces"; Dollár et al. 2021) and the pre-activated
/// RegNet V: widths of the stages come from a quantised line. Names, state-dict keys and defaults follow timm; the variants
/// are the rows of RegNetVariants.cs.
/// </summary>
public sealed class RegNet : PooledBackbone
{
    private readonly Module _stem;
    private readonly List<Module> _stages = [];
    private readonly Module _final;

    internal RegNet(RegNetSpec spec, ModelOptions options) : base(options, spec.FirstConv, "head.fc")
    {
        var width = spec.StemWidth;
        _stem = Child<Module>("stem", spec.ActivatesFirst
            ? new Conv2d(InChans, width, 3, 2, 1, bias: false, initialiser: spec.ConvInit(width, 3, 1))
            : spec.ConvNormAct(InChans, width, 3, 2));
        AddFeature(width, 2, "stem");
        var stages = spec.Stages();
        var (index, count, reduction, dilation) = (0, stages.Sum(s => s.Depth), 2, 1);
        for (var stage = 0; stage < stages.Count; stage++)
        {
            var (outWidth, depth, groupSize) = stages[stage];
            var stride = 2;
            if (reduction >= (options.OutputStride ?? 32))
                (dilation, stride) = (dilation * 2, 1);
            reduction *= stride;
            var blocks = new List<(string, Module)>();
            var firstDilation = dilation is 1 or 2 ? 1 : 2;
            for (var i = 0; i < depth; i++, index++)
            {
                var rate = Widths.DropPathRate(options.DropPathRate, index, count);
                blocks.Add(($"b{i + 1}", new RegNetBlock(spec, outWidth, groupSize, new(stage, i, width, i == 0 ? stride : 1, dilation, firstDilation, rate))));
                (width, firstDilation) = (outWidth, dilation);
            }
            _stages.Add(Child($"s{stage + 1}", new Sequential(blocks)));
            AddFeature(width, reduction, $"s{stage + 1}");
        }
        _final = Child("final_conv", MakeFinal(spec, width));
        AddHead(spec.FinalWidth ?? width, options, initialiser: Init.Normal(0.01f));
    }

    public static Family Family { get; } = RegNetVariants.Family();

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        x = _stem.Forward(x);
        foreach (var stage in _stages)
            x = stage.Forward(x);
        return _final.Forward(x);
    }

    private static Module MakeFinal(RegNetSpec spec, int width)
    {
        if (spec.FinalWidth is { } wide)
            return spec.ConvNormAct(width, wide, 1);
        return spec.HasLinearOutput || spec.ActivatesFirst ? new ActivationLayer(spec.Activation) : new Identity();
    }
}

/// <summary>1x1, grouped 3x3, squeeze-and-excitation, 1x1, beside a shortcut; with the activation after the sum, before each convolution, or (Z) without one.</summary>
internal sealed class RegNetBlock : Module
{
    private readonly List<Module> _layers = [];
    private readonly Module? _firstNorm;
    private readonly Module? _shortcut;
    private readonly bool _isPlain;
    private readonly DropPath? _dropPath;
    private readonly ActivationLayer? _act;

    public RegNetBlock(RegNetSpec spec, int outChannels, int groupSize, BlockPlace place)
    {
        var width = (int)Math.Round(outChannels * spec.BottleRatio);
        var groups = width / groupSize;
        var attention = spec.AttentionRatio == 0 ? null
            : new SqueezeExcite(width, (int)Math.Round(place.InChannels * spec.AttentionRatio), spec.Activation);
        if (spec.ActivatesFirst)
        {
            _firstNorm = Child<Module>("norm1", spec.MakeNorm(place.InChannels, spec.Activation));
            Add("conv1", Conv(spec, place.InChannels, width, 1));
            Add("norm2", spec.MakeNorm(width, spec.Activation));
            Add("conv2", Conv(spec, width, width, 3, place.Stride, place.FirstDilation, groups));
            AddIfAny("se", attention);
            Add("norm3", spec.MakeNorm(width, spec.Activation));
            Add("conv3", Conv(spec, width, outChannels, 1));
        }
        else
        {
            Add("conv1", spec.ConvNormAct(place.InChannels, width, 1));
            Add("conv2", spec.ConvNormAct(width, width, 3, place.Stride, place.FirstDilation, groups));
            AddIfAny("se", attention);
            Add("conv3", spec.ConvNormAct(width, outChannels, 1, activates: false, startsAtZero: spec.StartsAsShortcut));
            _act = spec.HasLinearOutput ? null : Child("act3", new ActivationLayer(spec.Activation));
        }
        var changes = place.InChannels != outChannels || place.Stride != 1 || place.FirstDilation != place.Dilation;
        _isPlain = changes && spec.Shortcut == RegNetShortcut.None;
        if (changes && !_isPlain)
            _shortcut = Child("downsample", MakeShortcut(spec, outChannels, place));
        if (place.DropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(place.DropPathRate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        // Where activation comes first, the shortcut leaves after it, also where it is the identity.
        x = _firstNorm?.Forward(x) ?? x;
        var y = x;
        foreach (var layer in _layers)
            y = layer.Forward(y);
        if (!_isPlain)
            y = (_dropPath?.Forward(y) ?? y) + (_shortcut?.Forward(x) ?? x);
        return _act?.Forward(y) ?? y;
    }

    private void Add(string name, Module layer) => _layers.Add(Child(name, layer));

    private void AddIfAny(string name, Module? layer)
    {
        if (layer is not null)
            Add(name, layer);
    }

    private static Module MakeShortcut(RegNetSpec spec, int outChannels, BlockPlace place)
    {
        var averages = spec.Shortcut == RegNetShortcut.Average;
        var stride = averages ? 1 : place.Stride;
        Module conv = spec.ActivatesFirst
            ? Conv(spec, place.InChannels, outChannels, 1, stride)
            : spec.ConvNormAct(place.InChannels, outChannels, 1, stride, activates: false);
        if (!averages)
            return conv;
        Module pool = place is { Stride: 1, FirstDilation: 1 } ? new Identity()
            : place.FirstDilation == 1 ? new AvgPool2d(2, place.Stride, ceilMode: true, countIncludePad: false)
            : new AvgPool2d(2, 1, WindowPadding.Same);
        return new Sequential(pool, conv);
    }

    private static Conv2d Conv(RegNetSpec spec, int inChannels, int outChannels, int kernel, int stride = 1, int dilation = 1, int groups = 1) =>
        new(inChannels, outChannels, kernel, stride, WindowPadding.Centred(kernel, stride, dilation), dilation, groups, bias: false,
            initialiser: spec.ConvInit(outChannels, kernel, groups));
}
