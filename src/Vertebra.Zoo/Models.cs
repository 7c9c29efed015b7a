using System.IO.Enumeration;
using Vertebra.Zoo.Families;

namespace Vertebra.Zoo;

/// <summary>The registry: every network by the name the field uses.</summary>
public static class Models
{
    /// <summary>Adding a family is adding its line here: its name, and where it is made when it is first asked for, since making all takes longer than running a small network.</summary>
    private static readonly FamilyEntry[] s_families =
    [
        new("resnet", () => ResNet.Family),
        new("resnetv2", () => ResNetV2.Family),
        new("vit", () => VisionTransformer.Family),
        new("vit_relpos", () => RelativeVisionTransformer.Family),
        new("deit", () => Deit.Family),
        new("beit", () => Beit.Family),
        new("eva", () => Eva.Family),
        new("cait", () => Cait.Family),
        new("volo", () => Volo.Family),
        new("tnt", () => Tnt.Family),
        new("pit", () => Pit.Family),
        new("convit", () => ConVit.Family),
        new("crossvit", () => CrossVit.Family),
        new("xcit", () => Xcit.Family),
        new("mlp_mixer", () => MlpMixer.Family),
        new("efficientnet", () => EfficientNet.Family),
        new("mobilenetv3", () => MobileNetV3.Family),
        new("rexnet", () => ReXNet.Family),
        new("ghostnet", () => GhostNet.Family),
        new("cifar_resnet", () => CifarResNet.Family),
        new("cifar_wide_resnet", () => WideResNet.Family),
        new("ibnnet", () => InstanceBatchNets.Family),
        new("hardnet", () => HarDNet.Family),
        new("vanillanet", () => VanillaNet.Family),
        new("proxylessnas", () => SearchedNets.Proxyless),
        new("once_for_all", () => SearchedNets.OnceForAll),
        new("metaformer", () => MetaFormer.Family),
        new("convnext", () => ConvNeXt.Family),
        new("cspnet", () => CspNet.Family),
        new("nfnet", () => NfNet.Family),
        new("vgg", () => Vgg.Family),
        new("dla", () => Dla.Family),
        new("dpn", () => Dpn.Family),
        new("selecsls", () => SelecSls.Family),
        new("vovnet", () => VovNet.Family),
        new("res2net", () => ResNetRelatives.Res2Net),
        new("resnest", () => ResNetRelatives.ResNeSt),
        new("sknet", () => ResNetRelatives.SKNet),
        new("byobnet", () => ByobNet.Family),
        new("repghostnet", () => RepGhostNet.Family),
        new("hrnet", () => HighResolutionNet.Family),
        new("legacy_senet", () => LegacySENet.Family),
        new("inception", () => InceptionPlans.Family),
        new("starnet", () => StarNet.Family),
        new("xception", () => Xception.Family),
        new("aligned_xception", () => AlignedXception.Family),
        new("hgnet", () => HgNet.Family),
        new("convmixer", () => ConvMixer.Family),
        new("maxxvit", () => MaxxVit.Family),
        new("swin", () => SwinTransformer.Family),
        new("swin_v2", () => SwinTransformerV2.Family),
        new("swin_v2_cr", () => SwinTransformerV2Cr.Family),
        new("twins", () => Twins.Family),
        new("davit", () => DaVit.Family),
        new("fasternet", () => FasterNet.Family),
        new("mambaout", () => MambaOut.Family),
        new("hiera", () => Hiera.Family),
        new("nest", () => Nest.Family),
        new("visformer", () => Visformer.Family),
        new("pvt_v2", () => PyramidVisionTransformerV2.Family),
        new("inception_next", () => InceptionNeXt.Family),
        new("densenet", () => DenseNet.Family),
        new("regnet", () => RegNet.Family),
        new("nasnet", () => NasNet.Family),
        new("tresnet", () => TResNet.Family),
        new("rdnet", () => RdNet.Family),
        new("alexnet", () => AlexNet.Family),
        new("squeezenet", () => SqueezeNet.Family),
        new("googlenet", () => GoogLeNet.Family),
        new("shufflenet_v2", () => ShuffleNetV2.Family),
        new("torchvision_mnasnet", () => TorchvisionMnasNet.Family),
        new("fastvit", () => FastVit.Family),
        new("levit", () => Levit.Family),
        new("efficientvit", () => EfficientVit.Family),
        new("efficientvit_msra", () => EfficientVitMsra.Family),
        new("efficientformer", () => EfficientFormer.Family),
        new("efficientformer_v2", () => EfficientFormerV2.Family),
        new("tiny_vit", () => TinyVit.Family),
        new("edgenext", () => EdgeNeXt.Family),
        new("repvit", () => RepVit.Family),
        new("coat", () => Coat.Family),
        new("focalnet", () => FocalNet.Family),
        new("mvitv2", () => MultiScaleVit.Family),
        new("gcvit", () => GlobalContextVit.Family),
        new("nextvit", () => NextVit.Family),
        new("shvit", () => ShVit.Family),
        new("swiftformer", () => SwiftFormer.Family),
        new("sequencer", () => Sequencer2d.Family),
        new("pvt", () => PyramidVisionTransformer.Family),
    ];

    public static IReadOnlyList<Family> Families => [.. s_families.Select(f => f.Make())];

    /// <summary>The networks whose name fits a pattern of <c>*</c> and <c>?</c>, by family and in the order of its table; all of them without a pattern.</summary>
    public static IReadOnlyList<ModelInfo> List(string pattern = "*") =>
        [.. s_families.SelectMany(f => f.Make().Models).Where(m => FileSystemName.MatchesSimpleExpression(pattern, m.Name))];

    /// <summary>Looks a network up.</summary>
    /// <param name="name">A name, <c>name.tag</c>, or a former name that still has an alias.</param>
    /// <exception cref="VertebraException">There is none; the message gives the nearest names.</exception>
    public static (ModelInfo Model, PretrainedConfig Config) Find(string name)
    {
        if (Look(name) is var (model, tag))
            return (model, model.ConfigOf(tag));
        var nearest = NearestNames.Find(Split(name).Base, List().Select(m => m.Name));
        throw new VertebraException($"no model is named '{name}'; {(nearest.Count == 0 ? "list them with Models.List or `vertebra models`" : $"the nearest are {string.Join(", ", nearest)}")}");
    }

    /// <summary>The network of a name, <c>name.tag</c> or alias; null if there is none. The tag is not looked at.</summary>
    public static ModelInfo? TryFind(string name) => Look(name)?.Model;

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

    private static (ModelInfo Model, string Tag)? Look(string name)
    {
        var (start, tag) = Split(name);
        foreach (var entry in InOrderOfLikeness(start))
        {
            var family = entry.Make();
            if (family.Aliases.TryGetValue(name, out var current))
                return Look(current);
            foreach (var model in family.Models)
            {
                if (model.Name == start)
                    return (model, tag);
            }
        }
        return null;
    }

    // Most networks are called after their family, so that few others are made to find one.
    private static IOrderedEnumerable<FamilyEntry> InOrderOfLikeness(string name) => s_families.OrderByDescending(f => f.Name.AsSpan().CommonPrefixLength(name));

    private static (string Base, string Tag) Split(string name) => name.IndexOf('.') is >= 0 and var dot ? (name[..dot], name[(dot + 1)..]) : (name, "");

    private readonly record struct FamilyEntry(string Name, Func<Family> Make);
}
