using System.Text.Json;

namespace Vertebra.Zoo.Verification;

/// <summary>A golden fixture as it stands in its file; see the fixtures' own README for the fields.</summary>
internal sealed class Fixture
{
    private const long LargestFile = 64 << 20;
    private const long LargestImage = 1 << 26;

    private Fixture(string name, JsonFields root)
    {
        (Name, Root) = (name, root);
        var scheme = root.Required("scheme", root.Text("scheme"));
        if (scheme != "zoo-1")
            throw new FileFormatException($"{name} follows scheme '{scheme}'; this program knows zoo-1");
        Model = root.Required("model", root.Text("model"));
        Kind = root.Required("kind", root.Text("kind"));
        InputSize = root.Required("input_size", root.Size("input_size"));
        if ((long)InputSize.Channels * InputSize.Height * InputSize.Width > LargestImage)
            throw new FileFormatException($"{name} asks for images of {InputSize}, which is too large");
        Options = root.Object("create_args") is { } arguments ? ReadOptions(arguments) : new();
        Activation = root.Object("create_args")?.Text("act_layer") is { } activation ? Activations.Parse(activation) : null;
        State = [.. root.Items("state_dict").Select(ReadState)];
        Exponents = State.Where(s => s.Exponent != 0).ToDictionary(s => s.Name, s => s.Exponent, StringComparer.Ordinal);
    }

    public string Name { get; }

    public string Model { get; }

    public string Kind { get; }

    public InputSize InputSize { get; }

    public ModelOptions Options { get; }

    /// <summary>What stands in the place of every ReLU, where the fixture was made so: a function without a kink has comparable gradients.</summary>
    public ActivationKind? Activation { get; }

    /// <summary>Name, shape, dtype and exponent of every tensor, in order; empty in training fixtures.</summary>
    public IReadOnlyList<(string Name, int[] Shape, string DType, int Exponent)> State { get; }

    /// <summary>Powers of two of running variances, by name.</summary>
    public IReadOnlyDictionary<string, int> Exponents { get; }

    public JsonFields Root { get; }

    /// <exception cref="FileFormatException">The file is no fixture.</exception>
    public static Fixture Read(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        try
        {
            if (new FileInfo(path).Length > LargestFile)
                throw new FileFormatException($"{path} is too large for a fixture");
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            return new(name, new JsonFields(document.RootElement.Clone(), path));
        }
        catch (JsonException e)
        {
            throw new FileFormatException($"{path} is not JSON: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"cannot read {path}: {e.Message}", e);
        }
    }

    private ModelOptions ReadOptions(JsonFields arguments)
    {
        string[] known = ["num_classes", "in_chans", "output_stride", "img_size", "global_pool", "block_args", "act_layer"];
        if (arguments.Element.EnumerateObject().Select(p => p.Name).FirstOrDefault(n => !known.Contains(n)) is { } unknown)
            throw new FileFormatException($"{Name} creates its network with '{unknown}', which this program does not know");
        return new()
        {
            NumClasses = arguments.Integer("num_classes"),
            InChans = arguments.Integer("in_chans"),
            OutputStride = arguments.Integer("output_stride"),
            ImgSize = arguments.Integer("img_size"),
            AttnLayer = arguments.Object("block_args")?.Text("attn_layer"),
            GlobalPool = arguments.Text("global_pool") is { } pool ? GlobalPools.Parse(pool) : null,
        };
    }

    private static (string, int[], string, int) ReadState(JsonElement row) =>
        (row[0].GetString()!, [.. row[1].EnumerateArray().Select(s => s.GetInt32())], row[2].GetString()!, row.GetArrayLength() > 3 ? row[3].GetInt32() : 0);
}
