using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Vertebra.Graphs;
using Vertebra.Kernels;
using Vertebra.Lab.Data;
using Vertebra.Nn;
using Vertebra.Onnx;
using Vertebra.Zoo;
using Vertebra.Zoo.Weights;

namespace Vertebra.Cli.Verbs;

/// <summary>The network (or networks) that a verb works on: a checkpoint or a name, with the options that say how to take it.</summary>
internal sealed class NetworkArgument
{
    private const string Kinds = "a weight file (.safetensors, .pth), a run folder, hf-hub:OWNER/NAME[@REVISION], local-dir:PATH, or the name of a network";
    private const int LargestSide = 8192;

    private readonly Argument<string>[] _paths;
    private readonly Option<string?> _model = new("--model") { Description = "name of the network, where no config.json beside the weights says it" };
    private readonly Option<int?> _classes = new("--num-classes") { Description = "size of the classifier; another one than the weights have starts anew (default: the network's)" };
    private readonly Option<int?> _channels = new("--in-chans") { Description = "channels of the image; the first convolution is adapted (default: the network's)" };
    private readonly Option<int?> _size = new("--img-size") { Description = "side of the image; position tables are resampled (default: as the weights were trained)" };
    private readonly Option<bool> _testSize = new("--use-test-size") { Description = "the larger image size and crop at which the weights were found to do better, where they have one" };
    private readonly PublishedWeights _published = new();
    private readonly Option<int?> _threads = new("--threads") { Description = "threads that compute (default: all processors)" };
    private readonly Option<string?> _inputSize = new("--input-size") { Description = "channels, height and width of the input, as 3,224,224 (default: the network's)", HelpName = "C,H,W" };

    /// <summary>One argument for a network with weights.</summary>
    public NetworkArgument() => _paths = [new("checkpoint") { Description = Kinds }];

    /// <summary>Arguments of these names, each anything that has a graph.</summary>
    public NetworkArgument(params ReadOnlySpan<string> names)
    {
        _paths = new Argument<string>[names.Length];
        for (var i = 0; i < names.Length; i++)
            _paths[i] = new(names[i]) { Description = Kinds.Replace("a weight file", "an ONNX file, a weight file", StringComparison.Ordinal) };
        TakesGraphs = true;
    }

    private bool TakesGraphs { get; }

    /// <summary>Adds arguments and options to a verb.</summary>
    public void AddTo(Command command)
    {
        foreach (var path in _paths)
            command.Arguments.Add(path);
        foreach (var option in TakesGraphs ? (Option[])[_model, _classes, _inputSize, _threads] : [_model, _classes, _channels, _size, _testSize, _threads])
            command.Options.Add(option);
        _published.AddTo(command);
    }

    /// <summary>Loads what the command line names.</summary>
    /// <exception cref="VertebraException">There is neither such a file nor such a network.</exception>
    public LoadedNetwork Load(ParseResult parsed)
    {
        WarmUp.Begin();
        SetThreads(parsed);
        var path = parsed.GetRequiredValue(_paths[0]);
        var source = Find(parsed, path);
        var testSize = parsed.GetValue(_testSize) ? source.Description.Config.TestInputSize?.Height : null;
        if (parsed.GetValue(_testSize) && parsed.GetValue(_size) is not null)
            throw new VertebraException("--use-test-size and --img-size both say the size: give one of them");
        var side = parsed.GetValue(_size) ?? testSize;
        var options = new ModelOptions { NumClasses = parsed.GetValue(_classes), InChans = parsed.GetValue(_channels), ImgSize = side };
        var network = Build(path, source, options, warn: true);
        var preprocessing = NetworkPreprocessing.Of(network.Description.Config, path, testSize is not null);
        if (side is { } size)
            preprocessing = preprocessing.WithSize(size).Validate("--img-size");
        return new(path, network, preprocessing.WithChannels(network.InChans));
    }

    /// <summary>The graphs of all that the command line names, in evaluation mode.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="batch">Images of one run.</param>
    /// <param name="weightsMatter">Whether to say so when a network's weights are untrained.</param>
    /// <exception cref="VertebraException">There is neither such a file nor such a network, or it does not take such inputs.</exception>
    public IReadOnlyList<LoadedGraph> LoadGraphs(ParseResult parsed, int batch = 1, bool weightsMatter = false)
    {
        SetThreads(parsed);
        if (batch is < 1 or > 4096)
            throw new VertebraException($"--batch is {batch}; it must be 1 to 4096");
        var size = parsed.GetValue(_inputSize) is { } text ? ParseInputSize(text) : ((int Channels, int Height, int Width)?)null;
        return [.. _paths.Select(p => LoadGraph(parsed, parsed.GetRequiredValue(p), batch, size, weightsMatter))];
    }

    private LoadedGraph LoadGraph(ParseResult parsed, string path, int batch, (int Channels, int Height, int Width)? size, bool weightsMatter)
    {
        if (Path.GetExtension(path).Equals(".onnx", StringComparison.OrdinalIgnoreCase))
            return LoadOnnx(path, batch, size);
        var source = Find(parsed, path);
        var isName = source.Weights is null;
        var options = new ModelOptions
        {
            NumClasses = parsed.GetValue(_classes),
            InChans = isName ? size?.Channels : null,
            ImgSize = size?.Height == size?.Width ? size?.Height : null,
        };
        var network = Build(path, source, options, weightsMatter);
        var preprocessing = NetworkPreprocessing.Of(network.Description.Config, path).WithChannels(network.InChans);
        if (size is { } given)
        {
            if (given.Channels != network.InChans)
                throw new VertebraException($"--input-size has {given.Channels} channels, but {path} takes {network.InChans}");
            preprocessing = preprocessing with { Height = given.Height, Width = given.Width };
        }
        var graph = Graph.Trace(network, [batch, preprocessing.Height, preprocessing.Width, preprocessing.Channels]);
        return new(path, graph, network, preprocessing);
    }

    private static LoadedGraph LoadOnnx(string path, int batch, (int Channels, int Height, int Width)? size)
    {
        var model = OnnxModel.Load(path);
        var preprocessing = PreprocessingIn(model);
        if (size is null && batch == 1)
            return new(path, model.ToGraph(), null, preprocessing);
        if (model.Inputs.Count != 1 || model.Inputs[0].Dimensions is { Count: not 4 })
            throw new VertebraException($"{path} does not take one image ({string.Join("; ", model.Inputs)}): --batch and --input-size do not fit it");
        var stated = model.Inputs[0].Dimensions?.Skip(1).Select(d => d.Size).ToArray();
        int[] sides = size is { } s ? [s.Channels, s.Height, s.Width]
            : stated is not null && stated.All(d => d is not null) ? [.. stated.Select(d => d!.Value)]
            : throw new VertebraException($"{path} leaves its input's size open; say it with --input-size");
        return new(path, model.ToGraph([[batch, .. sides]]), null, preprocessing);
    }

    // The metadata that 'export' writes are texts, some of them JSON.
    private static Preprocessing? PreprocessingIn(OnnxModel model)
    {
        if (!model.Metadata.ContainsKey("mean"))
            return null;
        var facts = new JsonObject();
        foreach (var (key, text) in model.Metadata)
        {
            try
            {
                facts[key] = JsonNode.Parse(text);
            }
            catch (JsonException)
            {
                facts[key] = text;
            }
        }
        using var json = JsonDocument.Parse(facts.ToJsonString());
        return Preprocessing.FromJson(json.RootElement, model.Source);
    }

    private void SetThreads(ParseResult parsed)
    {
        if (parsed.GetValue(_threads) is { } threads)
            Workers.Count = threads is >= 1 and <= 1024 ? threads : throw new VertebraException($"--threads is {threads}; it must be 1 to 1024");
    }

    private static (int Channels, int Height, int Width) ParseInputSize(string text)
    {
        var sizes = text.Split(',', 'x').Select(p => int.TryParse(p, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0).ToArray();
        if (sizes.Length != 3 || sizes.Any(s => s is < 1 or > LargestSide))
            throw new VertebraException($"--input-size is '{text}'; write channels, height and width, as 3,224,224, each 1 to {LargestSide}");
        return (sizes[0], sizes[1], sizes[2]);
    }

    // Weights, where there are any, and the network they are for.
    private (string? Weights, NetworkDescription Description) Find(ParseResult parsed, string path)
    {
        var isPath = File.Exists(path) || Directory.Exists(path);
        var model = parsed.GetValue(_model);
        if (Pretrained.IsSource(path) || (_published.AreWanted(parsed) && !isPath))
        {
            if (model is not null)
                throw new VertebraException($"--model {model} has no part in '{path}', which says itself which network it is");
            return _published.Find(parsed, path);
        }
        if (_published.AreWanted(parsed) && Models.TryFind(path) is null)
            throw new VertebraException($"--pretrained is for names of networks; {path} has weights of its own");
        if (_published.AreWanted(parsed))
            return _published.Find(parsed, path);
        if (isPath)
            return NetworkFiles.Find(path, model);
        if (Models.TryFind(path) is null && (path.Contains('/') || path.Contains('\\') || Path.HasExtension(path)))
            throw new VertebraException($"there is no file or folder {path}");
        var (_, config) = Models.Find(path);
        return (null, new(path, new(), config));
    }

    private static Backbone Build(string path, (string? Weights, NetworkDescription Description) source, ModelOptions options, bool warn)
    {
        if (source.Weights is { } weights)
            return NetworkFiles.Load(source.Description, weights, options, line => Console.Error.WriteLine($"vertebra: note: {line}"));
        if (warn)
            Console.Error.WriteLine($"vertebra: note: '{path}' is a name, not a checkpoint: its weights are untrained (--pretrained takes the published ones)");
        // Weights by name instead of by order: the same network gets the same ones wherever it is built in a command.
        using var deferred = Construction.Deferred();
        var network = Models.Create(path, options);
        network.Initialise(seed: 0);
        return network;
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

/// <summary>A network as a graph, wherever it comes from.</summary>
/// <param name="Source">What the user called it.</param>
/// <param name="Graph">The graph.</param>
/// <param name="Network">The module it was traced from; null for an ONNX file.</param>
/// <param name="Preprocessing">How images become its input; null where the file does not say.</param>
internal sealed record LoadedGraph(string Source, Graph Graph, Backbone? Network, Preprocessing? Preprocessing)
{
    /// <summary>The name without folders.</summary>
    public string Name => Path.GetFileName(Path.TrimEndingDirectorySeparator(Source));

    /// <summary>The first input's shape, as text in the usual order: [N, C, H, W].</summary>
    public string InputText
    {
        get
        {
            var shape = Graph.Inputs[0].Shape;
            return shape.Rank == 4 ? $"[{shape[0]}, {shape[3]}, {shape[1]}, {shape[2]}]" : shape.ToString();
        }
    }

    /// <summary>Numbers for every input: the same for the same seed.</summary>
    public Tensor[] RandomInputs(ulong seed = 1) => [.. Graph.Inputs.Select((v, i) => Random(v, seed, (ulong)i))];

    private static Tensor Random(Value input, ulong seed, ulong stream)
    {
        if (input.Spec.DType != DType.Float32)
            return Tensor.Zeros(input.Shape, input.Spec.DType);
        var values = new float[input.Shape.ElementCount];
        new Philox(seed, stream).FillNormal(values);
        return Tensor.From(values, input.Shape);
    }
}
