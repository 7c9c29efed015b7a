using Vertebra.Nn;
using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo;

/// <summary>
/// An image network of the zoo: a body that makes feature maps, and a head that makes class scores of the last one.
/// Takes images [N, H, W, C] and returns logits [N, classes].
/// </summary>
public abstract class Backbone : Module
{
    private const string HeadName = "metric_head";
    private const string GoodnessName = "goodness";

    private NetworkDescription? _description;
    private MetricHead? _head;
    private Func<int, MetricHead>? _makeHead;
    private GoodnessHeads? _goodness;

    /// <param name="options">Options with the number of classes and channels filled in, as <see cref="Models.Create"/> passes them.</param>
    protected Backbone(ModelOptions options)
    {
        options.Validate();
        NumClasses = options.NumClasses ?? throw new ArgumentException("the number of classes must be resolved");
        InChans = options.InChans ?? throw new ArgumentException("the number of channels must be resolved");
    }

    /// <summary>Size of the classifier; 0 when there is none.</summary>
    public int NumClasses { get; protected set; }

    /// <summary>Channels of the input image.</summary>
    public int InChans { get; }

    /// <summary>Channels of the last feature map.</summary>
    public abstract int NumFeatures { get; }

    /// <summary>The feature maps that dense tasks take, finest first.</summary>
    public abstract IReadOnlyList<FeatureInfo> FeatureInfo { get; }

    /// <summary>Every map that a pyramid may be asked for by its index; more than <see cref="FeatureInfo"/> where a network is an even row of blocks.</summary>
    public virtual IReadOnlyList<FeatureInfo> AllFeatureInfo => FeatureInfo;

    /// <summary>Path of the classifier module; several are separated by commas.</summary>
    public abstract string Classifier { get; }

    /// <summary>The paths of <see cref="Classifier"/>, and that of the head in its place if there is one (<see cref="ModelOptions.Head"/>).</summary>
    public IReadOnlyList<string> ClassifierPaths => [.. Classifier.Split(','), .. _head is null ? Array.Empty<string>() : [HeadName], .. _goodness is null ? Array.Empty<string>() : [GoodnessName]];

    /// <summary>Path of the convolution that sees the image, or of its weight where that is a parameter without a module; several are separated by commas.</summary>
    public abstract string FirstConv { get; }

    /// <summary>Whether <see cref="ModelOptions.AttnLayer"/> means something to this network.</summary>
    internal virtual bool TakesAttention => false;

    /// <summary>Whether <see cref="ModelOptions.DropBlockRate"/> means something to this network.</summary>
    internal virtual bool TakesDropBlock => false;

    /// <summary>Which values of <see cref="ModelOptions.Parameterisation"/> mean something to this network.</summary>
    internal virtual IReadOnlyList<string> Parameterisations => [];

    /// <summary>Name and options that rebuild this network.</summary>
    public NetworkDescription Description
    {
        get => _description ?? throw new InvalidOperationException("only networks of Models.Create have a description");
        internal set => _description = value;
    }

    /// <summary>Its name in the registry, without tag; null when it was built otherwise.</summary>
    internal string? RegisteredName => _description?.Architecture.Split('.', 2)[0];

    /// <summary>The last feature map [N, H, W, <see cref="NumFeatures"/>], before pooling.</summary>
    public Tensor ForwardFeatures(Tensor x)
    {
        using var scope = Enter();
        return OnForwardFeatures(x);
    }

    /// <summary>Logits of a feature map; with <paramref name="preLogits"/> the pooled vector that the classifier would see.</summary>
    public Tensor ForwardHead(Tensor features, bool preLogits = false)
    {
        using var scope = Enter();
        if (!preLogits && _goodness is { HasClasses: true })
            return _goodness.Last(features);
        var result = OnForwardHead(features, preLogits);
        return preLogits ? result : Classified(result);
    }

    /// <summary>Puts a new classifier with fresh weights in place of the present one; the body stays.</summary>
    /// <param name="numClasses">0: none, the network then returns pooled features.</param>
    /// <param name="pool">null: as it is.</param>
    public void ResetClassifier(int numClasses, GlobalPool? pool = null)
    {
        new ModelOptions { NumClasses = numClasses }.Validate();
        OnResetClassifier(_head is null && _goodness is null ? numClasses : 0, pool);
        ResetHead(numClasses);
        _goodness?.Reset(numClasses);
        NumClasses = numClasses;
        if (_description is { } description)
        {
            var options = description.Options with { NumClasses = numClasses, GlobalPool = pool ?? description.Options.GlobalPool };
            _description = description with { Options = options };
        }
    }

    /// <summary>Changes weights that were published for another image size so that they fit this network: position embeddings and the like.</summary>
    /// <param name="state">The weights by full name, to change in place.</param>
    /// <param name="notes">Takes a line for each change.</param>
    protected internal virtual void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes)
    {
    }

    /// <summary>Keeps in the description that the blocks have their one-branch form.</summary>
    internal void NoteReparameterised()
    {
        if (_description is { } description)
            _description = description with { Options = description.Options with { Reparameterised = true } };
    }

    /// <summary>What takes the classifier's place where pieces of the body learn each for itself (<see cref="ModelOptions.LocalLearning"/>); null elsewhere.</summary>
    public GoodnessHeads? Goodness => _goodness;

    protected override Tensor OnForward(Tensor x) => _goodness is { HasClasses: true }
        ? _goodness.Answer(() => OnForwardFeatures(x)) : Classified(OnForwardHead(OnForwardFeatures(x), preLogits: false));

    /// <summary>Runs the network so that its pieces learn; see <see cref="GoodnessHeads.Learn"/>.</summary>
    internal (Tensor Goodness, Tensor Loss) LearnLocally(Tensor images, Func<Tensor, Tensor> loss) => _goodness!.Learn(() => OnForwardFeatures(images), loss);

    /// <summary>Puts a head behind a network that was built without a classifier.</summary>
    /// <param name="name">As <see cref="ModelOptions.Head"/>.</param>
    /// <param name="scale">As <see cref="ModelOptions.HeadScale"/>.</param>
    /// <param name="classes">Number of classes, at least 1.</param>
    /// <param name="side">Side of an image that the network takes.</param>
    internal void AttachHead(string name, float? scale, int classes, int side)
    {
        var features = Forward(Tensor.Meta([1, side, side, InChans])).Shape;
        if (features.Rank != 2)
            throw new VertebraException($"head '{name}' needs one vector for each image, not {features}: choose a global pool");
        _makeHead = count => MetricHead.Create(name, features[1], count, scale);
        _head = Child(HeadName, _makeHead(classes));
        NumClasses = classes;
    }

    /// <summary>Cuts the body into pieces that learn each for itself, in a network that was built without a classifier.</summary>
    /// <param name="granularity">As <see cref="ModelOptions.LocalLearning"/>.</param>
    /// <param name="classes">Number of classes, at least 1.</param>
    /// <param name="side">Side of an image that the network takes.</param>
    /// <returns>False where there is no place to cut; nothing has changed then.</returns>
    internal bool AttachGoodness(string granularity, int classes, int side)
    {
        Shape image = [1, side, side, InChans];
        var cuts = NetworkCuts.Of(this, image, granularity);
        if (cuts.Count == 0)
            return false;
        _goodness = Child(GoodnessName, new GoodnessHeads(cuts, ForwardFeatures(Tensor.Meta(image)).Shape[-1], classes));
        NumClasses = classes;
        return true;
    }

    private void ResetHead(int numClasses)
    {
        if (_head is null)
            return;
        if (numClasses > 0)
        {
            _head = Replace(HeadName, _makeHead!(numClasses));
            return;
        }
        Remove(HeadName);
        _head = null;
    }

    private Tensor Classified(Tensor features) => _head?.Forward(features) ?? features;

    protected abstract Tensor OnForwardFeatures(Tensor x);

    protected abstract Tensor OnForwardHead(Tensor features, bool preLogits);

    protected abstract void OnResetClassifier(int numClasses, GlobalPool? pool);
}

/// <summary>One level of a feature pyramid.</summary>
/// <param name="Index">Position among <see cref="Backbone.AllFeatureInfo"/>, counted from the finest level.</param>
/// <param name="Channels">Channels of the map.</param>
/// <param name="Reduction">Input pixels per pixel of the map, along one side.</param>
/// <param name="Module">The reference's name of the level: the path of the module that returns the map, unless <see cref="Path"/> says otherwise.</param>
/// <param name="PrefixTokens">null where the module returns a map [N, H, W, C]; where it returns tokens [N, L, C], how many of them stand before those of the map.</param>
public sealed record FeatureInfo(int Index, int Channels, int Reduction, string Module, int? PrefixTokens = null)
{
    /// <summary>Path of the module in the network, where the reference's name for the level is none.</summary>
    public string Path
    {
        // Not a copy of Module made once: a level that is given another module has that one's path.
        get => _path ?? Module;
        init => _path = value;
    }

    private readonly string? _path;
}
