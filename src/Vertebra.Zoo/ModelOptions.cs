using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo;

/// <summary>
/// What may be asked of a network beyond its name; null means the model's own default. The same options in a
/// <see cref="NetworkDescription"/> rebuild the same network. Names in files follow timm: <c>num_classes</c>, <c>in_chans</c> ...
/// </summary>
public sealed record ModelOptions
{
    private const int MostClasses = 10_000_000;
    private const int MostChannels = 4096;
    private const int LargestSide = 16384;

    /// <summary>Size of the classifier; 0 leaves it out, and the network returns pooled features.</summary>
    public int? NumClasses { get; init; }

    /// <summary>Channels of the input image.</summary>
    public int? InChans { get; init; }

    /// <summary>Probability in [0, 1) of dropping a pooled feature before the classifier while training.</summary>
    public float DropRate { get; init; }

    /// <summary>Stochastic depth: probability in [0, 1) of skipping the last block while training; earlier blocks less, linearly.</summary>
    public float DropPathRate { get; init; }

    /// <summary>
    /// DropBlock: share in [0, 1) of the maps of the last two stages that is dropped in squares while training
    /// (<see cref="Layers.DropBlock2d"/>). For networks of the resnet family.
    /// </summary>
    public float DropBlockRate { get; init; }

    /// <summary>DropBlock on the shortcuts of those stages too.</summary>
    public bool DropBlockSkip { get; init; }

    /// <summary>Input pixels per pixel of the last stage: 8, 16 or 32. Below 32 the later stages dilate their convolutions instead of striding.</summary>
    public int? OutputStride { get; init; }

    /// <summary>
    /// Side of the images that position embeddings, windows and token-mixing layers are built for; null: as the weights were
    /// published. Networks without such parts take any size anyway.
    /// </summary>
    public int? ImgSize { get; init; }

    /// <summary>How the last feature map becomes one vector.</summary>
    public GlobalPool? GlobalPool { get; init; }

    /// <summary>
    /// Attention at the end of every residual block, by timm's name: <c>se</c>, <c>eca</c>, <c>gc</c>, <c>ge</c>, <c>cbam</c>, <c>bat</c> ...;
    /// null: the model's own. For networks of the resnet family (timm's <c>block_args</c>).
    /// </summary>
    public string? AttnLayer { get; init; }

    /// <summary>
    /// A classifier that measures angles in place of the network's own: <c>cosine</c>, <c>grassmann</c> or <c>grassmannK</c>, with
    /// subspaces of K dimensions (<see cref="MetricHead"/>); null: its own.
    /// </summary>
    public string? Head { get; init; }

    /// <summary>What the cosines of <see cref="Head"/> are multiplied by; null: its default.</summary>
    public float? HeadScale { get; init; }

    /// <summary>
    /// Pieces of the network learn each for itself, and answer together: <c>block</c> or <c>layer</c> (<see cref="GoodnessHeads"/>); null: backpropagation through all of it,
    /// and the classifier answers.
    /// </summary>
    public string? LocalLearning { get; init; }

    /// <summary>How residual branches are written, by a name of <see cref="Layers.Parameterisation"/>; null: as the design has them.</summary>
    public string? Parameterisation { get; init; }

    /// <summary>Every convolution standardises its kernels (<see cref="WeightStandardisation"/>).</summary>
    public bool WeightStandardise { get; init; }

    /// <summary>What batch norms add to the variance; null: what the design says. Some published weights were trained with another value.</summary>
    public float? BnEps { get; init; }

    /// <summary>The form with one branch a block, as <see cref="Reparameterisation.Reparameterise"/> leaves it: for weights that were saved in that form.</summary>
    public bool Reparameterised { get; init; }

    /// <summary>These options, and where they leave something open, others.</summary>
    public ModelOptions Or(ModelOptions others) => new()
    {
        NumClasses = NumClasses ?? others.NumClasses,
        InChans = InChans ?? others.InChans,
        DropRate = DropRate == 0 ? others.DropRate : DropRate,
        DropPathRate = DropPathRate == 0 ? others.DropPathRate : DropPathRate,
        DropBlockRate = DropBlockRate == 0 ? others.DropBlockRate : DropBlockRate,
        DropBlockSkip = DropBlockSkip || others.DropBlockSkip,
        OutputStride = OutputStride ?? others.OutputStride,
        ImgSize = ImgSize ?? others.ImgSize,
        GlobalPool = GlobalPool ?? others.GlobalPool,
        AttnLayer = AttnLayer ?? others.AttnLayer,
        Head = Head ?? others.Head,
        HeadScale = HeadScale ?? others.HeadScale,
        LocalLearning = LocalLearning ?? others.LocalLearning,
        Parameterisation = Parameterisation ?? others.Parameterisation,
        WeightStandardise = WeightStandardise || others.WeightStandardise,
        BnEps = BnEps ?? others.BnEps,
        Reparameterised = Reparameterised || others.Reparameterised,
    };

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="VertebraException">A value is outside its range; the message names it.</exception>
    public void Validate()
    {
        Check(NumClasses is null or (>= 0 and <= MostClasses), "num_classes", NumClasses, $"0 to {MostClasses}");
        Check(InChans is null or (>= 1 and <= MostChannels), "in_chans", InChans, $"1 to {MostChannels}");
        Check(DropRate is >= 0 and < 1, "drop_rate", DropRate, "at least 0 and below 1");
        Check(DropPathRate is >= 0 and < 1, "drop_path_rate", DropPathRate, "at least 0 and below 1");
        Check(DropBlockRate is >= 0 and < 1, "drop_block_rate", DropBlockRate, "at least 0 and below 1");
        Check(OutputStride is null or 8 or 16 or 32, "output_stride", OutputStride, "8, 16 or 32");
        if (AttnLayer is not null)
            AttentionSpec.Parse(AttnLayer);
        if (Head is not null)
            MetricHead.CheckName(Head);
        Check(LocalLearning is null or GoodnessHeads.ByBlock or GoodnessHeads.ByLayer, "local_learning", LocalLearning, "block or layer");
        Check(LocalLearning is null || Head is null, "head", Head, "left out with local_learning, which has heads of its own");
        Check(Parameterisation is null || Layers.Parameterisation.Names.Contains(Parameterisation), "parameterisation", Parameterisation, string.Join(", ", Layers.Parameterisation.Names));
        Check(!WeightStandardise || !Reparameterised, "weight_standardise", WeightStandardise, "left out of a re-parameterised network");
        Check(HeadScale is null or (> 0 and < 1e6f), "head_scale", HeadScale, "above 0");
        Check(BnEps is null or (> 0 and < 1), "bn_eps", BnEps, "between 0 and 1");
        Check(ImgSize is null or (>= 1 and <= LargestSide), "img_size", ImgSize, $"1 to {LargestSide}");
    }

    private static void Check(bool isRight, string name, object? value, string range)
    {
        if (!isRight)
            throw new VertebraException($"{name} is {value}; it must be {range}");
    }
}

/// <summary>How a feature map [N, H, W, C] becomes one vector per image.</summary>
public enum GlobalPool
{
    /// <summary>Not at all: the map goes on as it is.</summary>
    None,

    /// <summary>Mean over the pixels.</summary>
    Avg,

    /// <summary>Maximum over the pixels.</summary>
    Max,

    /// <summary>Half the sum of mean and maximum.</summary>
    AvgMax,

    /// <summary>Mean and maximum side by side: twice the channels.</summary>
    CatAvgMax,

    /// <summary>The class token of a transformer.</summary>
    Token,

    /// <summary>Attention of a learned query over the tokens of a transformer.</summary>
    Map,
}

/// <summary>Names of <see cref="GlobalPool"/> in files and on the command line.</summary>
public static class GlobalPools
{
    private static readonly (GlobalPool Pool, string Name)[] s_names =
    [
        (GlobalPool.None, ""), (GlobalPool.Avg, "avg"), (GlobalPool.Max, "max"), (GlobalPool.AvgMax, "avgmax"), (GlobalPool.CatAvgMax, "catavgmax"),
        (GlobalPool.Token, "token"), (GlobalPool.Map, "map"),
    ];

    /// <summary>timm's name: <c>avg</c>, <c>max</c>, <c>avgmax</c>, <c>catavgmax</c>, <c>token</c>, <c>map</c>, or empty for none.</summary>
    public static string NameOf(this GlobalPool pool) => s_names.First(n => n.Pool == pool).Name;

    /// <summary>The pool of a name; <c>none</c> is the empty name's alias.</summary>
    /// <exception cref="VertebraException">There is no such pool.</exception>
    public static GlobalPool Parse(string name)
    {
        foreach (var entry in s_names)
        {
            if (entry.Name == name || (name == "none" && entry.Pool == GlobalPool.None))
                return entry.Pool;
        }
        throw new VertebraException($"global_pool '{name}' is unknown; use avg, max, avgmax, catavgmax, token, map or none");
    }

    /// <summary>Features per channel of the map: 2 for the concatenating pool, else 1.</summary>
    public static int Width(this GlobalPool pool) => pool == GlobalPool.CatAvgMax ? 2 : 1;
}
