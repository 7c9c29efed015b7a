using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Vertebra.Zoo;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra models [GLOB]</c>: the registry with sizes and costs, filtered and sorted.</summary>
internal static class ModelsVerb
{
    public static Command Create()
    {
        var pattern = new Argument<string>("glob") { Description = "names to list, with * and ? as wildcards", DefaultValueFactory = _ => "*" };
        var parameters = new Option<double?>("--max-params") { Description = "at most so many million parameters" };
        var macs = new Option<double?>("--max-gmacs") { Description = "at most so many G multiply-accumulates" };
        var acts = new Option<double?>("--max-acts") { Description = "at most so many million activations" };
        var features = new Option<bool>("--features") { Description = "only networks whose maps make a pyramid for detection and segmentation: at least three strides" };
        var pretrained = new Option<bool>("--pretrained") { Description = "only networks with published weights" };
        var sort = new Option<string?>("--sort") { Description = "what the list is ordered by, smallest first: name, params, gmacs or acts (default: as the registry has them, by family)" };
        sort.AcceptOnlyFromAmong("name", "params", "gmacs", "acts");
        var csv = new Option<bool>("--csv") { Description = "print CSV" };
        var json = new Option<bool>("--json") { Description = "print a JSON array" };
        var command = new Command("models", "List the networks: family, parameters, multiply-accumulates, activations, input size, paper; those that fit a budget or a task.")
            { pattern, parameters, macs, acts, features, pretrained, sort, csv, json };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(csv) && parsed.GetValue(json))
                throw new VertebraException("--csv and --json are two formats: give one of them");
            var budget = new Budget(parsed.GetValue(parameters), parsed.GetValue(macs), parsed.GetValue(acts), parsed.GetValue(features));
            var rows = Rows(Named(parsed.GetValue(pattern)!), parsed.GetValue(pretrained), budget, parsed.GetValue(sort));
            if (parsed.GetValue(json))
                PrintJson(rows);
            else if (parsed.GetValue(csv))
                PrintCsv(rows);
            else
                PrintTable(rows);
            return Host.Success;
        });
        return command;
    }

    private static IReadOnlyList<ModelInfo> Named(string pattern)
    {
        var models = Models.List(pattern);
        if (models.Count == 0 && pattern.AsSpan().ContainsAny('*', '?'))
            throw new VertebraException($"no model's name fits '{pattern}'; `vertebra models` lists all {Models.List().Count}");
        if (models.Count == 0)
            Models.Find(pattern); // names the nearest
        return models;
    }

    private static IEnumerable<ModelCost> Rows(IReadOnlyList<ModelInfo> models, bool pretrained, Budget budget, string? sort)
    {
        var rows = ModelCost.OfAll([.. models.Where(m => !pretrained || m.Configs.Any(c => c.HasWeights))]).Where(budget.Allows);
        return sort switch
        {
            "name" => rows.OrderBy(r => r.Model.Name, StringComparer.Ordinal),
            "params" => rows.OrderBy(r => r.Parameters),
            "gmacs" => rows.OrderBy(r => r.Macs),
            "acts" => rows.OrderBy(r => r.Activations),
            _ => rows,
        };
    }

    private static void PrintTable(IEnumerable<ModelCost> rows)
    {
        var width = Models.List().Max(m => m.Name.Length);
        Console.WriteLine($"{"model".PadRight(width)}  {"family",-16} {"params (M)",10} {"GMACs",8} {"acts (M)",9}  {"input",-11}  paper");
        foreach (var row in rows)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{row.Model.Name.PadRight(width)}  {row.Model.Family,-16} {row.Parameters / 1e6,10:0.00} {row.Macs / 1e9,8:0.00} {row.Activations / 1e6,9:0.00}  {row.Model.Config.InputSize,-11}  {ShortPaper(row.Model)}"));
        }
    }

    private static void PrintCsv(IEnumerable<ModelCost> rows)
    {
        Console.WriteLine("model,family,param_count,gmacs,macts,input_size,num_classes,feature_strides,tags,paper");
        foreach (var row in rows)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{row.Model.Name},{row.Model.Family},{row.Parameters / 1e6:0.####},{row.Macs / 1e9:0.####},{row.Activations / 1e6:0.####},{row.Model.Config.InputSize},{row.Model.Config.NumClasses},{string.Join(' ', row.Strides)},{string.Join(' ', Tags(row.Model))},\"{FamilyOf(row.Model).Paper.Replace("\"", "\"\"", StringComparison.Ordinal)}\""));
        }
    }

    private static void PrintJson(IEnumerable<ModelCost> rows)
    {
        using var stream = Console.OpenStandardOutput();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartArray();
            foreach (var row in rows)
                WriteJson(json, row);
            json.WriteEndArray();
        }
        stream.WriteByte((byte)'\n');
    }

    private static void WriteJson(Utf8JsonWriter json, ModelCost row)
    {
        var size = row.Model.Config.InputSize;
        json.WriteStartObject();
        json.WriteString("model", row.Model.Name);
        json.WriteString("family", row.Model.Family);
        json.WriteString("paper", FamilyOf(row.Model).Paper);
        json.WriteNumber("param_count", Math.Round(row.Parameters / 1e6, 4));
        json.WriteNumber("gmacs", Math.Round(row.Macs / 1e9, 4));
        json.WriteNumber("macts", Math.Round(row.Activations / 1e6, 4));
        WriteNumbers(json, "input_size", [size.Channels, size.Height, size.Width]);
        json.WriteNumber("num_classes", row.Model.Config.NumClasses);
        WriteNumbers(json, "feature_strides", row.Strides);
        json.WriteStartArray("tags");
        foreach (var tag in Tags(row.Model))
            json.WriteStringValue(tag);
        json.WriteEndArray();
        json.WriteBoolean("pretrained", row.Model.Configs.Any(c => c.HasWeights));
        json.WriteEndObject();
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, IReadOnlyList<int> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
            json.WriteNumberValue(value);
        json.WriteEndArray();
    }

    private static IEnumerable<string> Tags(ModelInfo model) => model.Configs.Select(c => c.Tag).Where(t => t.Length > 0);

    private static Family FamilyOf(ModelInfo model) => Models.Families.First(f => f.Name == model.Family);

    // What finds the paper soonest: its number, or else what stands last.
    private static string ShortPaper(ModelInfo model)
    {
        var parts = FamilyOf(model).Paper.Split([',', ';', ' '], StringSplitOptions.RemoveEmptyEntries);
        return parts.FirstOrDefault(p => p.StartsWith("arXiv:", StringComparison.Ordinal)) ?? parts[^1];
    }

    /// <summary>What a network may cost at most, in millions, G and millions, and what it must be good for.</summary>
    private sealed record Budget(double? Parameters, double? GigaMacs, double? Activations, bool NeedsPyramid)
    {
        public bool Allows(ModelCost cost) =>
            !(cost.Parameters / 1e6 > Parameters) && !(cost.Macs / 1e9 > GigaMacs) && !(cost.Activations / 1e6 > Activations) && (!NeedsPyramid || cost.HasPyramid);
    }
}
