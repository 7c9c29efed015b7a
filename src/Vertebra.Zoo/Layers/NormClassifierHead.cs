namespace Vertebra.Zoo.Layers;

/// <summary>
/// Pooling, a normaliser, an optional hidden layer <c>pre_logits.fc</c> with its activation, dropout and the classifier
/// <c>fc</c>: timm's NormMlpClassifierHead. Without a pool the linear layers are 1x1 convolutions, as their weights' shapes say.
/// </summary>
public sealed class NormClassifierHead : ClassificationHead
{
    private readonly NormLayer _norm;
    private readonly Module _preLogits;
    private readonly Dropout _drop;
    private readonly Initialiser? _initialiser;
    private readonly bool _hasHidden;
    private GlobalPool2d _pool;
    private Module _classifier;

    /// <param name="norm">Normaliser of the pooled features.</param>
    /// <param name="features">Channels of the map.</param>
    /// <param name="numClasses">Outputs; 0 for no classifier.</param>
    /// <param name="pool">Global pooling; not <see cref="GlobalPool.CatAvgMax"/>, which changes the number of features.</param>
    /// <param name="dropRate">Dropout before the classifier.</param>
    /// <param name="hidden">Width of the hidden layer; null for none.</param>
    /// <param name="activation">After the hidden layer.</param>
    /// <param name="initialiser">Fills the weights; biases start at zero then.</param>
    public NormClassifierHead(
        NormLayer norm, int features, int numClasses, GlobalPool pool, float dropRate, int? hidden = null,
        ActivationKind activation = ActivationKind.Gelu, Initialiser? initialiser = null)
    {
        (_initialiser, _hasHidden, NumFeatures) = (initialiser, hidden is not null, hidden ?? features);
        _pool = Child("global_pool", MakePool(pool));
        _norm = Child("norm", norm);
        _preLogits = Child<Module>("pre_logits", hidden is { } width
            ? new Sequential([("fc", Layer(features, width)), ("act", new ActivationLayer(activation))])
            : new Identity());
        _drop = Child("drop", new Dropout(dropRate));
        _classifier = Child("fc", Classifier(numClasses));
    }

    /// <summary>Features that the classifier sees.</summary>
    public int NumFeatures { get; }

    /// <exception cref="VertebraException">The hidden layer cannot change between pooled and unpooled features.</exception>
    public override void Reset(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed && changed != _pool.Pool)
        {
            if (_hasHidden && (changed == GlobalPool.None) != (_pool.Pool == GlobalPool.None))
                throw new VertebraException("this head has a hidden layer, whose weights fit either pooled or unpooled features; create the network with the wanted global_pool instead");
            _pool = Replace("global_pool", MakePool(changed));
        }
        _classifier = Replace("fc", Classifier(numClasses));
    }

    protected override Tensor OnForward(Tensor x) => _classifier.Forward(PreLogits(x));

    protected override Tensor PreLogits(Tensor x)
    {
        x = _norm.Forward(_pool.Forward(x));
        if (_pool.Pool != GlobalPool.None)
            x = x.Reshape([x.Shape[0], x.Shape[3]]);
        return _drop.Forward(_preLogits.Forward(x));
    }

    private static GlobalPool2d MakePool(GlobalPool pool) => pool == GlobalPool.CatAvgMax
        ? throw new VertebraException("global_pool catavgmax does not fit this network: its head normalises the pooled features, of which there would be twice as many")
        : new GlobalPool2d(pool, flatten: false);

    private Module Layer(int inFeatures, int outFeatures)
    {
        var bias = _initialiser is null ? null : Init.Zeros;
        return _pool.Pool == GlobalPool.None
            ? new Conv2d(inFeatures, outFeatures, 1, initialiser: _initialiser, biasInitialiser: bias)
            : new Linear(inFeatures, outFeatures, initialiser: _initialiser, biasInitialiser: bias);
    }

    private Module Classifier(int numClasses) => numClasses == 0 ? new Identity() : Layer(NumFeatures, numClasses);
}
