using System.Globalization;
using Vertebra.Graphs;
using Vertebra.Graphs.Profiling;
using Vertebra.Nn;

namespace Vertebra.Zoo.Verification;

/// <summary>One row of a table of published costs beside what is counted here.</summary>
/// <param name="Model">Registered name.</param>
/// <param name="Size">Side of the images, in pixels.</param>
/// <param name="Counted">Millions of parameters, G multiply-accumulates and M activations, counted on the traced graph.</param>
/// <param name="Published">The same, as published.</param>
public sealed record CostRow(string Model, int Size, (double Params, double Macs, double Acts) Counted, (double Params, double Macs, double Acts) Published)
{
    private const double Share = 0.005;
    private const double Rounding = 0.0051;

    // fvcore charges a normaliser up to five operations an element (in G for M elements); a standardised weight is normalised too.
    private const double OperationsOfNorms = 5e-3;

    /// <summary>Counted multiply-accumulates over published ones.</summary>
    public double MacsRatio => Ratio(Counted.Macs, Published.Macs);

    /// <summary>Counted activations over published ones.</summary>
    public double ActsRatio => Ratio(Counted.Acts, Published.Acts);

    /// <summary>
    /// Whether parameters and activations agree (within half a percent, or the table's two decimals), and the published
    /// multiply-accumulates exceed the counted ones by no more than normalisers and pools explain.
    /// </summary>
    public bool Agrees => IsNear(Counted.Params, Published.Params) && IsNear(Counted.Acts, Published.Acts)
        && Counted.Macs <= Published.Macs * (1 + Share) + Rounding
        && Published.Macs - Counted.Macs <= (OperationsOfNorms * (Counted.Acts + Counted.Params)) + Rounding;

    private static double Ratio(double counted, double published) => published > 0 ? counted / published : double.NaN;

    private static bool IsNear(double counted, double published) => Math.Abs(counted - published) <= Math.Max(Rounding, Share * published);
}

/// <summary>
/// A table of inference benchmarks in timm's layout (<c>model, infer_img_size, ..., param_count, infer_gmacs, infer_macts</c>), whose
/// costs fvcore counted. It counts a little more than multiply-accumulates of weights: normalisers and pools too.
/// </summary>
public sealed class PublishedCosts
{
    private static readonly string[] Needed = ["model", "infer_img_size", "param_count", "infer_gmacs", "infer_macts"];
    private readonly List<(string Model, int Size, double Params, double Macs, double Acts)> _rows;

    private PublishedCosts(List<(string, int, double, double, double)> rows) => _rows = rows;

    /// <summary>Rows of the table.</summary>
    public int Count => _rows.Count;

    /// <summary>Reads a table; columns may stand in any order.</summary>
    /// <exception cref="VertebraException">There is no such file, a column is missing, or a number is none.</exception>
    public static PublishedCosts Read(string path)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"cannot read {path}: {e.Message}", e);
        }
        var columns = lines.Length == 0 ? [] : lines[0].Split(',');
        var places = Needed.Select(n => Array.IndexOf(columns, n)).ToArray();
        if (Array.IndexOf(places, -1) is >= 0 and var missing)
            throw new FileFormatException($"{path}: not a table of inference benchmarks: there is no column {Needed[missing]}");
        var rows = new List<(string, int, double, double, double)>();
        foreach (var line in lines.Skip(1).Where(l => l.Length > 0))
        {
            var fields = line.Split(',');
            if (fields.Length != columns.Length)
                throw new FileFormatException($"{path}: the row of {fields[0]} has {fields.Length} columns instead of {columns.Length}");
            double Number(int column) => double.TryParse(fields[places[column]], CultureInfo.InvariantCulture, out var number) ? number
                : throw new FileFormatException($"{path}: '{fields[places[column]]}' of {fields[0]} is not a number");
            rows.Add((fields[places[0]], (int)Number(1), Number(2), Number(3), Number(4)));
        }
        return new(rows);
    }

    /// <summary>Counts the costs of a network at the size of its row; null where the table has no row of it.</summary>
    /// <param name="model">A registered network. It is traced with meta tensors: nothing is computed.</param>
    public CostRow? Compare(ModelInfo model)
    {
        var row = _rows.Find(r => r.Model == model.Name || r.Model.StartsWith(model.Name + ".", StringComparison.Ordinal));
        if (row.Model is null)
            return null;
        using var meta = Construction.Meta();
        var size = model.Config.InputSize;
        var network = Models.Create(model.Name, row.Size == size.Height ? null : new ModelOptions { ImgSize = row.Size });
        var cost = GraphProfile.Of(Graph.Trace(network, [1, row.Size, row.Size, size.Channels])).Root.Cost;
        return new(model.Name, row.Size, (network.ParameterCount / 1e6, cost.Macs / 1e9, cost.Activations / 1e6), (row.Params, row.Macs, row.Acts));
    }
}
