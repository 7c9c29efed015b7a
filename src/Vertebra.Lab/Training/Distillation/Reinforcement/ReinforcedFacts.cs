using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Vertebra.Lab.Data;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>What a file of stored answers knows as a whole; JSON at its end.</summary>
/// <param name="Teachers">Who answered.</param>
/// <param name="Source">Identity of the data set.</param>
/// <param name="Fingerprint">CRC-32C of labels and names of its images.</param>
/// <param name="ClassNames">Names of its classes, in label order.</param>
/// <param name="Preprocessing">How images were prepared.</param>
/// <param name="ImageOptions">How they were varied: the options of the group Images that were given, by key.</param>
internal sealed record ReinforcedFacts(
    string Teachers, string Source, uint Fingerprint, IReadOnlyList<string> ClassNames, Preprocessing Preprocessing, IReadOnlyDictionary<string, string[]> ImageOptions)
{
    public byte[] ToBytes()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("teachers", Teachers);
            json.WriteString("source", Source);
            json.WriteNumber("fingerprint", Fingerprint);
            WriteStrings(json, "classes", ClassNames);
            json.WritePropertyName("preprocessing");
            Preprocessing.ToJson().WriteTo(json);
            json.WriteStartObject("images");
            foreach (var (key, values) in ImageOptions)
                WriteStrings(json, key, values);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return stream.ToArray();
    }

    /// <exception cref="FileFormatException">The text is not what <see cref="ToBytes"/> writes.</exception>
    public static ReinforcedFacts Read(ReadOnlyMemory<byte> bytes, string path)
    {
        try
        {
            using var json = JsonDocument.Parse(bytes, new() { MaxDepth = 8 });
            var root = json.RootElement;
            return new(
                Text(root, "teachers"), Text(root, "source"), root.GetProperty("fingerprint").GetUInt32(), Strings(root.GetProperty("classes")),
                Preprocessing.FromJson(root.GetProperty("preprocessing"), path),
                root.GetProperty("images").EnumerateObject().ToDictionary(p => p.Name, p => Strings(p.Value), StringComparer.Ordinal));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException)
        {
            throw new FileFormatException($"{path}: the facts at the end of the stored answers are not in the expected form ({e.Message}); store them again", e);
        }
    }

    /// <summary>What tells a data set from others: labels and file names in order. Where its folder or pack lies does not matter.</summary>
    public static uint FingerprintOf(IImageDataset data)
    {
        uint checksum = 0;
        for (var i = 0; i < data.Count; i++)
        {
            int[] label = [data.Label(i)];
            checksum = Crc32C.Append(checksum, MemoryMarshal.AsBytes<int>(label));
            checksum = Crc32C.Append(checksum, Encoding.UTF8.GetBytes(Path.GetFileName(data.NameOf(i))));
        }
        return checksum;
    }

    /// <summary>The options of the group Images that are given in some options, by key.</summary>
    public static Dictionary<string, string[]> ImageOptionsOf(TrainingOptions options) =>
        Rows.Select(o => (o.Key, Values: o.Get(options))).Where(o => o.Values is not null).ToDictionary(o => o.Key, o => o.Values!.ToArray(), StringComparer.Ordinal);

    /// <summary>Other options, with <see cref="ImageOptions"/> in the place of theirs.</summary>
    /// <exception cref="FileFormatException">One is unknown here, or its value is.</exception>
    public TrainingOptions ImposeOn(TrainingOptions options, string path)
    {
        var result = new TrainingOptions();
        try
        {
            foreach (var (key, values) in ImageOptions)
                (Rows.FirstOrDefault(o => o.Key == key) ?? throw new VertebraException($"there is no option '{key}'")).Set(result, values);
            result.Validate();
        }
        catch (VertebraException e)
        {
            throw new FileFormatException($"{path}: how images were varied is not understood: {e.Message}; store the answers again", e);
        }
        foreach (var option in TrainingOption.All.Except(Rows))
        {
            if (option.Get(options) is { } values)
                option.Set(result, values);
        }
        return result;
    }

    private static IEnumerable<TrainingOption> Rows => TrainingOption.All.Where(o => o.Group == "Images");

    private static void WriteStrings(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static string Text(JsonElement root, string key) => root.GetProperty(key).GetString() ?? "";

    private static string[] Strings(JsonElement array) => [.. array.EnumerateArray().Select(v => v.GetString() ?? "")];
}
