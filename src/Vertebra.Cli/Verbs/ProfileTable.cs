using System.Globalization;
using Vertebra.Graphs.Profiling;
using Vertebra.Kernels;

namespace Vertebra.Cli.Verbs;

/// <summary>A profile as text of at most 120 columns: the tree of modules, or the largest nodes.</summary>
internal sealed record ProfileTable(int Depth, bool ListsNodes, string Sort, int Top)
{
    public void Print(LoadedGraph loaded, GraphProfile profile, Roofline? roofline)
    {
        var rows = ListsNodes ? NodeRows(profile) : ModuleRows(profile);
        string[] heading = [ListsNodes ? "node" : "module", ListsNodes ? "op" : "nodes", "output", "params", "MACs", "acts", "MB", "MAC/B", "field", "stride", "ms", "%"];
        var columns = profile.TotalMilliseconds is null ? 10 : heading.Length;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{loaded.Name}, input {loaded.InputText}, {Workers.Count} threads ({Simd.Level})"));
        TextTable.Print(heading[..columns], [.. rows.Select(r => r[..columns])], texts: 3);
        PrintTotals(profile, roofline);
    }

    private static void PrintTotals(GraphProfile profile, Roofline? roofline)
    {
        var total = profile.Root.Cost;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"total: {total.Parameters / 1e6:0.00} M parameters, {total.Macs / 1e9:0.00} GMACs, {total.Activations / 1e6:0.00} M activations, {total.BytesRead / 1e6:0.0} MB read, {total.BytesWritten / 1e6:0.0} MB written"));
        if (roofline is null)
            return;
        var machine = roofline.Machine;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"time:  {profile.TotalMilliseconds:0.0} ms node by node, {total.Macs / profile.TotalMilliseconds / 1e6:0.0} GMAC/s; the ceilings alone would take {roofline.LeastMilliseconds:0.0} ms"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"limit: {machine.GigaMacsPerSecond:0} GMAC/s, {machine.GigaBytesPerSecond:0.0} GB/s, equal at {machine.Ridge:0.0} MAC/B. {roofline.Verdict}."));
    }

    private IReadOnlyList<string[]> ModuleRows(GraphProfile profile) =>
        [.. profile.Root.All().Where(m => m.Depth <= Depth).Select(m => Row(
            new string(' ', 2 * m.Depth) + (m.Path.Length == 0 ? "(network)" : m.Name),
            CountNodes(m).ToString(CultureInfo.InvariantCulture), m.Last, m.Cost, profile.TotalMilliseconds))];

    private static int CountNodes(ModuleProfile module) => module.All().Sum(m => m.Nodes.Count);

    private IReadOnlyList<string[]> NodeRows(GraphProfile profile)
    {
        Func<NodeProfile, double> key = Sort switch
        {
            "order" => _ => 0,
            "params" => n => n.Cost.Parameters,
            "acts" => n => n.Cost.Activations,
            "bytes" => n => n.Cost.Bytes,
            "ms" when profile.TotalMilliseconds is not null => n => n.Cost.Milliseconds ?? 0,
            _ => n => n.Cost.Macs,
        };
        var nodes = profile.Nodes.OrderByDescending(key).Take(Top == 0 ? int.MaxValue : Top);
        return [.. nodes.Select(n => Row(n.Node.ModulePath.Length == 0 ? "(network)" : n.Node.ModulePath, n.Node.Op.Name, n, n.Cost, profile.TotalMilliseconds))];
    }

    private static string[] Row(string name, string second, NodeProfile node, Cost cost, double? total)
    {
        var field = node.Field;
        return
        [
            name, second, string.Join('x', node.OutputShape.Span.ToArray()), Short(cost.Parameters), Short(cost.Macs), Short(cost.Activations),
            string.Create(CultureInfo.InvariantCulture, $"{cost.Bytes / 1e6:0.00}"),
            string.Create(CultureInfo.InvariantCulture, $"{cost.Intensity:0.0}"),
            field?.ToString() ?? "-", StrideOf(field),
            string.Create(CultureInfo.InvariantCulture, $"{cost.Milliseconds:0.000}"),
            string.Create(CultureInfo.InvariantCulture, $"{100 * cost.Milliseconds / total:0.0}"),
        ];
    }

    private static string StrideOf(ReceptiveField? field) => (field?.Height, field?.Width) switch
    {
        ({ IsWhole: false } h, { IsWhole: false } w) => h.Stride == w.Stride ? FormattableString.Invariant($"{h.Stride:0.##}") : FormattableString.Invariant($"{h.Stride:0.##}x{w.Stride:0.##}"),
        _ => "-",
    };

    // Three digits or so, with the unit that fits: 0, 940, 9.4k, 118M, 3.86G.
    internal static string Short(long count)
    {
        var (scale, unit) = count switch
        {
            >= 1_000_000_000 => (1e9, "G"),
            >= 1_000_000 => (1e6, "M"),
            >= 1_000 => (1e3, "k"),
            _ => (1.0, ""),
        };
        var scaled = count / scale;
        return scaled.ToString(unit.Length == 0 || scaled >= 100 ? "0" : scaled >= 10 ? "0.0" : "0.00", CultureInfo.InvariantCulture) + unit;
    }
}
