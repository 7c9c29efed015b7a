namespace Vertebra.Zoo.Layers;

/// <summary>Makes one vector per image of a feature map [N, H, W, C].</summary>
/// <param name="pool">How.</param>
/// <param name="flatten">Whether the result is [N, C] or [N, 1, 1, C]; without a pool the map stays as it is.</param>
public sealed class GlobalPool2d(GlobalPool pool, bool flatten = true) : Module
{
    public GlobalPool Pool { get; } = pool is GlobalPool.Token or GlobalPool.Map
        ? throw new VertebraException($"global_pool '{pool.NameOf()}' is for networks of tokens; a feature map takes avg, max, avgmax, catavgmax or none") : pool;

    protected override Tensor OnForward(Tensor x) => Pool switch
    {
        GlobalPool.None => x,
        GlobalPool.Avg => Mean(x),
        GlobalPool.Max => Max(x),
        GlobalPool.AvgMax => (Mean(x) + Max(x)) * 0.5f,
        GlobalPool.CatAvgMax => Tensor.Concat([Mean(x), Max(x)], -1),
        _ => throw new InvalidOperationException($"pool {Pool} has no forward"),
    };

    private Tensor Mean(Tensor x) => x.Mean([1, 2], keepAxes: !flatten);

    private Tensor Max(Tensor x) => x.Max([1, 2], keepAxes: !flatten);
}

/// <summary>What makes class scores of the last feature map.</summary>
public abstract class ClassificationHead : Module
{
    /// <summary>Logits; with <paramref name="preLogits"/> what the classifier would see.</summary>
    public Tensor Forward(Tensor x, bool preLogits)
    {
        if (!preLogits)
            return Forward(x);
        using var scope = Enter();
        return PreLogits(x);
    }

    /// <summary>Puts a fresh classifier in place.</summary>
    /// <param name="numClasses">0: none.</param>
    /// <param name="pool">null: as it is.</param>
    public abstract void Reset(int numClasses, GlobalPool? pool);

    /// <summary>What the classifier sees.</summary>
    protected abstract Tensor PreLogits(Tensor x);
}

/// <summary>Pooling, dropout and a linear classifier <c>fc</c>. timm's ClassifierHead.</summary>
public sealed class ClassifierHead : ClassificationHead
{
    private readonly int _features;
    private readonly Dropout _drop;
    private readonly Initialiser? _initialiser;
    private GlobalPool2d _pool;
    private Module _classifier;

    /// <param name="features">Channels of the map.</param>
    /// <param name="numClasses">Outputs; 0 for no classifier.</param>
    /// <param name="pool">Global pooling.</param>
    /// <param name="dropRate">Dropout before the classifier.</param>
    /// <param name="initialiser">Fills the classifier's weight; its bias starts at zero then. PyTorch's defaults if null.</param>
    public ClassifierHead(int features, int numClasses, GlobalPool pool = GlobalPool.Avg, float dropRate = 0, Initialiser? initialiser = null)
    {
        (_features, _initialiser) = (features, initialiser);
        _pool = Child("global_pool", new GlobalPool2d(pool));
        _drop = Child("drop", new Dropout(dropRate));
        _classifier = Child("fc", Classifier(numClasses));
    }

    public override void Reset(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", new GlobalPool2d(changed));
        _classifier = Replace("fc", Classifier(numClasses));
    }

    protected override Tensor OnForward(Tensor x) => _classifier.Forward(PreLogits(x));

    protected override Tensor PreLogits(Tensor x) => _drop.Forward(_pool.Forward(x));

    private Module Classifier(int numClasses) => numClasses == 0 ? new Identity()
        : new Linear(_features * _pool.Pool.Width(), numClasses, initialiser: _initialiser, biasInitialiser: _initialiser is null ? null : Init.Zeros);
}

/// <summary>
/// Pooling, dropout and a 1x1 convolution <c>fc</c> as the classifier, which also works on an unpooled map. timm's
/// ClassifierHead with use_conv.
/// </summary>
public sealed class ConvolutionHead : Module
{
    private readonly int _features;
    private readonly Dropout _drop;
    private readonly Initialiser? _initialiser;
    private GlobalPool2d _pool;
    private Module _classifier;

    /// <param name="features">Channels of the map.</param>
    /// <param name="numClasses">Outputs; 0 for no classifier.</param>
    /// <param name="pool">Global pooling.</param>
    /// <param name="dropRate">Dropout before the classifier.</param>
    /// <param name="initialiser">Fills the classifier's weight; its bias starts at zero then.</param>
    public ConvolutionHead(int features, int numClasses, GlobalPool pool, float dropRate, Initialiser? initialiser = null)
    {
        (_features, _initialiser) = (features, initialiser);
        _pool = Child("global_pool", new GlobalPool2d(pool, flatten: false));
        _drop = Child("drop", new Dropout(dropRate));
        _classifier = Child("fc", Classifier(numClasses, pool));
    }

    /// <summary>Puts a fresh classifier in place.</summary>
    public void Reset(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", new GlobalPool2d(changed, flatten: false));
        _classifier = Replace("fc", Classifier(numClasses, _pool.Pool));
    }

    /// <summary>Logits; with <paramref name="preLogits"/> what the classifier would see.</summary>
    public Tensor Forward(Tensor x, bool preLogits)
    {
        if (!preLogits)
            return Forward(x);
        using var scope = Enter();
        return Flatten(_drop.Forward(_pool.Forward(x)));
    }

    protected override Tensor OnForward(Tensor x) => Flatten(_classifier.Forward(_drop.Forward(_pool.Forward(x))));

    private Tensor Flatten(Tensor x) => _pool.Pool == GlobalPool.None ? x : x.Reshape([x.Shape[0], x.Shape[3]]);

    private Module Classifier(int numClasses, GlobalPool pool) => numClasses == 0 ? new Identity()
        : new Conv2d(_features * pool.Width(), numClasses, 1, initialiser: _initialiser, biasInitialiser: _initialiser is null ? null : Init.Zeros);
}
