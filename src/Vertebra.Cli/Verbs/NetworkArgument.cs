using System.CommandLine;
using Vertebra.Kernels;
using Vertebra.Lab.Data;
using Vertebra.Zoo;
using Vertebra.Zoo.Weights;

namespace Vertebra.Cli.Verbs;

/// <summary>The network that a verb works on: a checkpoint or a name, with the options that say how to take it.</summary>
internal sealed class NetworkArgument
{
    private readonly Argument<string> _path = new("checkpoint") { Description = "a weight file (.safetensors, .pth), a run folder, or the name of a network" };
    private readonly Option<string?> _model = new("--model") { Description = "name of the network, where no config.json beside the weights says it" };
    private readonly Option<int?> _classes = new("--num-classes") { Description = "size of the classifier, with --model (default: the network's)" };
    private readonly Option<int?> _size = new("--img-size") { Description = "side of the image (default: as the weights were trained)" };
    private readonly Option<int?> _threads = new("--threads") { Description = "threads that compute (default: all processors)" };

    /// <summary>Adds argument and options to a verb.</summary>
    public void AddTo(Command command)
    {
        command.Arguments.Add(_path);
        foreach (var option in (Option[])[_model, _classes, _size, _threads])
            command.Options.Add(option);
    }

    /// <summary>Loads what the command line names.</summary>
    /// <exception cref="VertebraException">There is neither such a file nor such a network.</exception>
    public LoadedNetwork Load(ParseResult parsed)
    {
        var path = parsed.GetRequiredValue(_path);
        if (parsed.GetValue(_threads) is { } threads)
            Workers.Count = threads is >= 1 and <= 1024 ? threads : throw new VertebraException($"--threads is {threads}; it must be 1 to 1024");
        var network = Build(path, parsed.GetValue(_model), new ModelOptions { NumClasses = parsed.GetValue(_classes) });
        var preprocessing = NetworkPreprocessing.Of(network.Description.Config, path);
        if (parsed.GetValue(_size) is { } size)
            preprocessing = preprocessing.WithSize(size).Validate("--img-size");
        return new(path, network, preprocessing.WithChannels(network.InChans));
    }

    private static Backbone Build(string path, string? model, ModelOptions options)
    {
        if (File.Exists(path) || Directory.Exists(path))
            return NetworkFiles.Load(path, model, model is null ? null : options);
        if (Models.TryFind(path) is null && (path.Contains('/') || path.Contains('\\') || Path.HasExtension(path)))
            throw new VertebraException($"there is no file or folder {path}");
        Models.Find(path);
        Console.Error.WriteLine($"vertebra: note: '{path}' is a name, not a checkpoint: its weights are untrained");
        return Models.Create(path, options);
    }
}

/// <summary>A network ready to work.</summary>
/// <param name="Source">What the user called it.</param>
/// <param name="Network">The network, in evaluation mode.</param>
/// <param name="Preprocessing">How images become its input.</param>
internal sealed record LoadedNetwork(string Source, Backbone Network, Preprocessing Preprocessing)
{
    /// <summary>Name of a class, or its number where names are unknown.</summary>
    public string ClassName(int index) =>
        index < Network.Description.LabelNames.Count ? Network.Description.LabelNames[index] : $"class {index}";
}
