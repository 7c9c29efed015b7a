using System.Text.Json;
using System.Text.Json.Nodes;

namespace Vertebra.Lab.Data.Packing;

/// <summary>What a pack knows about its images as a whole; JSON at the end of the file.</summary>
/// <param name="ClassNames">Names of the classes, in label order.</param>
/// <param name="Kind">Which kind of data set was packed, <see cref="IImageDataset.Kind"/>.</param>
/// <param name="Source">What was packed.</param>
/// <param name="Preprocessing">How the data set that was packed feeds its images to networks.</param>
internal sealed record VpkFacts(IReadOnlyList<string> ClassNames, string Kind, string Source, Preprocessing Preprocessing)
{
    private const int MostClasses = 1 << 20;

    public byte[] ToBytes()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("kind", Kind);
            json.WriteString("source", Source);
            json.WriteStartArray("classes");
            foreach (var name in ClassNames)
                json.WriteStringValue(name);
            json.WriteEndArray();
            json.WritePropertyName("preprocessing");
            Preprocessing.ToJson().WriteTo(json);
            json.WriteEndObject();
        }
        return stream.ToArray();
    }

    /// <exception cref="FileFormatException">The text is not what <see cref="ToBytes"/> writes.</exception>
    public static VpkFacts Read(ReadOnlyMemory<byte> bytes, string path)
    {
        try
        {
            using var json = JsonDocument.Parse(bytes);
            var root = json.RootElement;
            var classes = root.GetProperty("classes").EnumerateArray().Select(c => c.GetString() ?? "").ToArray();
            if (classes.Length is < 1 or > MostClasses)
                throw new FileFormatException($"{path}: the pack has {classes.Length} classes; 1 to {MostClasses} are possible");
            return new(classes, root.GetProperty("kind").GetString() ?? "folder", root.GetProperty("source").GetString() ?? "", Preprocessing.FromJson(root.GetProperty("preprocessing"), path));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new FileFormatException($"{path}: the facts at the end of the pack are not in the expected form ({e.Message}); pack the images again", e);
        }
    }
}
