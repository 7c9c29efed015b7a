namespace Vertebra.Zoo.Layers;

/// <summary>Softmax over the covariance of normalised queries and keys, channel by channel within a head (El-Nouby et al. 2021, "XCiT").</summary>
internal sealed class CrossCovarianceAttention : Module
{
    private readonly int _heads;
    private readonly Tensor _temperature;
    private readonly Linear _qkv;
    private readonly Linear _proj;

    public CrossCovarianceAttention(int width, int heads)
    {
        _heads = heads;
        _temperature = Parameter("temperature", [heads, 1, 1], Init.Ones);
        _qkv = Child("qkv", TokenLinear.Create(width, 3 * width));
        _proj = Child("proj", TokenLinear.Create(width, width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (q, k, v) = Heads.Split3(_qkv.Forward(x), _heads);
        var weights = (UnitLength(q).MatMul(UnitLength(k), transposeA: true) * _temperature).Softmax();
        return _proj.Forward(v.MatMul(weights, transposeB: true).Join());
    }

    // Along the tokens, for each channel.
    private static Tensor UnitLength(Tensor x) => x / x.Square().Sum([2], keepAxes: true).Sqrt().Clamp(1e-12f);
}
