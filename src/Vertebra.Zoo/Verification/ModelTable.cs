using System.Globalization;
using Vertebra.Graphs;
using Vertebra.Nn;

namespace Vertebra.Zoo.Verification;

/// <summary>
/// The reference's table of models: a row has name, default tag, input size, classes, parameters, multiply-accumulates, how
/// those were counted, number of state-dict tensors, and the hash of their names and shapes.
/// </summary>
public sealed class ModelTable
{
    private const string Header = "name,default_tag,input_size,num_classes,num_params,macs,macs_source,num_tensors,state_hash";
    private readonly Dictionary<string, string[]> _rows;

    private ModelTable(Dictionary<string, string[]> rows) => _rows = rows;

    /// <summary>Number of models in the table.</summary>
    public int Count => _rows.Count;

    /// <summary>Reads the table.</summary>
    /// <exception cref="VertebraException">There is no such file, or it is no such table.</exception>
    public static ModelTable Read(string path)
    {
        try
        {
            var lines = File.ReadAllLines(path);
            if (lines.Length == 0 || lines[0] != Header)
                throw new FileFormatException($"{path}: not a table of models: the first line must be {Header}");
            var rows = lines.Skip(1).Where(l => l.Length > 0).Select(l => l.Split(',')).ToList();
            if (rows.Find(r => r.Length != 9) is { } odd)
                throw new FileFormatException($"{path}: the row of {odd[0]} has {odd.Length} columns instead of 9");
            return new(rows.DistinctBy(r => r[0]).ToDictionary(r => r[0]));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"cannot read {path}: {e.Message}", e);
        }
    }

    /// <summary>Whether the table has the model.</summary>
    public bool Knows(string name) => _rows.ContainsKey(name);

    /// <summary>
    /// How a registered model differs from its row: each fact that does, with both values; nothing when all agree. Shapes are
    /// computed, no weights are made.
    /// </summary>
    public IReadOnlyList<string> Differences(ModelInfo model)
    {
        using var meta = Construction.Meta();
        var network = Models.Create(model.Name);
        var (size, row) = (model.Config.InputSize, _rows[model.Name]);
        var macs = Graph.Trace(network, [1, size.Height, size.Width, size.Channels]).Macs;
        (string Fact, string Found, string Expected)[] facts =
        [
            ("default tag", model.Config.Tag, row[1]),
            ("input size", $"{size}", row[2]),
            ("classes", Text(model.Config.NumClasses), row[3]),
            ("parameters", Text(network.ParameterCount), row[4]),
            ("multiply-accumulates", Text(macs), row[5]),
            ("state-dict tensors", Text(network.State().Count()), row[7]),
            ("hash of names and shapes", $"{GoldenValues.StateHash(network):x16}", row[8]),
        ];
        return [.. facts.Where(f => f.Found != f.Expected).Select(f => $"{f.Fact} {f.Found}, expected {f.Expected}")];
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
