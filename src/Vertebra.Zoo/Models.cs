using System.IO.Enumeration;
using Vertebra.Zoo.Families;

namespace Vertebra.Zoo;

/// <summary>The registry: every network by the name the field uses.</summary>
public static class Models
{
    /// <summary>Adding a family is adding its line here.</summary>
    private static readonly Family[] s_families =
    [
        ResNet.Family,
        ResNetV2.Family,
        VisionTransformer.Family,
        RelativeVisionTransformer.Family,
        Deit.Family,
        Beit.Family,
        Eva.Family,
        Cait.Family,
        Volo.Family,
        Tnt.Family,
        Pit.Family,
        ConVit.Family,
        CrossVit.Family,
        Xcit.Family,
        MlpMixer.Family,
        EfficientNet.Family,
        MobileNetV3.Family,
        ReXNet.Family,
        GhostNet.Family,
        CifarResNet.Family,
        WideResNet.Family,
        InstanceBatchNets.Family,
        HarDNet.Family,
        VanillaNet.Family,
        SearchedNets.Proxyless,
        SearchedNets.OnceForAll,
        MetaFormer.Family,
        ConvNeXt.Family,
        CspNet.Family,
        NfNet.Family,
        Vgg.Family,
        Dla.Family,
        Dpn.Family,
        SelecSls.Family,
        VovNet.Family,
        ResNetRelatives.Res2Net,
        ResNetRelatives.ResNeSt,
        ResNetRelatives.SKNet,
        ByobNet.Family,
        RepGhostNet.Family,
        HighResolutionNet.Family,
        LegacySENet.Family,
        InceptionPlans.Family,
        StarNet.Family,
        Xception.Family,
        AlignedXception.Family,
        HgNet.Family,
        ConvMixer.Family,
        MaxxVit.Family,
        SwinTransformer.Family,
        SwinTransformerV2.Family,
        SwinTransformerV2Cr.Family,
        Twins.Family,
        DaVit.Family,
        FasterNet.Family,
        MambaOut.Family,
        Hiera.Family,
        Nest.Family,
        Visformer.Family,
        PyramidVisionTransformerV2.Family,
        InceptionNeXt.Family,
        DenseNet.Family,
        RegNet.Family,
        NasNet.Family,
        TResNet.Family,
        RdNet.Family,
        AlexNet.Family,
        SqueezeNet.Family,
        GoogLeNet.Family,
        ShuffleNetV2.Family,
        TorchvisionMnasNet.Family,
        FastVit.Family,
        Levit.Family,
        EfficientVit.Family,
        EfficientVitMsra.Family,
        EfficientFormer.Family,
        EfficientFormerV2.Family,
        TinyVit.Family,
        EdgeNeXt.Family,
        RepVit.Family,
        Coat.Family,
        FocalNet.Family,
        MultiScaleVit.Family,
        GlobalContextVit.Family,
        NextVit.Family,
        ShVit.Family,
        SwiftFormer.Family,
        Sequencer2d.Family,
        PyramidVisionTransformer.Family,
    ];

    private static readonly Dictionary<string, ModelInfo> s_models = s_families.SelectMany(f => f.Models).ToDictionary(m => m.Name, StringComparer.Ordinal);

    private static readonly Dictionary<string, string> s_aliases = s_families.SelectMany(f => f.Aliases).ToDictionary(StringComparer.Ordinal);

    public static IReadOnlyList<Family> Families => s_families;

    /// <summary>The networks whose name fits a pattern of <c>*</c> and <c>?</c>, by family and in the order of its table; all of them without a pattern.</summary>
    public static IReadOnlyList<ModelInfo> List(string pattern = "*") =>
        [.. s_families.SelectMany(f => f.Models).Where(m => FileSystemName.MatchesSimpleExpression(pattern, m.Name))];

    /// <summary>Looks a network up.</summary>
    /// <param name="name">A name, <c>name.tag</c>, or a former name that still has an alias.</param>
    /// <exception cref="VertebraException">There is none; the message gives the nearest names.</exception>
    public static (ModelInfo Model, PretrainedConfig Config) Find(string name)
    {
        if (TryFind(name) is { } model)
            return (model, model.ConfigOf(TagOf(Resolve(name))));
        var nearest = NearestNames.Find(BaseOf(name), s_models.Keys);
        throw new VertebraException($"no model is named '{name}'; {(nearest.Count == 0 ? "list them with Models.List or `vertebra models`" : $"the nearest are {string.Join(", ", nearest)}")}");
    }

    /// <summary>The network of a name, <c>name.tag</c> or alias; null if there is none. The tag is not looked at.</summary>
    public static ModelInfo? TryFind(string name) => s_models.GetValueOrDefault(BaseOf(Resolve(name)));

    /// <summary>
    /// Builds a network in evaluation mode with freshly initialised weights. Inside <see cref="Nn.Construction.Meta"/> it has
    /// shapes only; inside <see cref="Nn.Construction.Deferred"/> its weights are for a checkpoint to fill.
    /// </summary>
    /// <param name="name">A name, or <c>name.tag</c>: the tag decides the default number of classes.</param>
    /// <param name="options">null: the defaults.</param>
    /// <exception cref="VertebraException">The name, the tag or an option is wrong.</exception>
    public static Backbone Create(string name, ModelOptions? options = null)
    {
        var (model, config) = Find(name);
        return model.Build(options ?? new ModelOptions(), config);
    }

    /// <summary>
    /// Builds a network in evaluation mode with published weights: from the cache of the hub, or downloaded into it. Its description has the
    /// preprocessing that they want.
    /// </summary>
    /// <param name="name">A name, <c>name.tag</c>, <c>hf-hub:owner/name@revision</c>, <c>local-dir:PATH</c>, or a path.</param>
    /// <param name="options">What to change; a classifier of another size starts anew, the first convolution and position tables are adapted. null: nothing.</param>
    /// <exception cref="VertebraException">There is no such network, nothing is published for it, the weights cannot be had, or they do not fit.</exception>
    public static Backbone CreatePretrained(string name, ModelOptions? options = null) => Weights.Pretrained.Create(name, options);

    private static string Resolve(string name) => s_aliases.GetValueOrDefault(name, name);

    private static string BaseOf(string name) => name.Split('.', 2)[0];

    private static string TagOf(string name) => name.Contains('.') ? name.Split('.', 2)[1] : "";
}
