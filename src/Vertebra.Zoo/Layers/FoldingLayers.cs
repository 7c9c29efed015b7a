namespace Vertebra.Zoo.Layers;

/// <summary>Branches over one input that fold into a convolution whose <c>weight</c> and <c>bias</c> take the module's own place.</summary>
public abstract class FoldingConvolution : Module, IReparameterisable
{
    private Conv2d? _geometry;
    private Tensor? _weight;
    private Tensor? _bias;

    public bool IsReparameterised => _weight is not null;

    public void Reparameterise()
    {
        if (IsReparameterised)
            return;
        _geometry = Fold().ToConvolution();
        foreach (var (name, _) in Children.ToArray())
            Remove(name);
        using var scope = _geometry.Weight.IsMeta ? Construction.Meta() : Construction.Deferred();
        _weight = Take("weight", _geometry.Weight, WeightShape(_geometry));
        _bias = Take("bias", _geometry.Bias!, _geometry.Bias!.Shape);
    }

    /// <summary>The sum of the branches.</summary>
    protected abstract Tensor Branches(Tensor x);

    /// <summary>The same in one kernel.</summary>
    private protected abstract FoldedKernel Fold();

    /// <summary>Shape in which the folded weight is kept.</summary>
    private protected virtual Shape WeightShape(Conv2d folded) => folded.Weight.Shape;

    /// <summary>Applies the folded weight.</summary>
    private protected virtual Tensor Apply(Tensor x, Tensor weight, Tensor bias) =>
        x.Conv2d(weight, bias, _geometry!.Stride, _geometry.Padding.For(x.Shape, _geometry.Kernel, _geometry.Stride, _geometry.Dilation), _geometry.Dilation, _geometry.Groups);

    protected override Tensor OnForward(Tensor x) => _weight is null ? Branches(x) : Apply(x, _weight, _bias!);

    private Tensor Take(string name, Tensor from, Shape shape)
    {
        var parameter = Parameter(name, shape, Init.Zeros);
        if (!parameter.IsMeta)
            parameter.CopyFrom<float>(from.ToArray<float>());
        return parameter;
    }
}

/// <summary>A convolution without bias and batch normalisation <c>bn</c>, one convolution after folding.</summary>
public sealed class FoldingConvNorm : FoldingConvolution
{
    private readonly Conv2d _conv;
    private readonly BatchNorm2d _norm;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="kernel">Side of the kernel; the map is padded by half of it.</param>
    /// <param name="stride">Step between outputs.</param>
    /// <param name="groups">Groups of channels.</param>
    /// <param name="normInitialiser">Fills the scale of the normaliser.</param>
    /// <param name="name">Name of the convolution.</param>
    /// <param name="initialiser">Fills its weight.</param>
    public FoldingConvNorm(
        int inChannels, int outChannels, int kernel = 1, int stride = 1, int groups = 1, Initialiser? normInitialiser = null, string name = "conv",
        Initialiser? initialiser = null)
    {
        _conv = Child(name, new Conv2d(inChannels, outChannels, kernel, stride, kernel / 2, groups: groups, bias: false, initialiser: initialiser));
        _norm = Child("bn", new BatchNorm2d(outChannels, initialiser: normInitialiser));
    }

    protected override Tensor Branches(Tensor x) => _norm.Forward(_conv.Forward(x));

    private protected override FoldedKernel Fold() => new FoldedKernel(_conv).Add(_conv, _norm);

    /// <summary>Adds this to a sum that is being folded.</summary>
    internal FoldedKernel AddTo(FoldedKernel kernel) => kernel.Add(_conv, _norm);

    /// <summary>A kernel of this one's geometry, empty yet.</summary>
    internal FoldedKernel NewKernel() => new(_conv);
}

/// <summary>A linear layer <c>linear</c> without bias over the last axis and batch normalisation <c>bn</c>, one linear layer after folding.</summary>
public sealed class FoldingLinearNorm : FoldingConvolution
{
    private readonly Linear _linear;
    private readonly BatchNorm2d _norm;

    /// <param name="inFeatures">Channels of the input.</param>
    /// <param name="outFeatures">Channels of the output.</param>
    /// <param name="normInitialiser">Fills the scale of the normaliser.</param>
    public FoldingLinearNorm(int inFeatures, int outFeatures, Initialiser? normInitialiser = null)
    {
        _linear = Child("linear", new Linear(inFeatures, outFeatures, bias: false));
        _norm = Child("bn", new BatchNorm2d(outFeatures, initialiser: normInitialiser));
    }

    protected override Tensor Branches(Tensor x) => _norm.Forward(_linear.Forward(x));

    private protected override FoldedKernel Fold()
    {
        using var scope = _linear.Weight.IsMeta ? Construction.Meta() : Construction.Deferred();
        var conv = new Conv2d(_linear.InFeatures, _linear.OutFeatures, 1, bias: false);
        if (!conv.Weight.IsMeta)
            conv.Weight.CopyFrom<float>(_linear.Weight.ToArray<float>());
        return new FoldedKernel(conv).Add(conv, _norm);
    }

    private protected override Shape WeightShape(Conv2d folded) => [folded.OutChannels, folded.InChannels];

    private protected override Tensor Apply(Tensor x, Tensor weight, Tensor bias) => x.Linear(weight, bias);
}

/// <summary>Batch normalisation <c>bn</c>, dropout and a linear layer <c>linear</c> over the last axis, one linear layer after folding.</summary>
public sealed class FoldingNormLinear : Module, IReparameterisable
{
    private readonly BatchNorm2d _norm;
    private readonly Dropout _drop;
    private readonly Linear _linear;
    private Tensor? _weight;
    private Tensor? _bias;

    /// <param name="inFeatures">Channels of the input.</param>
    /// <param name="outFeatures">Outputs.</param>
    /// <param name="dropRate">Probability of dropping a feature while training.</param>
    /// <param name="name">Name of the linear layer.</param>
    public FoldingNormLinear(int inFeatures, int outFeatures, float dropRate = 0, string name = "linear")
    {
        _norm = Child("bn", new BatchNorm2d(inFeatures));
        _drop = Child("drop", new Dropout(dropRate));
        _linear = Child(name, TokenLinear.Create(inFeatures, outFeatures));
    }

    public bool IsReparameterised => _weight is not null;

    public void Reparameterise()
    {
        if (IsReparameterised)
            return;
        foreach (var (name, _) in Children.ToArray())
            Remove(name);
        using var scope = _linear.Weight.IsMeta ? Construction.Meta() : Construction.Deferred();
        _weight = Parameter("weight", _linear.Weight.Shape, Init.Zeros);
        _bias = Parameter("bias", _linear.Bias!.Shape, Init.Zeros);
        if (IsMeta)
            return;
        var (weight, bias) = Folded();
        _weight.CopyFrom<float>(weight);
        _bias.CopyFrom<float>(bias);
    }

    /// <summary>Shape of the linear layer's weight.</summary>
    internal Shape WeightShape => _linear.Weight.Shape;

    /// <summary>Whether it has shapes only.</summary>
    internal bool IsMeta => _linear.Weight.IsMeta;

    /// <summary>Weight and bias of one linear layer that does the same.</summary>
    internal (float[] Weight, float[] Bias) Folded()
    {
        var (scale, shift) = FoldedKernel.Affine(_norm, _linear.InFeatures);
        var (weight, bias) = (_linear.Weight.ToArray<float>(), Array.ConvertAll(_linear.Bias!.ToArray<float>(), b => (double)b));
        for (var i = 0; i < weight.Length; i++)
        {
            var (output, input) = (i / _linear.InFeatures, i % _linear.InFeatures);
            bias[output] += weight[i] * shift[input];
            weight[i] = (float)(weight[i] * scale[input]);
        }
        return (weight, Array.ConvertAll(bias, b => (float)b));
    }

    protected override Tensor OnForward(Tensor x) => _weight is null ? _linear.Forward(_drop.Forward(_norm.Forward(x))) : x.Linear(_weight, _bias);
}
