using System.Text;
using System.Text.Json;

namespace Vertebra.Zoo;

/// <summary>
/// A network as two facts: its name and its options; with them goes what a user of its weights must know. It is the
/// <c>config.json</c> beside a checkpoint, in the form of the Hugging Face hub's timm repositories, so that theirs are read too.
/// </summary>
/// <param name="Architecture">Name in the registry, with a tag if one is meant.</param>
/// <param name="Options">What was asked of the network.</param>
/// <param name="Config">How images are prepared for its weights.</param>
public sealed record NetworkDescription(string Architecture, ModelOptions Options, PretrainedConfig Config)
{
    /// <summary>Names of the classes in the order of the logits; empty when unknown.</summary>
    public IReadOnlyList<string> LabelNames { get; init; } = [];

    /// <summary>An image may show several classes: each logit is a question of its own, whose sigmoid is the answer's probability.</summary>
    public bool IsMultiLabel { get; init; }

    /// <summary>Builds the network, with fresh weights.</summary>
    public Backbone Build()
    {
        // Position tables are made for the images that the weights want, which may be others than the registry's.
        var backbone = Models.Create(Architecture, Options with { ImgSize = Options.ImgSize ?? Config.InputSize.Height });
        backbone.Description = this;
        return backbone;
    }

    /// <summary>The text of <c>config.json</c>.</summary>
    public string ToJson()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("architecture", Architecture.Split('.', 2)[0]);
            json.WriteNumber("num_classes", Options.NumClasses ?? Config.NumClasses);
            if (Options.GlobalPool is { } pool)
                json.WriteString("global_pool", pool.NameOf());
            DescriptionJson.WriteOptions(json, Options);
            DescriptionJson.WriteConfig(json, Config);
            if (LabelNames.Count > 0)
                DescriptionJson.WriteStrings(json, "label_names", LabelNames);
            if (IsMultiLabel)
                json.WriteBoolean("multi_label", true);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    /// <summary>Reads <c>config.json</c>.</summary>
    /// <param name="text">The file's text; it may come from anywhere.</param>
    /// <param name="source">What to call the file in messages.</param>
    /// <exception cref="FileFormatException">The text is not such a description.</exception>
    /// <exception cref="VertebraException">It names an unknown model, or an option is out of range.</exception>
    public static NetworkDescription FromJson(string text, string source)
    {
        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 16 });
            return DescriptionJson.Read(document.RootElement, source);
        }
        catch (JsonException e)
        {
            throw new FileFormatException($"{source} is not JSON: {e.Message}", e);
        }
    }
}
