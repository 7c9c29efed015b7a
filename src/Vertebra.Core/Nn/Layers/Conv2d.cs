using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>
/// Two-dimensional convolution of [N, H, W, C] images. Parameters as in PyTorch: <c>weight</c> [out, in / groups, KH, KW] and,
/// unless left out, <c>bias</c> [out].
/// </summary>
public class Conv2d : Module
{
    /// <param name="inChannels">Channels of the input; a multiple of <paramref name="groups"/>.</param>
    /// <param name="outChannels">Channels of the output; a multiple of <paramref name="groups"/>.</param>
    /// <param name="kernel">Size of the kernel.</param>
    /// <param name="stride">Step between outputs; 1 if null.</param>
    /// <param name="padding">Zeros around the image; none if null.</param>
    /// <param name="dilation">Step between the kernel's taps; 1 if null.</param>
    /// <param name="groups">Groups of channels that are convolved each for itself.</param>
    /// <param name="bias">Whether there is a bias.</param>
    /// <param name="initialiser">Fills the weight; PyTorch's default if null.</param>
    /// <param name="biasInitialiser">Fills the bias; PyTorch's default (uniform, bound 1 / √fan-in) if null.</param>
    public Conv2d(
        int inChannels, int outChannels, Size2d kernel, Size2d? stride = null, WindowPadding? padding = null, Size2d? dilation = null, int groups = 1,
        bool bias = true, Initialiser? initialiser = null, Initialiser? biasInitialiser = null)
    {
        if (groups < 1 || inChannels % groups != 0 || outChannels % groups != 0)
            throw new VertebraException($"a convolution from {inChannels} to {outChannels} channels cannot have {groups} groups: both must be multiples");
        (Kernel, Stride, Padding, Dilation, Groups) = (kernel, stride ?? 1, padding ?? 0, dilation ?? 1, groups);
        Weight = Parameter("weight", [outChannels, inChannels / groups, kernel.H, kernel.W], initialiser ?? Init.TorchDefault);
        var fanIn = Weight.Shape.CountBetween(1, 4);
        Bias = bias ? Parameter("bias", [outChannels], biasInitialiser ?? Init.Uniform(1 / MathF.Sqrt(Math.Max(1, fanIn)))) : null;
    }

    public Tensor Weight { get; }

    public Tensor? Bias { get; }

    /// <summary>What is made of <see cref="Weight"/>, in the same shape, before it convolves; null: it is used as it is.</summary>
    public Func<Tensor, Tensor>? WeightForm { get; set; }

    public Size2d Kernel { get; }

    public Size2d Stride { get; }

    public WindowPadding Padding { get; }

    public Size2d Dilation { get; }

    public int Groups { get; }

    public int InChannels => Weight.Shape[1] * Groups;

    public int OutChannels => Weight.Shape[0];

    protected override Tensor OnForward(Tensor x) => Convolve(x, WeightForm?.Invoke(Weight) ?? Weight);

    /// <summary>The convolution with another weight of the same shape: for layers that derive it from <see cref="Weight"/>.</summary>
    protected Tensor Convolve(Tensor x, Tensor weight) =>
        x.Conv2d(weight, Bias, Stride, Padding.For(x.Shape, Kernel, Stride, Dilation), Dilation, Groups);
}
