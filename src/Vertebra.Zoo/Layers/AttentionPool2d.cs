namespace Vertebra.Zoo.Layers;

/// <summary>
/// The head of CLIP's residual networks (Radford et al. 2021): pixels and their mean, with learned positions, attend to each
/// other, <c>proj</c> maps to the classes, and the mean's place is the result. timm's AttentionPool2d.
/// </summary>
public sealed class AttentionPool2d : ClassificationHead
{
    private const int HeadWidth = 64;
    private readonly Size2d _map;
    private readonly int _features;
    private readonly Tensor _positions;
    private readonly Linear _q;
    private readonly Linear _k;
    private readonly Linear _v;
    private readonly Dropout _drop;
    private bool _pools;
    private Module _classifier;

    /// <param name="features">Channels of the map; a multiple of 64.</param>
    /// <param name="numClasses">Outputs; 0 for no classifier.</param>
    /// <param name="map">Size of the map.</param>
    /// <param name="pools">False: the map's pixels are the result instead of the mean's place.</param>
    /// <param name="dropRate">Dropout before the classifier.</param>
    public AttentionPool2d(int features, int numClasses, Size2d map, bool pools = true, float dropRate = 0)
    {
        (_map, _features, _pools) = (map, features, pools);
        var initialiser = Init.TruncatedNormal(1 / MathF.Sqrt(features));
        _positions = Parameter("pos_embed", [(map.H * map.W) + 1, features], initialiser);
        _q = Child("q", new Linear(features, features, initialiser: initialiser, biasInitialiser: Init.Zeros));
        _k = Child("k", new Linear(features, features, initialiser: initialiser, biasInitialiser: Init.Zeros));
        _v = Child("v", new Linear(features, features, initialiser: initialiser, biasInitialiser: Init.Zeros));
        _drop = Child("drop", new Dropout(dropRate));
        _classifier = Child("proj", Projection(numClasses));
    }

    public override void Reset(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pools = changed != GlobalPool.None;
        _classifier = Replace("proj", Projection(numClasses));
    }

    protected override Tensor OnForward(Tensor x) => Pool(_classifier.Forward(Attend(x)));

    protected override Tensor PreLogits(Tensor x) => Pool(Attend(x));

    private Tensor Attend(Tensor x)
    {
        var (n, h, w) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        if (h != _map.H || w != _map.W)
            throw new VertebraException($"the attention pool was built for maps of {_map.H}x{_map.W} and got {h}x{w}; build the network with img_size of the images");
        var tokens = x.Reshape([n, h * w, _features]);
        tokens = Tensor.Concat([tokens.Mean([1], keepAxes: true), tokens], 1) + _positions;
        var heads = _features / HeadWidth;
        return _drop.Forward(_q.Forward(tokens).SplitHeads(heads).Attention(_k.Forward(tokens).SplitHeads(heads), _v.Forward(tokens).SplitHeads(heads)).JoinHeads());
    }

    private Tensor Pool(Tensor tokens) => _pools
        ? tokens.Slice(1, 0, 1).Reshape([tokens.Shape[0], tokens.Shape[2]])
        : tokens.Slice(1, 1).Reshape([tokens.Shape[0], _map.H, _map.W, tokens.Shape[2]]);

    private Module Projection(int numClasses) => numClasses == 0 ? new Identity() : new Linear(_features, numClasses);
}
