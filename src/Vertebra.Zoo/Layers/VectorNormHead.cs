namespace Vertebra.Zoo.Layers;

/// <summary>
/// Pooling of a map [N, H, W, C] to [N, C], a normaliser <c>norm</c>, perhaps a hidden layer <c>pre_logits</c> with a normaliser of
/// its own, dropout and a linear classifier <c>fc</c>. timm's ClNormMlpClassifierHead.
/// </summary>
public sealed class VectorNormHead : ClassificationHead
{
    private readonly int _features;
    private readonly NormLayer _norm;
    private readonly Sequential? _preLogits;
    private readonly Dropout _drop;
    private GlobalPool2d _pool;
    private Module _classifier;

    /// <param name="norm">Normaliser of the pooled features.</param>
    /// <param name="features">Channels of the map.</param>
    /// <param name="numClasses">Outputs; 0 for no classifier.</param>
    /// <param name="pool">Global pooling; not <see cref="GlobalPool.CatAvgMax"/>, which changes the number of features.</param>
    /// <param name="dropRate">Dropout before the classifier.</param>
    /// <param name="hidden">Width of the hidden layer; null for none.</param>
    /// <param name="hiddenNorm">Normaliser after the hidden layer and its GELU.</param>
    public VectorNormHead(NormLayer norm, int features, int numClasses, GlobalPool pool, float dropRate, int? hidden = null, NormLayer? hiddenNorm = null)
    {
        _features = hidden ?? features;
        _pool = Child("global_pool", MakePool(pool));
        _norm = Child("norm", norm);
        if (hidden is { } width)
        {
            List<(string, Module)> layers = [("fc", TokenLinear.Create(features, width)), ("act", new ActivationLayer(ActivationKind.Gelu))];
            if (hiddenNorm is not null)
                layers.Add(("norm", hiddenNorm));
            _preLogits = Child("pre_logits", new Sequential(layers));
        }
        _drop = Child("drop", new Dropout(dropRate));
        _classifier = Child("fc", TokenLinear.Classifier(_features, numClasses));
    }

    public override void Reset(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", MakePool(changed));
        _classifier = Replace("fc", TokenLinear.Classifier(_features, numClasses));
    }

    protected override Tensor OnForward(Tensor x) => _classifier.Forward(PreLogits(x));

    protected override Tensor PreLogits(Tensor x)
    {
        x = _norm.Forward(_pool.Forward(x));
        return _drop.Forward(_preLogits?.Forward(x) ?? x);
    }

    private static GlobalPool2d MakePool(GlobalPool pool) => pool != GlobalPool.CatAvgMax ? new(pool)
        : throw new VertebraException("global_pool catavgmax does not fit this network: its head normalises the pooled features, of which there would be twice as many");
}
