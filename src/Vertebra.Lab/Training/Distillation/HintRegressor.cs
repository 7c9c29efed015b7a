using Vertebra.Kernels;
using Vertebra.Nn;
using static Vertebra.Ops.TensorOps;
using Size2d = Vertebra.Ops.Size2d;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// The regressor of FitNets (Romero, Ballas, Kahou, Chassang, Gatta and Bengio, ICLR 2015): guesses a teacher's map (the hint) from
/// a map of the student by one convolution without padding, as large as it takes to come to the hint's size.
/// </summary>
public sealed class HintRegressor : Module
{
    private readonly Size2d _hint;
    private readonly Conv2d _conv;
    private readonly bool _isActivated;

    /// <param name="channels">Channels of the student's map.</param>
    /// <param name="size">Its size; one that is smaller than the hint is first resized to it.</param>
    /// <param name="hintChannels">Channels of the hint.</param>
    /// <param name="hint">Its size.</param>
    /// <param name="activated">Ends in a ReLU, for hints that come from one: the paper wants the same non-linearity on both sides.</param>
    public HintRegressor(int channels, Size2d size, int hintChannels, Size2d hint, bool activated)
    {
        _hint = hint;
        _isActivated = activated;
        var kernel = IsSmaller(size) ? new Size2d(1, 1) : new(size.H - hint.H + 1, size.W - hint.W + 1);
        _conv = Child("conv", new Conv2d(channels, hintChannels, kernel));
    }

    /// <summary>The student's map [N, H, W, C] in the form of the hint.</summary>
    protected override Tensor OnForward(Tensor x)
    {
        x = _conv.Forward(IsSmaller(new(x.Shape[1], x.Shape[2])) ? x.Interpolate(_hint, InterpolationMode.Bilinear) : x);
        return _isActivated ? x.Relu() : x;
    }

    /// <summary>Half the mean square of what is between guess and hint (the paper's ½‖u - r‖², per element, so that one weight serves maps of all sizes).</summary>
    /// <param name="map">float32 [N, H, W, C]: the student's.</param>
    /// <param name="hint">float32 [N, h, w, c]: the teacher's.</param>
    public Tensor Loss(Tensor map, Tensor hint) => (Forward(map) - hint).Square().Mean() * 0.5f;

    private bool IsSmaller(Size2d size) => size.H < _hint.H || size.W < _hint.W;
}
