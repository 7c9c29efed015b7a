using System.Text.Json;

namespace Vertebra.Cli.Verbs;

/// <summary>Results as one JSON object on standard output.</summary>
internal static class JsonOutput
{
    /// <summary>Prints an object and the end of its line.</summary>
    /// <param name="indented">For people too; without, it is one line.</param>
    /// <param name="members">Writes what is in the object.</param>
    public static void Print(bool indented, Action<Utf8JsonWriter> members)
    {
        using var stream = Console.OpenStandardOutput();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = indented }))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }
        stream.WriteByte((byte)'\n');
    }
}
