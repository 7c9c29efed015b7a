namespace Vertebra.Zoo.Layers;

/// <summary>
/// A backbone with two classifiers over the pooled features, <c>head</c> for labels and <c>head_dist</c> for what a teacher said, that
/// have the same say (Touvron et al. 2021, "Training data-efficient image transformers").
/// </summary>
public abstract class TwoHeadBackbone : Backbone
{
    private readonly List<FeatureInfo> _levels = [];
    private GlobalPool2d? _pool;
    private Dropout? _drop;
    private Module? _head;
    private Module? _teacherHead;

    /// <param name="options">As <see cref="Backbone"/> takes them.</param>
    /// <param name="firstConv">Path of the convolution that sees the image.</param>
    /// <param name="classifier">Paths of the classifiers.</param>
    /// <exception cref="VertebraException">An output stride is asked for: attention in these networks is laid out for the strides they have.</exception>
    protected TwoHeadBackbone(ModelOptions options, string firstConv, string classifier) : base(options)
    {
        if (options.OutputStride is not null)
            throw new VertebraException("output_stride cannot be chosen for this network: its attention is laid out for the strides it has");
        (FirstConv, Classifier) = (firstConv, classifier);
    }

    public override int NumFeatures => _levels[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _levels;

    public override string Classifier { get; }

    public override string FirstConv { get; }

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes) => OffsetBiases.Adapt(this, state, notes);

    /// <summary>Adds the next level of the pyramid.</summary>
    protected void AddFeature(int channels, int reduction, string module) => _levels.Add(new(_levels.Count, channels, reduction, module));

    /// <summary>Builds pool and classifiers; to be called where they come in the state dict.</summary>
    /// <param name="options">The pool.</param>
    /// <param name="drop">Dropout before the classifiers.</param>
    /// <param name="hasTeacher">Whether there is a second classifier.</param>
    protected void AddHeads(ModelOptions options, float drop, bool hasTeacher = true)
    {
        _pool = Child("global_pool", MakePool(options.GlobalPool ?? GlobalPool.Avg));
        _drop = Child("head_drop", new Dropout(drop));
        _head = Child("head", MakeHead(NumClasses, isTeachers: false));
        _teacherHead = hasTeacher ? Child("head_dist", MakeHead(NumClasses, isTeachers: true)) : null;
    }

    /// <summary>A classifier.</summary>
    /// <param name="numClasses">0: none.</param>
    /// <param name="isTeachers">Whether it is the second.</param>
    protected virtual Module MakeHead(int numClasses, bool isTeachers) => TokenLinear.Classifier(NumFeatures, numClasses);

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop!.Forward(_pool!.Forward(features));
        if (preLogits)
            return x;
        return _teacherHead is null ? _head!.Forward(x) : (_head!.Forward(x) + _teacherHead.Forward(x)) * 0.5f;
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", MakePool(changed));
        _head = Replace("head", MakeHead(numClasses, isTeachers: false));
        if (_teacherHead is not null)
            _teacherHead = Replace("head_dist", MakeHead(numClasses, isTeachers: true));
    }

    private static GlobalPool2d MakePool(GlobalPool pool) => pool.Width() == 1 ? new(pool)
        : throw new VertebraException($"global_pool cannot be {pool.NameOf()} here: the classifiers take as many features as the map has channels");
}
