namespace Vertebra.Zoo.Weights;

/// <summary>
/// Networks with their weights from wherever a text says: <c>resnet50</c> or <c>resnet50.a1_in1k</c> (the weights published for it),
/// <c>hf-hub:owner/name@revision</c> (a repository with its own <c>config.json</c>), <c>local-dir:PATH</c>, or a path.
/// </summary>
public static class Pretrained
{
    private static readonly string[] HubPrefixes = ["hf-hub:", "hf_hub:"];

    private const string FolderPrefix = "local-dir:";

    /// <summary>Whether a text names its source: it begins with <c>hf-hub:</c> or <c>local-dir:</c>.</summary>
    public static bool IsSource(string name) => HubPrefixes.Append(FolderPrefix).Any(p => name.StartsWith(p, StringComparison.Ordinal));

    /// <summary>
    /// Builds a network in evaluation mode with its weights. Body and first convolution follow <paramref name="options"/>; a classifier
    /// of another size starts anew. The description has the weights' own preprocessing.
    /// </summary>
    /// <param name="name">Where the network comes from.</param>
    /// <param name="options">What to change; null: nothing.</param>
    /// <param name="hub">Where published weights come from; as the environment says if null.</param>
    /// <param name="note">Told what was adapted, a line each.</param>
    /// <param name="cancellation">Stops a download.</param>
    /// <exception cref="VertebraException">There is no such network, no weights are published for it, they cannot be had, or they do not fit.</exception>
    public static Backbone Create(string name, ModelOptions? options = null, WeightHub? hub = null, Action<string>? note = null, CancellationToken cancellation = default)
    {
        var source = Find(name, hub, cancellation);
        return NetworkFiles.Load(source.Description, source.Weights, options, note);
    }

    /// <summary>Finds, and downloads if need be, the weights that a text means.</summary>
    /// <param name="name">Where they come from.</param>
    /// <param name="hub">Where published weights come from; as the environment says if null.</param>
    /// <param name="cancellation">Stops a download.</param>
    /// <returns>Path of the weight file, and which network it is for.</returns>
    /// <exception cref="VertebraException">There are none, or they cannot be had.</exception>
    public static (string Weights, NetworkDescription Description) Find(string name, WeightHub? hub = null, CancellationToken cancellation = default)
    {
        if (HubPrefixes.FirstOrDefault(p => name.StartsWith(p, StringComparison.Ordinal)) is { } prefix)
            return FromHub(HubRepository.Parse(name[prefix.Length..]), hub ?? new(), cancellation);
        var path = name.StartsWith(FolderPrefix, StringComparison.Ordinal) ? name[FolderPrefix.Length..] : name;
        if (path.Length < name.Length || File.Exists(path) || (Directory.Exists(path) && Models.TryFind(path) is null))
            return NetworkFiles.Find(path);
        var published = Published(name);
        return ((hub ?? new()).FetchWeights(HubRepository.Parse(published.Config.HubId!), cancellation), published);
    }

    /// <summary>The description of a network of the registry with the weights published for it.</summary>
    /// <param name="name">A name, or <c>name.tag</c>.</param>
    /// <exception cref="VertebraException">There is no such network or tag, or nothing is published for it.</exception>
    public static NetworkDescription Published(string name)
    {
        var (model, config) = Models.Find(name);
        if (config.HubId is null)
        {
            var others = model.Configs.Where(c => c.HasWeights).Select(c => $"{model.Name}.{c.Tag}").ToList();
            throw new VertebraException($"no weights are published for {name}; {(others.Count > 0 ? $"there are {string.Join(", ", others)}" : "`vertebra models --pretrained` lists networks with weights")}");
        }
        return new(config.Tag.Length == 0 ? model.Name : $"{model.Name}.{config.Tag}", new ModelOptions { BnEps = config.BnEps }, config);
    }

    private static (string Weights, NetworkDescription Description) FromHub(HubRepository repository, WeightHub hub, CancellationToken cancellation)
    {
        var config = hub.TryFetch(repository, NetworkFiles.ConfigName, cancellation)
            ?? throw new VertebraException($"{repository} has no {NetworkFiles.ConfigName}{(Known(repository) is { } known ? $"; use --pretrained with {known}" : ", so it is unknown which network it is; only repositories of timm and of this program have one")}");
        var description = NetworkFiles.ReadDescription(config);
        var weights = hub.FetchWeights(repository, cancellation);
        // The registry knows of weights that were trained with other constants than the design has; the file does not say.
        var options = Known(repository) is null ? description.Options : description.Options.Or(new() { BnEps = description.Config.BnEps });
        return (weights, description with { Options = options, Config = description.Config with { HubId = repository.Id } });
    }

    private static string? Known(HubRepository repository) =>
        Models.List().SelectMany(m => m.Configs.Where(c => c.HubId == repository.Id).Select(c => $"{m.Name}.{c.Tag}")).FirstOrDefault();
}
