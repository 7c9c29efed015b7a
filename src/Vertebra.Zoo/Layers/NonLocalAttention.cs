namespace Vertebra.Zoo.Layers;

/// <summary>
/// Non-local attention (Wang et al. 2018): every pixel sees all others in a narrow space, of queries <c>t</c>, keys <c>p</c> and
/// values <c>g</c>; the result is projected by <c>z</c>, normalised and added. Names follow timm.
/// </summary>
public sealed class NonLocalAttention : Module
{
    private readonly Conv2d _queries;
    private readonly Conv2d _keys;
    private readonly Conv2d _values;
    private readonly Conv2d _project;
    private readonly BatchNorm2d _norm;
    private readonly float _scale;

    /// <param name="channels">Channels of the image.</param>
    /// <param name="reduced">Channels of the narrow space.</param>
    public NonLocalAttention(int channels, int reduced)
    {
        _scale = 1 / MathF.Sqrt(channels);
        _queries = Child("t", Conv(channels, reduced));
        _keys = Child("p", Conv(channels, reduced));
        _values = Child("g", Conv(channels, reduced));
        _project = Child("z", Conv(reduced, channels));
        _norm = Child("norm", new BatchNorm2d(channels, initialiser: Init.Zeros));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (n, h, w) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        var reduced = _queries.OutChannels;
        var queries = _queries.Forward(x).Reshape([n, h * w, reduced]);
        var keys = _keys.Forward(x).Reshape([n, h * w, reduced]);
        var values = _values.Forward(x).Reshape([n, h * w, reduced]);
        var seen = (queries.MatMul(keys, transposeB: true) * _scale).Softmax().MatMul(values);
        return _norm.Forward(_project.Forward(seen.Reshape([n, h, w, reduced])), null, x);
    }

    private static Conv2d Conv(int inChannels, int outChannels) =>
        new(inChannels, outChannels, 1, initialiser: Init.KaimingNormal(fanOut: true), biasInitialiser: Init.Zeros);
}
