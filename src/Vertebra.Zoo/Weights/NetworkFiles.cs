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
    /// <param name="options">Options of the network; null: as described. Other numbers of classes or channels adapt the weights.</param>
    /// <exception cref="VertebraException">The path does not exist, says nowhere which network it is, or does not fit that network.</exception>
    public static Backbone Load(string path, string? model = null, ModelOptions? options = null)
    {
        var weights = WeightsIn(path);
        var network = Build(path, weights, model, options);
        network.LoadPretrained(Checkpoint.Read(weights).Tensors, weights);
        return network;
    }

    /// <summary>The description beside a weight file, or null.</summary>
    public static NetworkDescription? DescriptionOf(string weights)
    {
        var config = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(weights))!, ConfigName);
        if (!File.Exists(config))
            return null;
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

    private static Backbone Build(string path, string weights, string? model, ModelOptions? options)
    {
        var description = model is null ? DescriptionOf(weights) : null;
        if (description is null && model is null)
            throw new VertebraException($"{path}: there is no {ConfigName} beside the weights, so name the network with --model");
        if (description is null)
            return Models.Create(model!, options);
        return (options is null ? description : description with { Options = options }).Build();
    }
}
