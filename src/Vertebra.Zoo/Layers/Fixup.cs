namespace Vertebra.Zoo.Layers;

/// <summary>A convolution of a <see cref="FixupBlock"/>, padded so that the size stays or is divided by the stride.</summary>
internal readonly record struct FixupConv(int InChannels, int OutChannels, int Kernel, int Stride = 1, int Dilation = 1, int Groups = 1)
{
    public Conv2d Create(Initialiser initialiser) =>
        new(InChannels, OutChannels, Kernel, Stride, WindowPadding.Centred(Kernel, Stride, Dilation), Dilation, Groups, bias: false, initialiser: initialiser);
}

/// <summary>
/// A residual block without normalisers (Zhang, Dauphin and Ma 2019, "Fixup initialization: residual learning without normalization"). The last of its
/// m convolutions starts at zero; the others by He's rule times L^(-1 / (2m - 2)), where L counts the network's blocks. A learned number is added
/// before every convolution and every activation, and one multiplies the branch. Names as in the authors' code.
/// </summary>
public sealed class FixupBlock : Module
{
    private readonly ScalarBias[] _before;
    private readonly Conv2d[] _convs;
    private readonly ScalarBias[] _after;
    private readonly ActivationLayer[] _acts;
    private readonly Tensor _scale;
    private readonly Module? _downsample;
    private readonly DropPath? _dropPath;
    private readonly Func<Tensor, Tensor>? _shortcut;

    /// <param name="convs">The branch.</param>
    /// <param name="blocks">Blocks of the network.</param>
    /// <param name="dropPathRate">Stochastic depth.</param>
    /// <param name="downsample">On the shortcut, where it needs weights.</param>
    /// <param name="shortcut">On the shortcut, where it needs none but changes shape.</param>
    internal FixupBlock(IReadOnlyList<FixupConv> convs, int blocks, float dropPathRate, Module? downsample = null, Func<Tensor, Tensor>? shortcut = null)
    {
        var count = convs.Count;
        (_before, _convs, _after, _acts) = (new ScalarBias[count], new Conv2d[count], new ScalarBias[count], new ActivationLayer[count]);
        (_downsample, _shortcut) = (downsample, shortcut);
        _scale = Parameter("scale", [1], Init.Ones);
        var inner = Init.Scaled(Init.KaimingNormal(fanOut: true), MathF.Pow(blocks, -1f / ((2 * count) - 2)));
        for (var i = 0; i < count; i++)
        {
            _before[i] = Child($"bias{i + 1}a", new ScalarBias());
            _convs[i] = Child($"conv{i + 1}", convs[i].Create(i == count - 1 ? Init.Zeros : inner));
            _after[i] = Child($"bias{i + 1}b", new ScalarBias());
            _acts[i] = Child($"act{i + 1}", new ActivationLayer(ActivationKind.Relu));
        }
        if (downsample is not null)
            Child("downsample", downsample);
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _before[0].Forward(x);
        var shortcut = _downsample?.Forward(y) ?? _shortcut?.Invoke(x) ?? x;
        y = _convs[0].Forward(y);
        for (var i = 1; i < _convs.Length; i++)
            y = _convs[i].Forward(_before[i].Forward(_acts[i - 1].Forward(_after[i - 1].Forward(y))));
        y = _after[^1].Forward(y * _scale);
        return _acts[^1].Forward((_dropPath?.Forward(y) ?? y) + shortcut);
    }
}

/// <summary>A learned number <c>bias</c> [1] that is added: what stands in the place of a normaliser in networks without.</summary>
public sealed class ScalarBias : NormLayer
{
    private readonly Tensor _bias;

    public ScalarBias() : base(0, ActivationKind.Identity) => _bias = Parameter("bias", [1], Init.Zeros);

    protected override Tensor Normalise(Tensor x) => x + _bias;
}
