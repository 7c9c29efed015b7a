using System.Globalization;
using Vertebra.Graphs;

using Vertebra.Onnx;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Tests.Onnx;

/// <summary>
/// The registered networks through ONNX. With <c>VERTEBRA_FULL_SWEEP=1</c> all of them go through ONNX Runtime and our importer, and
/// the table is written to <c>docs/onnx-zoo.md</c>; without, one of each construction.
/// </summary>
public class OnnxZooTests
{
    private static readonly string[] OneOfEach =
    [
        "resnet20_cifar", "resnet10t", "test_resnet", "seresnext26d_32x4d", "ecaresnet26t", "resnetblur18", "resnet50_gn", "resnetv2_18d", "resnetv2_50x1_bit", "resnetv2_50d_evos",
    ];

    [OnnxRuntimeFact]
    public void Networks_agree_with_ONNX_Runtime_and_with_our_importer()
    {
        var names = OnnxZoo.IsFullSweep ? Models.List().Select(m => m.Name).ToArray() : OneOfEach;
        var rows = OnnxZoo.Sweep(names, new()).ToArray();
        if (OnnxZoo.IsFullSweep)
            WriteTable(rows);
        var wrong = rows.Where(r => r.Error.Length > 0 || !(r.Runtime < 1e-4) || !(r.Importer < 1e-4)).ToArray();
        Assert.True(wrong.Length == 0, $"{wrong.Length} of {rows.Length} networks differ:\n" + string.Join('\n', wrong.Take(20)));
        Assert.Equal(names, rows.Select(r => r.Name));
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
            "Relative L2 distance of the logits of two images between the module and the exported file, run by ONNX Runtime and by this project's importer. Weights follow the golden files' rule, 10 classes, opset 17. Written by `VERTEBRA_FULL_SWEEP=1 dotnet test tests/Vertebra.Tests --filter OnnxZooTests`.", "",
            "| network | size | nodes | transposes | ONNX Runtime | importer |", "|---|---:|---:|---:|---:|---:|",
        };
        lines.AddRange(rows.Select(r => r.Error.Length > 0 ? $"| {r.Name} | {r.Size} | | | {r.Error} | |" : string.Create(CultureInfo.InvariantCulture,
            $"| {r.Name} | {r.Size} | {r.Nodes} | {r.Transposes} | {r.Runtime:0.0e+00} | {r.Importer:0.0e+00} |")));
        AtomicFile.WriteText(Path.Combine(SharedData.RepositoryRoot, "docs", "onnx-zoo.md"), string.Join('\n', lines) + "\n");
    }
}
