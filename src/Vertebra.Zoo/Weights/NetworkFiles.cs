using Vertebra.Nn;

namespace Vertebra.Zoo.Weights;

/// <summary>
/// Networks as files: <c>NAME.safetensors</c> with the weights, and <c>config.json</c> in the same folder with the network's
/// description. There is never a serialised program.
/// </summary>
public static class NetworkFiles
{
    /// <summary>The name of the description beside a checkpoint.</summary>
    public const string ConfigName = "config.json";

    private static readonly string[] PreferredWeights = ["model_best.safetensors", "last.safetensors", "model.safetensors"];

    /// <summary>Writes weights and, beside them, the description; each atomically.</summary>
    public static void Save(Module network, NetworkDescription description, string path, IReadOnlyDictionary<string, string>? metadata = null)
    {
        AtomicFile.WriteText(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, ConfigName), description.ToJson());
        Safetensors.Write(path, network.State().Select(e => (e.Name, e.Tensor)), metadata);
    }

    /// <summary>Reads a network back, in evaluation mode.</summary>
    /// <param name="path">A weight file of any supported format, or a folder: a run's, or a hub repository's.</param>
    /// <param name="model">Name of the network; null: as <c>config.json</c> beside the weights says.</param>
    /// <param name="options">What to change of it; null: nothing. Other numbers of classes or channels, or another image size, adapt the weights.</param>
    /// <exception cref="VertebraException">The path does not exist, says nowhere which network it is, or does not fit that network.</exception>
    public static Backbone Load(string path, string? model = null, ModelOptions? options = null)
    {
        var (weights, description) = Find(path, model);
        return Load(description, weights, options);
    }

    /// <summary>Builds a described network with the weights of a file.</summary>
    /// <param name="description">Which network it is.</param>
    /// <param name="weights">The weight file.</param>
    /// <param name="options">What to change of it; null: nothing.</param>
    /// <param name="note">Told what was adapted, a line each.</param>
    /// <exception cref="VertebraException">The weights do not fit that network.</exception>
    public static Backbone Load(NetworkDescription description, string weights, ModelOptions? options = null, Action<string>? note = null)
    {
        var network = Build(description, options);
        foreach (var line in network.LoadPretrained(Checkpoint.Read(weights).Tensors, weights))
            note?.Invoke(line);
        return network;
    }

    /// <summary>Builds a described network for a checkpoint to fill: only the classifier has weights, fresh ones.</summary>
    /// <param name="description">Which network it is.</param>
    /// <param name="options">What to change of it; null: nothing.</param>
    public static Backbone Build(NetworkDescription description, ModelOptions? options = null)
    {
        using var deferred = Construction.Deferred();
        var wanted = description with { Options = (options ?? new()).Or(description.Options) };
        if (wanted.LabelNames.Count != (wanted.Options.NumClasses ?? wanted.Config.NumClasses))
            wanted = wanted with { LabelNames = [] };
        var network = wanted.Build();
        var classifiers = network.ClassifierPaths;
        foreach (var (_, module) in network.NamedModules().Where(m => classifiers.Contains(m.Path)))
            module.Initialise(seed: 0);
        return network;
    }

    /// <summary>The weight file that a path means, and which network it is for.</summary>
    /// <param name="path">A weight file, or a folder with one.</param>
    /// <param name="model">Name of the network; null: as <c>config.json</c> beside the weights says.</param>
    /// <exception cref="VertebraException">There is none, or it is unknown which network it is for.</exception>
    public static (string Weights, NetworkDescription Description) Find(string path, string? model = null)
    {
        var weights = WeightsIn(path);
        if (model is not null)
            return (weights, new(model, new(), Models.Find(model).Config));
        return (weights, DescriptionOf(weights)
            ?? throw new VertebraException($"{path}: there is no {ConfigName} beside the weights, so name the network with --model"));
    }

    /// <summary>The description beside a weight file, or null.</summary>
    public static NetworkDescription? DescriptionOf(string weights)
    {
        var config = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(weights))!, ConfigName);
        return File.Exists(config) ? ReadDescription(config) : null;
    }

    /// <summary>Reads a <c>config.json</c>.</summary>
    /// <exception cref="VertebraException">The file is no description of a network.</exception>
    public static NetworkDescription ReadDescription(string config)
    {
        if (new FileInfo(config).Length > 16 << 20)
            throw new FileFormatException($"{config} is larger than any description: 16 MiB at most");
        return NetworkDescription.FromJson(File.ReadAllText(config), config);
    }

    /// <summary>The weight file that a path means: itself, or in a folder the best, the last, or the only one.</summary>
    /// <exception cref="VertebraException">There is none, or no telling which.</exception>
    public static string WeightsIn(string path)
    {
        if (File.Exists(path))
            return path;
        if (!Directory.Exists(path))
            throw new VertebraException($"there is no file or folder {path}");
        var files = PreferredWeights.Select(n => Path.Combine(path, n)).Where(File.Exists).ToList();
        if (files.Count == 0)
            files = [.. Directory.EnumerateFiles(path).Where(f => Path.GetExtension(f) is ".safetensors" or ".pth" or ".pt" or ".th" or ".bin")];
        return files.Count switch
        {
            0 => throw new VertebraException($"{path} has no weights (.safetensors, .pth, .pt)"),
            1 => files[0],
            _ when PreferredWeights.Contains(Path.GetFileName(files[0])) => files[0],
            _ => throw new VertebraException($"{path} has several weight files; name one of {string.Join(", ", files.Select(Path.GetFileName))}"),
        };
    }
}
