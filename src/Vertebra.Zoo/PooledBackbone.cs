using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo;

/// <summary>
/// A backbone whose head pools the last map, drops and classifies: as a module <c>head</c> with the classifier <c>fc</c>, or
/// directly, with the classifier under a name of its own.
/// </summary>
public abstract class PooledBackbone : Backbone
{
    private readonly List<FeatureInfo> _levels = [];
    private ClassificationHead? _head;
    private GlobalPool2d? _pool;
    private Dropout? _drop;
    private Module? _classifier;
    private Initialiser? _initialiser;
    private bool _isConvolution;
    private int _features;
    private int _numFeatures;

    /// <param name="options">As <see cref="Backbone"/> takes them.</param>
    /// <param name="firstConv">Path of the convolution that sees the image.</param>
    /// <param name="classifier">Path of the classifier: <c>head.fc</c>, or the name of a child; further classifiers may follow after commas.</param>
    protected PooledBackbone(ModelOptions options, string firstConv, string classifier) : base(options) => (FirstConv, Classifier) = (firstConv, classifier);

    public override int NumFeatures => _numFeatures;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _levels;

    public override string Classifier { get; }

    public override string FirstConv { get; }

    private string ClassifierName => Classifier.Split(',')[0];

    /// <summary>Where the pyramid starts to count: 1 for networks whose level at full size is left out by default.</summary>
    protected virtual int FirstLevel => 0;

    /// <summary>Adds the next level of the pyramid.</summary>
    protected void AddFeature(int channels, int reduction, string module) => _levels.Add(new(_levels.Count + FirstLevel, channels, reduction, module));

    /// <summary>Refuses <c>output_stride</c>, for families whose stages cannot dilate.</summary>
    /// <exception cref="VertebraException">It was asked for, and not as 32.</exception>
    protected static void RefuseOutputStride(ModelOptions options, string family)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException($"output_stride {options.OutputStride} is not to be had from {family}: the strides of its stages are fixed; leave it out or use 32");
    }

    /// <summary>Builds the head; to be called where its modules come in the state dict.</summary>
    /// <param name="features">Channels of the map that is pooled.</param>
    /// <param name="options">Pool and dropout.</param>
    /// <param name="isConvolution">The classifier is a 1x1 convolution; only for heads without a module of their own.</param>
    /// <param name="initialiser">Fills the classifier; its bias starts at zero then.</param>
    /// <param name="numFeatures">Channels of <see cref="Backbone.ForwardFeatures"/>, where layers of the head come before the pool.</param>
    protected void AddHead(int features, ModelOptions options, bool isConvolution = false, Initialiser? initialiser = null, int? numFeatures = null)
    {
        (_features, _numFeatures, _isConvolution, _initialiser) = (features, numFeatures ?? features, isConvolution, initialiser);
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        if (Classifier == "head.fc")
        {
            _head = Child("head", new ClassifierHead(features, NumClasses, pool, options.DropRate, initialiser));
            return;
        }
        _pool = Child("global_pool", MakePool(pool));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _classifier = Child(ClassifierName, MakeClassifier(NumClasses));
    }

    /// <summary>Takes a head that is not as usual.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="head">The head.</param>
    /// <param name="numFeatures">Channels of <see cref="Backbone.ForwardFeatures"/>.</param>
    protected void AddHead(string name, ClassificationHead head, int numFeatures) => (_head, _numFeatures) = (Child(name, head), numFeatures);

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        if (_head is not null)
            return _head.Forward(features, preLogits);
        var x = _drop!.Forward(_pool!.Forward(features));
        if (!preLogits)
            x = _classifier!.Forward(x);
        return _isConvolution && _pool.Pool != GlobalPool.None ? x.Reshape([x.Shape[0], x.Shape[3]]) : x;
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (_head is not null)
        {
            _head.Reset(numClasses, pool);
            return;
        }
        if (pool is { } changed)
            _pool = Replace("global_pool", MakePool(changed));
        _classifier = Replace(ClassifierName, MakeClassifier(numClasses));
    }

    private GlobalPool2d MakePool(GlobalPool pool) => new(pool, flatten: !_isConvolution);

    private Module MakeClassifier(int numClasses)
    {
        if (numClasses == 0)
            return new Identity();
        var features = _features * _pool!.Pool.Width();
        var bias = _initialiser is null ? null : Init.Zeros;
        return _isConvolution
            ? new Conv2d(features, numClasses, 1, initialiser: _initialiser, biasInitialiser: bias)
            : new Linear(features, numClasses, initialiser: _initialiser, biasInitialiser: bias);
    }
}
