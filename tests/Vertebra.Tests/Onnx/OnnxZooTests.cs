using System.Globalization;
using Vertebra.Graphs;

using Vertebra.Onnx;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Tests.Onnx;

/// <summary>
/// The registered networks through ONNX. With <c>VERTEBRA_FULL_SWEEP=1</c> all of them go through ONNX Runtime and our importer, and
/// the table is written to <c>docs/onnx-zoo.md</c>, the smallest networks first; a sweep that was stopped goes on after the rows that are there (delete the file to begin
/// anew). <c>VERTEBRA_FULL_SWEEP=name,name</c> makes the rows of these networks anew. Without, the smallest network of each family, and constructions that it does not show.
/// </summary>
public class OnnxZooTests
{
    private static readonly string TablePath = Path.Combine(SharedData.RepositoryRoot, "docs", "onnx-zoo.md");

    private static readonly string[] OtherConstructions =
    [
        "seresnext26d_32x4d", "ecaresnet26t", "resnetblur18", "resnet50_gn", "resnetv2_50x1_bit", "resnetv2_50d_evos", "efficientnet_cc_b0_4e",
    ];

    [OnnxRuntimeFact]
    public void One_network_of_each_family_agrees_with_ONNX_Runtime_and_with_our_importer()
    {
        string[] names = [.. OnnxZoo.SmallestOfEachFamily, .. OtherConstructions];
        var rows = OnnxZoo.Sweep(names, new()).ToArray();
        AssertAgree(rows);
        Assert.Equal(names, rows.Select(r => r.Name));
    }

    [FullSweepFact]
    public void All_networks_agree_in_the_full_sweep()
    {
        var done = ReadTable();
        var all = Models.List().OrderBy(OnnxZoo.ParameterCount).Select(m => m.Name).ToList();
        var names = OnnxZoo.Renewed.Count > 0 ? OnnxZoo.Renewed : all;
        foreach (var name in OnnxZoo.Renewed)
            done.Remove(name);
        foreach (var row in OnnxZoo.Sweep([.. names.Where(n => !done.ContainsKey(n))], new()))
        {
            done[row.Name] = row;
            WriteTable([.. all.Where(done.ContainsKey).Select(n => done[n])]);
        }
        AssertAgree([.. names.Select(n => done[n]).Where(r => !r.Error.StartsWith(OnnxZoo.NotRun, StringComparison.Ordinal))]);
    }

    private static void AssertAgree(ZooRow[] rows)
    {
        var wrong = rows.Where(r => !r.Agrees).ToArray();
        Assert.True(wrong.Length == 0, $"{wrong.Length} of {rows.Length} networks differ:\n" + string.Join('\n', wrong.Take(20)));
    }

    [Fact]
    public void Convolutional_networks_have_no_transposes()
    {
        var wrong = new List<string>();
        foreach (var model in Models.List())
        {
            Graph graph;
            using (Vertebra.Nn.Construction.Meta())
            {
                var size = model.Config.InputSize;
                graph = Graph.Trace(Models.Create(model.Name), [1, size.Height, size.Width, size.Channels]);
            }
            // What reads an image row by row, and attention, needs the channels last; nothing else does.
            if (graph.Nodes.Any(n => n.Op is Vertebra.Ops.LayerNorm or Attention or MatMul || (n.Op is Vertebra.Ops.Linear && n.Inputs[0].Shape.Rank > 2) || IsRealFlatten(n)))
                continue;
            var transposes = OnnxExporter.Build(graph, new()).TransposeCount;
            if (transposes > 0)
                wrong.Add($"{model.Name}: {transposes}");
        }
        Assert.Empty(wrong);
    }

    private static bool IsRealFlatten(Node node) =>
        node.Op is Flatten or Reshape && node.Inputs[0].Shape.Rank == 4 && !node.Inputs[0].IsConstant && node.Inputs[0].Shape[1] * node.Inputs[0].Shape[2] > 1;

    private static void WriteTable(IReadOnlyList<ZooRow> rows)
    {
        var lines = new List<string>
        {
            "# The zoo through ONNX", "",
            "Relative L2 distance of the logits of two images between the module and the exported file, run by ONNX Runtime and by this project's importer; and how far the logits move when every pixel changes by its last bit. Weights follow the golden files' rule (where that amplifies rounding, or, in rows made since that rule, gives two images the same logits to 1e-3, batch norms have seen some batches first; where the logits still move by more than half the bound, weights of two axes and more are filled again at 0.8, 0.64, 0.5 and 0.4 of it until they do not), 10 classes, opset 17. Files of more than 2 GB are run by ONNX Runtime as they stand: its rewriting and packing would hold the weights twice more. Written by `VERTEBRA_FULL_SWEEP=1 dotnet test tests/Vertebra.Tests --filter All_networks_agree`; with `VERTEBRA_FULL_SWEEP=name,name` the rows of these networks anew.", "",
            "| network | size | nodes | transposes | ONNX Runtime | importer | last bits |", "|---|---:|---:|---:|---:|---:|---:|",
        };
        lines.AddRange(rows.Select(r => r.Error.Length > 0 ? $"| {r.Name} | {r.Size} | | | {r.Error} | | |" : string.Create(CultureInfo.InvariantCulture,
            $"| {r.Name} | {r.Size} | {r.Nodes} | {r.Transposes} | {r.Runtime:0.0e+00} | {r.Importer:0.0e+00} | {r.Noise:0.0e+00} |")));
        AtomicFile.WriteText(TablePath, string.Join('\n', lines) + "\n");
    }

    // Rows with an error are tried again.
    private static Dictionary<string, ZooRow> ReadTable() => !File.Exists(TablePath) ? [] : File.ReadLines(TablePath)
        .Select(l => l.Split('|', StringSplitOptions.TrimEntries)).Where(c => c.Length == 9 && double.TryParse(c[6], CultureInfo.InvariantCulture, out _))
        .ToDictionary(c => c[1], c => new ZooRow(
            c[1], Number(c[2]), Number(c[3]), Number(c[4]), Real(c[5]), Real(c[6]), Real(c[7]), ""));

    private static double Real(string cell) => double.Parse(cell, CultureInfo.InvariantCulture);

    private static int Number(string cell) => int.Parse(cell, CultureInfo.InvariantCulture);
}
