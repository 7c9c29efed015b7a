using Vertebra.Nn;
using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo;

/// <summary>One row of the zoo: a network by its name, with the weights published for it.</summary>
public sealed class ModelInfo
{
    private readonly Func<ModelOptions, Backbone> _build;

    /// <param name="name">The field's name: <c>resnet50</c>.</param>
    /// <param name="family">The family the row stands in.</param>
    /// <param name="configs">Published weights, the default first; at least one entry, untrained if need be.</param>
    /// <param name="build">Builds the network from options whose classes, channels and image size are filled in.</param>
    internal ModelInfo(string name, string family, IReadOnlyList<PretrainedConfig> configs, Func<ModelOptions, Backbone> build)
    {
        (Name, Family, Configs, _build) = (name, family, configs, build);
        if (configs.Count == 0)
            throw new ArgumentException($"{name} has no configuration");
    }

    /// <summary>A row of a family's table: tags with their configurations, the default first. Weights lie on the hub under <c>timm/name.tag</c>, unless the configuration names another repository or, by an empty one, none, or the tag is empty or "untrained".</summary>
    internal static ModelInfo Row(
        string name, string family, IEnumerable<(string Tag, PretrainedConfig Config)> tags, string classifier, string firstConv, Func<ModelOptions, Backbone> build)
    {
        var configs = tags.Select(t => t.Config with
        {
            Tag = t.Tag,
            HubId = t.Tag is "" or "untrained" || t.Config.HubId == "" ? null : t.Config.HubId ?? $"timm/{name}.{t.Tag}",
            Classifier = classifier,
            FirstConv = firstConv,
        });
        return new(name, family, [.. configs], build);
    }

    public string Name { get; }

    /// <summary>Name of the family.</summary>
    public string Family { get; }

    /// <summary>Published weights, the default first.</summary>
    public IReadOnlyList<PretrainedConfig> Configs { get; }

    /// <summary>The configuration that the bare name means.</summary>
    public PretrainedConfig Config => Configs[0];

    /// <summary>The configuration of a tag; the default for an empty one.</summary>
    /// <exception cref="VertebraException">There is no such tag; the message lists them.</exception>
    public PretrainedConfig ConfigOf(string tag)
    {
        if (tag.Length == 0)
            return Config;
        return Configs.FirstOrDefault(c => c.Tag == tag)
            ?? throw new VertebraException($"{Name} has no weights tagged '{tag}'; there are {string.Join(", ", Configs.Select(c => c.Tag))}");
    }

    /// <summary>Builds the network; see <see cref="Models.Create"/>.</summary>
    internal Backbone Build(ModelOptions options, PretrainedConfig config)
    {
        options.Validate();
        var classes = options.NumClasses ?? config.NumClasses;
        var backbone = _build(options with
        {
            NumClasses = options.Head is null && options.LocalLearning is null ? classes : 0,
            InChans = options.InChans ?? config.InputSize.Channels,
            ImgSize = options.ImgSize ?? config.InputSize.Height,
        });
        if (options.Head is not null && classes > 0)
            backbone.AttachHead(options.Head, options.HeadScale, classes, options.ImgSize ?? config.InputSize.Height);
        if (options.LocalLearning is { } granularity && classes > 0 && !backbone.AttachGoodness(granularity, classes, options.ImgSize ?? config.InputSize.Height))
            throw new VertebraException($"{Name} cannot learn by {granularity}: everything in its body is connected with everything");
        if (options.AttnLayer is not null && !backbone.TakesAttention)
            throw new VertebraException($"{Name} takes no attn_layer: only networks whose blocks are those of the resnet family do");
        if (options.DropBlockRate > 0 && !backbone.TakesDropBlock)
            throw new VertebraException($"{Name} takes no drop_block_rate: only networks whose blocks are those of the resnet family do");
        if (options.Parameterisation is { } form && !backbone.Parameterisations.Contains(form))
            throw new VertebraException($"{Name} cannot be parameterised as {form}: {(backbone.Parameterisations.Count == 0 ? "only resnets, the residual networks for CIFAR and plain vision transformers can" : $"it takes {string.Join(" or ", backbone.Parameterisations)}")}");
        if (options.BnEps is { } epsilon)
        {
            foreach (var norm in backbone.NamedModules().Select(m => m.Module).OfType<BatchNorm2d>())
                norm.Epsilon = epsilon;
        }
        if (options.Reparameterised && backbone.Reparameterise() == 0)
            throw new VertebraException($"{Name} has no blocks with several branches, so it cannot be built re-parameterised");
        if (options.WeightStandardise && WeightStandardisation.Apply(backbone) == 0)
            throw new VertebraException($"{Name} has no convolutions left to standardise: weight_standardise does nothing");
        backbone.Description = new(config.Tag.Length == 0 ? Name : $"{Name}.{config.Tag}", options, config);
        return backbone;
    }

    public override string ToString() => Name;
}

/// <summary>Networks of one design.</summary>
/// <param name="Name">Short name: <c>resnet</c>.</param>
/// <param name="Paper">Where the design was published.</param>
/// <param name="Models">The variants.</param>
/// <param name="Aliases">Former names and the names they stand for today, with tag where one is meant.</param>
public sealed record Family(string Name, string Paper, IReadOnlyList<ModelInfo> Models, IReadOnlyDictionary<string, string> Aliases)
{
    /// <summary>Whether names, keys and facts are timm's. Families that timm does not have follow their authors' code, and are compared with networks written for that purpose.</summary>
    public bool FollowsTimm { get; init; } = true;

    /// <summary>What is new in the design and why it works, in two sentences; <c>vertebra info</c> tells it.</summary>
    public string Idea { get; init; } = "";
}
