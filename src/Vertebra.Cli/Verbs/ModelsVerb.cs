using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Zoo;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra models [GLOB] [--json]</c>: the registry with sizes and costs.</summary>
internal static class ModelsVerb
{
    public static Command Create()
    {
        var pattern = new Argument<string>("glob") { Description = "names to list, with * and ? as wildcards", DefaultValueFactory = _ => "*" };
        var json = new Option<bool>("--json") { Description = "print a JSON array instead of a table" };
        var command = new Command("models", "List the networks: family, parameters, multiply-accumulates, input size.") { pattern, json };
        command.SetAction(parsed => Run(parsed.GetValue(pattern)!, parsed.GetValue(json)));
        return command;
    }

    private static int Run(string pattern, bool json)
    {
        var models = Models.List(pattern);
        if (models.Count == 0 && pattern.AsSpan().ContainsAny('*', '?'))
            throw new VertebraException($"no model's name fits '{pattern}'; `vertebra models` lists all {Models.List().Count}");
        if (models.Count == 0)
            Models.Find(pattern); // names the nearest
        var rows = models.Select(Measure);
        if (json)
            PrintJson(rows);
        else
            PrintTable(rows, models.Max(m => m.Name.Length));
        return Host.Success;
    }

    private static Row Measure(ModelInfo model)
    {
        using var meta = Construction.Meta();
        var network = Models.Create(model.Name);
        var size = model.Config.InputSize;
        var graph = Graph.Trace(network, [1, size.Height, size.Width, size.Channels]);
        return new(model, network.ParameterCount / 1e6, graph.Macs / 1e9);
    }

    private static void PrintTable(IEnumerable<Row> rows, int width)
    {
        Console.WriteLine($"{"model".PadRight(width)}  {"family",-14} {"params (M)",10} {"GMACs",8}  input");
        foreach (var row in rows)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{row.Model.Name.PadRight(width)}  {row.Model.Family,-14} {row.MillionParameters,10:0.00} {row.GigaMacs,8:0.00}  {row.Model.Config.InputSize}"));
        }
    }

    private static void PrintJson(IEnumerable<Row> rows)
    {
        using var stream = Console.OpenStandardOutput();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartArray();
            foreach (var row in rows)
            {
                json.WriteStartObject();
                json.WriteString("model", row.Model.Name);
                json.WriteString("family", row.Model.Family);
                json.WriteNumber("param_count", Math.Round(row.MillionParameters, 4));
                json.WriteNumber("gmacs", Math.Round(row.GigaMacs, 4));
                json.WriteStartArray("input_size");
                json.WriteNumberValue(row.Model.Config.InputSize.Channels);
                json.WriteNumberValue(row.Model.Config.InputSize.Height);
                json.WriteNumberValue(row.Model.Config.InputSize.Width);
                json.WriteEndArray();
                json.WriteStartArray("tags");
                foreach (var config in row.Model.Configs.Where(c => c.Tag.Length > 0))
                    json.WriteStringValue(config.Tag);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        stream.WriteByte((byte)'\n');
    }

    private sealed record Row(ModelInfo Model, double MillionParameters, double GigaMacs);
}
