using Vertebra.Zoo;

namespace Vertebra.Lab.Training;

/// <summary>A kind of network that does better with one kind of optimiser than with another.</summary>
/// <param name="Name">What its networks are called.</param>
/// <param name="Unfit">The optimisers that fit badly, as <c>--opt</c> has them.</param>
/// <param name="Better">Those that fit.</param>
/// <param name="Evidence">Top-1 of networks of the kind.</param>
/// <param name="Families">Its families of the zoo.</param>
public sealed record CouplingKind(string Name, IReadOnlyList<string> Unfit, string Better, string Evidence, IReadOnlyList<string> Families);

/// <summary>
/// Which networks and optimisers are known to fit each other badly: what Li et al. found in "Unveiling the backbone-optimizer
/// coupling bias in visual representation learning" (2024), where 20 networks were trained on CIFAR-100 with 20 optimisers, each
/// with rates and weight decays searched for it (table 1). Families that were not measured stand with those whose blocks are like
/// theirs, or as neutral. <c>vertebra study coupling</c> measures the same on other data.
/// </summary>
public static class OptimizerCoupling
{
    private const string Source = "Li et al. 2024, table 1";

    private static readonly string[] s_sgd = ["sgd", "nesterov", "momentum", "sgdw", "csgdw"];

    // LAMB, Adan and AdaBelief came close to SGD or beat it on ResNet-50, and are not among these.
    private static readonly string[] s_adam =
    [
        "adam", "adamw", "nadam", "nadamw", "radam", "radamw", "adafactor", "lion", "rmsprop", "rmsproptf", "adagrad",
        "cadamw", "cnadamw", "clion", "crmsproptf",
    ];

    /// <summary>The kinds that are coupled.</summary>
    public static IReadOnlyList<CouplingKind> Kinds { get; } =
    [
        new("classical convolutional networks", s_adam, "sgd, adabelief or lamb", "ResNet-50 on CIFAR-100: 78.8 % with SGD, 75.6 % with AdamW; VGG-13: 77.1 and 73.9 %",
            ["resnet", "vgg", "alexnet", "cifar_resnet", "cifar_wide_resnet", "resnetv2", "ibnnet", "legacy_senet", "res2net", "sknet"]),
        new("vision transformers", [.. s_sgd, "adagrad"], "adan, lamb or adamw", "DeiT-S on CIFAR-100: 76.3 % with Adan, 72.2 % with AdamW, 63.2 % with SGD",
            ["vit", "vit_relpos", "deit", "beit", "eva", "cait", "tnt", "convit", "crossvit", "xcit"]),
        new("transformers in stages", [.. s_sgd, "adagrad"], "lamb, adan or adamw", "Swin-T on CIFAR-100: 83.5 % with LAMB, 81.3 % with AdamW, 79.0 % with SGD",
            ["swin", "swin_v2", "swin_v2_cr", "twins", "davit", "hiera", "nest", "pvt", "pvt_v2", "mvitv2", "gcvit", "pit", "volo", "coat"]),
        new("MLP-Mixers", [.. s_sgd, "adagrad"], "lamb, adan or lion", "MLP-Mixer-S on CIFAR-100: 75.0 % with LAMB, 72.6 % with SGD", ["mlp_mixer"]),
        new("ConvNeXts", [.. s_sgd, "lars", "nlars", "larc", "nlarc", "adagrad"], "adamw, adan or lamb", "ConvNeXt-T on CIFAR-100: 83.5 % with AdamW, 60.1 % with SGD, 61.4 % with LARS",
            ["convnext", "inception_next", "mambaout", "rdnet"]),
        new("MetaFormers", [.. s_sgd, "adagrad"], "adan, adamw or lamb", "PoolFormerV2-S12 on CIFAR-100: 83.2 % with Adan, 80.6 % with AdamW, 77.7 % with SGD; CAFormer-S12: 84.9, 83.6 and 81.2 %",
            ["metaformer", "focalnet", "sequencer"]),
    ];

    /// <summary>Families that do about as well with SGD as with AdamW, by the same table: DenseNet-121, MobileNetV2, EfficientNet-B0 and RepVGG-A1.</summary>
    public static IReadOnlyList<string> Balanced { get; } = ["densenet", "efficientnet", "byobnet"];

    /// <summary>Families of which the paper says nothing, with blocks unlike those that it measured.</summary>
    public static IReadOnlyList<string> Unknown { get; } =
    [
        "mobilenetv3", "rexnet", "ghostnet", "hardnet", "vanillanet", "proxylessnas", "once_for_all", "cspnet", "nfnet", "dla", "dpn", "selecsls", "vovnet", "resnest", "repghostnet",
        "hrnet", "inception", "starnet", "xception", "aligned_xception", "hgnet", "convmixer", "maxxvit", "fasternet", "visformer", "regnet", "nasnet", "tresnet", "squeezenet",
        "googlenet", "shufflenet_v2", "torchvision_mnasnet", "fastvit", "levit", "efficientvit", "efficientvit_msra", "efficientformer", "efficientformer_v2", "tiny_vit", "edgenext",
        "repvit", "nextvit", "shvit", "swiftformer",
    ];

    /// <summary>What the user should know of an optimiser for a network, in one line; null where nothing speaks against it.</summary>
    /// <param name="model">Name of the network; what is none of the zoo's has no note.</param>
    /// <param name="optimizer">As <c>--opt</c> has it.</param>
    public static string? NoteFor(string model, string optimizer)
    {
        const string Lookahead = "lookahead_";
        var inner = optimizer.StartsWith(Lookahead, StringComparison.Ordinal) ? optimizer[Lookahead.Length..] : optimizer;
        return Models.TryFind(model)?.Family is { } family && Kinds.FirstOrDefault(k => k.Families.Contains(family)) is { } kind && kind.Unfit.Contains(inner)
            ? $"note: --opt {optimizer} fits {kind.Name} such as {model} badly; {kind.Better} may do better ({kind.Evidence}; {Source})"
            : null;
    }
}
