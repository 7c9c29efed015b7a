namespace Vertebra.Zoo.Layers;

/// <summary>
/// EvoNorm S0 (Liu et al. 2020): <c>x · sigmoid(v · x) / σ · weight + bias</c> with the deviation σ of a group of channels; it
/// normalises and activates in one formula and needs no batch statistics.
/// </summary>
public sealed class EvoNormS0 : NormLayer
{
    private readonly Tensor _weight;
    private readonly Tensor _bias;
    private readonly Tensor? _v;
    private readonly int _groups;
    private readonly bool _alwaysNormalises;

    /// <param name="channels">Size of the last axis.</param>
    /// <param name="groups">Groups of channels; a divisor of <paramref name="channels"/>.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="activates">Whether it does; if not, only weight and bias are left (timm's apply_act).</param>
    /// <param name="alwaysNormalises">Divides by the deviation also where it does not activate (timm's S0a).</param>
    public EvoNormS0(int channels, int groups = 32, float epsilon = 1e-5f, bool activates = true, bool alwaysNormalises = false)
        : base(epsilon, ActivationKind.Identity)
    {
        (_groups, _alwaysNormalises) = (groups, alwaysNormalises);
        _weight = Parameter("weight", [channels], Init.Ones);
        _bias = Parameter("bias", [channels], Init.Zeros);
        _v = activates ? Parameter("v", [channels], Init.Ones) : null;
    }

    protected override Tensor Normalise(Tensor x)
    {
        if (_v is null && !_alwaysNormalises)
            return (x * _weight) + _bias;
        var (n, h, w, c) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]);
        var scale = (x.Reshape([n, h, w, _groups, c / _groups]).Variance([1, 2, 4], correction: 0, keepAxes: true) + Epsilon).Rsqrt();
        var active = (_v is null ? x : x * (x * _v).Sigmoid()).Reshape([n, h, w, _groups, c / _groups]);
        return ((active * scale).Reshape([n, h, w, c]) * _weight) + _bias;
    }
}

/// <summary>
/// Filter response normalisation with its thresholded linear unit (Singh and Krishnan 2020):
/// <c>max(x / rms · weight + bias, tau)</c> with the root mean square of each image and channel.
/// </summary>
public sealed class FilterResponseNorm : NormLayer
{
    private readonly Tensor _weight;
    private readonly Tensor _bias;
    private readonly Tensor _tau;

    /// <param name="channels">Size of the last axis.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    public FilterResponseNorm(int channels, float epsilon = 1e-5f) : base(epsilon, ActivationKind.Identity)
    {
        _weight = Parameter("weight", [channels], Init.Ones);
        _bias = Parameter("bias", [channels], Init.Zeros);
        _tau = Parameter("tau", [channels], Init.Zeros);
    }

    protected override Tensor Normalise(Tensor x)
    {
        var scale = (x.Square().Mean([1, 2], keepAxes: true) + Epsilon).Rsqrt();
        return ((x * scale * _weight) + _bias).Maximum(_tau);
    }
}
