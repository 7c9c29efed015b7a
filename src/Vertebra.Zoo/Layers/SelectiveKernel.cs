namespace Vertebra.Zoo.Layers;

/// <summary>What distinguishes selective kernels.</summary>
/// <param name="Ratio">Width of the bottleneck of the choice relative to the output.</param>
/// <param name="Divisor">That width is a multiple of it.</param>
/// <param name="SplitsInput">Each path sees its own half of the input rather than all of it.</param>
public sealed record SelectiveKernelSpec(double Ratio, int Divisor, bool SplitsInput);

/// <summary>
/// Selective kernel (Li et al. 2019): a 3x3 convolution and one dilated to 5x5, between which a softmax chooses channel by
/// channel by their means.
/// </summary>
public sealed class SelectiveKernel : Module
{
    private const int Paths = 2;
    private readonly ModuleList<ConvNormAct> _paths;
    private readonly Choice _attention;
    private readonly bool _splits;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="stride">Step between outputs.</param>
    /// <param name="dilation">Of the 3x3 path; the other has twice as much.</param>
    /// <param name="groups">Groups of each convolution.</param>
    /// <param name="spec">The variant.</param>
    public SelectiveKernel(int inChannels, int outChannels, int stride, int dilation, int groups, SelectiveKernelSpec spec)
    {
        _splits = spec.SplitsInput;
        var width = _splits ? inChannels / Paths : inChannels;
        _paths = Child("paths", new ModuleList<ConvNormAct>(Enumerable.Range(1, Paths).Select(i =>
            new ConvNormAct(width, outChannels, 3, stride, dilation: i * dilation, groups: Math.Min(outChannels, groups), initialiser: Init.KaimingNormal(fanOut: true)))));
        _attention = Child("attn", new Choice(outChannels, Widths.Divisible(outChannels * spec.Ratio, spec.Divisor)));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var parts = _splits ? x.Chunk(Paths, -1) : [x, x];
        var (first, second) = (_paths.Modules[0].Forward(parts[0]), _paths.Modules[1].Forward(parts[1]));
        var weights = _attention.Forward(first + second);
        return (first * weights.Slice(1, 0, 1)) + (second * weights.Slice(1, 1, 2));
    }

    /// <summary>The weights [N, 2, 1, C] of the paths, from the sum of their maps.</summary>
    private sealed class Choice : Module
    {
        private readonly Conv2d _reduce;
        private readonly NormLayer _norm;
        private readonly ActivationLayer _act;
        private readonly Conv2d _select;

        public Choice(int channels, int narrow)
        {
            _reduce = Child("fc_reduce", new Conv2d(channels, narrow, 1, bias: false));
            _norm = Child("bn", new BatchNorm2d(narrow));
            _act = Child("act", new ActivationLayer(ActivationKind.Relu));
            _select = Child("fc_select", new Conv2d(narrow, channels * Paths, 1, bias: false));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var scores = _select.Forward(_norm.Forward(_reduce.Forward(x.Mean([1, 2], keepAxes: true)), _act));
            return scores.Reshape([x.Shape[0], Paths, 1, x.Shape[3]]).Softmax(1);
        }
    }
}
