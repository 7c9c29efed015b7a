using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>A pair of 1x1 convolutions, or the one that they were merged into, maximum pooling where the image shrinks, and a series activation.</summary>
internal sealed class VanillaBlock : Module, IReparameterisable
{
    private const float Epsilon = 1e-6f;
    private readonly Module _pool;
    private readonly SeriesActivation _act;
    private Sequential? _first;
    private Sequential? _second;
    private Conv2d? _merged;

    public VanillaBlock(int inChannels, int outChannels, int stride)
    {
        _first = Child("conv1", new Sequential(Conv(inChannels, inChannels), Norm(inChannels)));
        _second = Child("conv2", new Sequential(Conv(inChannels, outChannels), Norm(outChannels)));
        _pool = Child<Module>("pool", stride == 1 ? new Identity() : new MaxPool2d(stride));
        _act = Child("act", new SeriesActivation(outChannels));
    }

    public bool IsReparameterised => _merged is not null;

    /// <summary>As <see cref="VanillaNet.PairSlope"/>.</summary>
    public float PairSlope { get; set; } = 1;

    public static Conv2d Conv(int inChannels, int outChannels, int kernel = 1) =>
        new(inChannels, outChannels, kernel, kernel, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros);

    public static BatchNorm2d Norm(int channels) => new(channels, Epsilon);

    /// <summary>What stands between two convolutions of a pair; at slope 1 nothing.</summary>
    public static Tensor Between(Tensor x, float slope) => slope == 1 ? x : x.LeakyRelu(slope);

    public void Reparameterise()
    {
        if (_first is null || _second is null)
            return;
        _merged = Replace("conv1", "conv", FoldedKernel.OfPair((Conv2d)_first[0], (BatchNorm2d)_first[1], (Conv2d)_second[0], (BatchNorm2d)_second[1]));
        Remove("conv2");
        (_first, _second) = (null, null);
        _act.Reparameterise();
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _merged?.Forward(x) ?? _second!.Forward(Between(_first!.Forward(x), PairSlope));
        return _act.Forward(_pool.Forward(x));
    }
}

/// <summary>
/// A series of ReLUs that also sees the neighbouring pixels: a depthwise 7x7 convolution of the rectified image, normalised. The
/// normaliser folds into the convolution.
/// </summary>
internal sealed class SeriesActivation : Module, IReparameterisable
{
    private const int Kernel = 7;
    private readonly Tensor _weight;
    private BatchNorm2d? _norm;
    private Tensor? _bias;

    public SeriesActivation(int channels)
    {
        _weight = Parameter("weight", [channels, 1, Kernel, Kernel], Init.TruncatedNormal(0.02f));
        _norm = Child("bn", VanillaBlock.Norm(channels));
    }

    public bool IsReparameterised => _norm is null;

    public void Reparameterise()
    {
        if (_norm is null)
            return;
        using var scope = _weight.IsMeta ? Construction.Meta() : Construction.Deferred();
        _bias = Parameter("bias", [_weight.Shape[0]], Init.Zeros);
        if (!_weight.IsMeta)
        {
            var (scale, shift) = FoldedKernel.Affine(_norm, _weight.Shape[0]);
            _weight.CopyFrom<float>([.. _weight.ToArray<float>().Select((w, i) => (float)(w * scale[i / (Kernel * Kernel)]))]);
            _bias.CopyFrom<float>(Array.ConvertAll(shift, v => (float)v));
        }
        Remove("bn");
        _norm = null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = x.Relu().Conv2d(_weight, _bias, padding: Kernel / 2, groups: _weight.Shape[0]);
        return _norm?.Forward(x) ?? x;
    }
}

/// <summary>Pooling, dropout and a 1x1 convolution, normalised until it is merged with the one after it. Its children have the places of the authors' list.</summary>
internal sealed class VanillaHead : Module
{
    private readonly GlobalPool2d _pool;
    private readonly Dropout _drop;

    public VanillaHead(GlobalPool pool, float dropRate, Module classifier, BatchNorm2d? norm)
    {
        _pool = Child("0", new GlobalPool2d(pool, flatten: false));
        _drop = Child("1", new Dropout(dropRate));
        Classifier = Child("2", classifier);
        Norm = norm is null ? null : Child("3", norm);
    }

    public GlobalPool Pool => _pool.Pool;

    public Module Classifier { get; }

    public BatchNorm2d? Norm { get; }

    public Tensor PreLogits(Tensor x) => _drop.Forward(_pool.Forward(x));

    protected override Tensor OnForward(Tensor x)
    {
        x = Classifier.Forward(PreLogits(x));
        return Norm?.Forward(x) ?? x;
    }
}
