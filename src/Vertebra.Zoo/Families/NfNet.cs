using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Residual networks without normalisation (Brock et al. 2021): scaled weight standardisation, and in each block the factors
/// that keep the signal's variance. Names, state-dict keys and defaults follow timm's nfnet family.
/// </summary>
public sealed class NfNet : Backbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly Module _finalConv;
    private readonly Module _finalAct;
    private readonly ClassifierHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal NfNet(NfSpec spec, ModelOptions options) : base(options)
    {
        FirstConv = spec.FirstConv;
        var width = Widths.Divisible((spec.StemWidth ?? spec.Channels[0]) * spec.WidthFactor);
        _stem = Child("stem", new Sequential(MakeStem(spec, width)));
        _stages = Child("stages", new Sequential(MakeStages(spec, width, options)));
        if (spec.FinalWidth > 0)
        {
            NumFeatures = Widths.Divisible(spec.FinalWidth * spec.WidthFactor);
            _finalConv = spec.Conv(_features[^1].Channels, NumFeatures, 1);
            _features[^1] = _features[^1] with { Channels = NumFeatures, Module = "final_conv" };
        }
        else
        {
            NumFeatures = _features[^1].Channels;
            _finalConv = new Identity();
        }
        Child("final_conv", _finalConv);
        _finalAct = Child("final_act", spec.Act());
        _head = Child("head", new ClassifierHead(NumFeatures, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate, Init.Normal(0.01f)));
    }

    public static Family Family { get; } = NfNetVariants.Family();

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv { get; }

    protected override Tensor OnForwardFeatures(Tensor x) => _finalAct.Forward(_finalConv.Forward(_stages.Forward(_stem.Forward(x))));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    private IEnumerable<(string, Module)> MakeStem(NfSpec spec, int width)
    {
        if (spec.Stem != NfStem.Quad)
        {
            _features.Add(new(0, width, 2, "stem.conv"));
            yield return ("conv", spec.Conv(InChans, width, spec.Stem == NfStem.Conv3 ? 3 : 7, stride: 2));
            if (spec.Stem == NfStem.Conv7Pool)
                yield return ("pool", new MaxPool2d(3, 2, 1));
            yield break;
        }
        _features.Add(new(0, width / 2, 2, "stem.conv3"));
        var former = InChans;
        for (var i = 1; i <= 4; i++)
        {
            var next = width >> (4 - i);
            yield return ($"conv{i}", spec.Conv(former, next, 3, stride: i is 1 or 4 ? 2 : 1));
            if (i < 4)
                yield return ($"act{i + 1}", spec.Act());
            former = next;
        }
    }

    private IEnumerable<Module> MakeStages(NfSpec spec, int width, ModelOptions options)
    {
        var (index, count, dilation) = (0, spec.Depths.Sum(), 1);
        var stride = spec.Stem == NfStem.Conv3 ? 2 : 4;
        var variance = 1.0;
        for (var stage = 0; stage < spec.Depths.Count; stage++)
        {
            var step = stage == 0 && stride > 2 ? 1 : 2;
            if (stride >= (options.OutputStride ?? 32) && step > 1)
                (dilation, step) = (dilation * step, 1);
            stride *= step;
            var firstDilation = dilation is 1 or 2 ? 1 : 2;
            var blocks = new List<Module>();
            for (var i = 0; i < spec.Depths[stage]; i++, index++)
            {
                var place = new BlockPlace(stage, i, width, i == 0 ? step : 1, dilation, firstDilation, Widths.DropPathRate(options.DropPathRate, index, count));
                width = Widths.Divisible(spec.Channels[stage] * spec.WidthFactor);
                blocks.Add(new NormFreeBlock(spec, width, place, (float)(1 / Math.Sqrt(variance))));
                // The first block of a stage starts the variance anew: its shortcut begins with the scaled signal.
                variance = (i == 0 ? 1 : variance) + (spec.Alpha * spec.Alpha);
                firstDilation = dilation;
            }
            _features.Add(new(stage + 1, width, stride, $"stages.{stage}"));
            yield return new Sequential(blocks);
        }
    }
}

/// <summary>Activation before each of three or four convolutions, without normalisation; the branch is added α times.</summary>
internal sealed class NormFreeBlock : Module
{
    private readonly NfSpec _spec;
    private readonly float _beta;
    private readonly Tensor? _skipGain;
    private readonly Sequential? _downsample;
    private readonly List<(Module Act, Module Conv)> _layers = [];
    private readonly Module? _attention;
    private readonly DropPath? _dropPath;

    public NormFreeBlock(NfSpec spec, int outChannels, BlockPlace place, float beta)
    {
        (_spec, _beta) = (spec, beta);
        if (spec.HasSkipGain)
            _skipGain = Parameter("skipinit_gain", Shape.Scalar, Init.Zeros);
        var ratio = spec.IsRegNet && place is { Stage: 0, Index: 0 } ? 1 : spec.BottleneckRatio;
        var middle = Widths.Divisible((spec.IsRegNet ? place.InChannels : outChannels) * ratio);
        var groups = spec.GroupSize == 0 ? 1 : middle / spec.GroupSize;
        if (spec.GroupSize > 0 && spec.GroupSize % 8 == 0)
            middle = spec.GroupSize * groups;
        if (place.InChannels != outChannels || place.Stride != 1 || place.Dilation != place.FirstDilation)
            _downsample = Child("downsample", MakeShortcut(spec, outChannels, place));
        Add("1", spec.Conv(place.InChannels, middle, 1));
        Add("2", spec.Conv(middle, middle, 3, place.Stride, place.FirstDilation, groups));
        if (spec.HasExtraConv)
            Add("2b", spec.Conv(middle, middle, 3, 1, place.Dilation, groups));
        _attention = spec.Attention.Create(spec.IsRegNet ? middle : outChannels, NfSpec.ConvInit);
        if (spec.IsRegNet && _attention is not null)
            Child("attn", _attention);
        Add("3", spec.Conv(middle, outChannels, 1, gain: spec.HasSkipGain ? 1 : 0));
        if (!spec.IsRegNet && _attention is not null)
            Child("attn_last", _attention);
        if (place.DropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(place.DropPathRate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var scaled = _layers[0].Act.Forward(x) * _beta;
        var shortcut = _downsample?.Forward(scaled) ?? x;
        x = _layers[0].Conv.Forward(scaled);
        for (var i = 1; i < _layers.Count; i++)
        {
            if (_spec.IsRegNet && i == _layers.Count - 1)
                x = Attended(x);
            x = _layers[i].Conv.Forward(_layers[i].Act.Forward(x));
        }
        if (!_spec.IsRegNet)
            x = Attended(x);
        x = _dropPath?.Forward(x) ?? x;
        if (_skipGain is not null)
            x *= _skipGain;
        return (x * _spec.Alpha) + shortcut;
    }

    // A gate around one half takes half of the signal; the factor 2 gives it back.
    private Tensor Attended(Tensor x) => _attention is null ? x : _attention.Forward(x) * 2;

    private void Add(string name, Module conv) => _layers.Add((Child($"act{name}", _spec.Act()), Child($"conv{name}", conv)));

    private static Sequential MakeShortcut(NfSpec spec, int outChannels, BlockPlace place)
    {
        Module pool = place is { Stride: 1, Dilation: 1 } ? new Identity()
            : place.Dilation == 1 ? new AvgPool2d(2, place.Stride, ceilMode: true, countIncludePad: false)
            : new AvgPool2d(2, 1, WindowPadding.Same, countIncludePad: false);
        return new([("pool", pool), ("conv", spec.Conv(place.InChannels, outChannels, 1))]);
    }
}

/// <summary>What distinguishes the variants.</summary>
internal sealed record NfSpec(IReadOnlyList<int> Depths, IReadOnlyList<int> Channels)
{
    /// <summary>Share of a block's branch in the sum.</summary>
    public float Alpha { get; } = 0.2f;

    public NfStem Stem { get; init; }

    /// <summary>Output of the stem before the width factor; the first stage's if null.</summary>
    public int? StemWidth { get; init; }

    /// <summary>Channels per group of the 3x3 convolutions; 0 for one group.</summary>
    public int GroupSize { get; init; }

    public AttentionSpec Attention { get; init; }

    /// <summary>Multiplies every width.</summary>
    public double WidthFactor { get; init; } = 1;

    public double BottleneckRatio { get; init; } = 0.5;

    /// <summary>Channels of the last 1x1 convolution; 0: there is none.</summary>
    public int FinalWidth { get; init; }

    /// <summary>Blocks widen their input, and attend before the last convolution.</summary>
    public bool IsRegNet { get; init; }

    /// <summary>A second 3x3 convolution.</summary>
    public bool HasExtraConv { get; init; }

    /// <summary>The activation's factor stands at the activation instead of in the kernels.</summary>
    public bool ScalesActivation { get; init; }

    /// <summary>Pads as TensorFlow.</summary>
    public bool PadsAsTensorFlow { get; init; }

    /// <summary>A trained factor, at first zero, before the sum.</summary>
    public bool HasSkipGain { get; init; }

    public ActivationKind Activation { get; init; } = ActivationKind.Silu;

    public string FirstConv => Stem == NfStem.Quad ? "stem.conv1" : "stem.conv";

    /// <summary>Normal with variance 1 / fan-in.</summary>
    public static Initialiser ConvInit { get; } = (weight, random) => Init.Normal(1 / MathF.Sqrt(weight.Shape.CountBetween(1, weight.Shape.Rank)))(weight, random);

    // 1 / deviation of the activation of a normal variable.
    private float Gamma => Activation switch
    {
        ActivationKind.Relu => 1.7139588594436646f,
        ActivationKind.Gelu => 1.7015043497085571f,
        ActivationKind.Silu => 1.7881293296813965f,
        _ => throw new InvalidOperationException($"the factor of {Activation} is not known"),
    };

    public Module Act() => ScalesActivation ? new ScaledActivation(Activation, Gamma) : new ActivationLayer(Activation);

    public Conv2d Conv(int inChannels, int outChannels, int kernel, int stride = 1, int dilation = 1, int groups = 1, float gain = 1) => new ScaledStandardisedConv2d(
        inChannels, outChannels, kernel, stride, PadsAsTensorFlow ? WindowPadding.Same : WindowPadding.Centred(kernel, stride, dilation), dilation, groups,
        ScalesActivation ? 1 : Gamma, 1e-5f, gain, ConvInit);
}

internal enum NfStem
{
    /// <summary>Four 3x3 convolutions that divide the size by 4.</summary>
    Quad,

    /// <summary>One 3x3 convolution.</summary>
    Conv3,

    /// <summary>One 7x7 convolution and a max pool.</summary>
    Conv7Pool,
}
