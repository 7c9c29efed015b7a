using Google.Protobuf;
using Vertebra.Onnx;
using Vertebra.Onnx.Format;
using DataType = Vertebra.Onnx.Format.TensorProto.Types.DataType;

namespace Vertebra.Tests.Onnx;

/// <summary>The standard's backend tests, and the runner that executes them.</summary>
public class NodeTestsTests
{
    [NodeTestDataFact]
    public void The_standards_tests_pass_but_for_those_that_are_listed_with_a_reason()
    {
        var exceptions = File.ReadLines(Path.Combine(SharedData.RepositoryRoot, "tests", "Vertebra.Tests", "Onnx", "node-tests.exceptions.txt"))
            .Where(line => line.Length > 0 && line[0] != '#').ToDictionary(line => line.Split(": ")[0], line => line.Split(": ", 2)[1]);
        var results = NodeTests.Find(NodeTestDataFactAttribute.Folder).Select(NodeTests.Run).ToList();
        Assert.True(results.Count > 1000, $"{results.Count} tests were found");
        var failures = results.Where(r => r.Status != NodeTestStatus.Passed && !exceptions.ContainsKey(r.Name)).Select(r => $"{r.Name}: {r.Status}: {r.Detail}")
            .Concat(results.Where(r => r.Status == NodeTestStatus.Passed && exceptions.ContainsKey(r.Name)).Select(r => $"{r.Name} passes: take it from the list"))
            .Concat(exceptions.Keys.Except(results.Select(r => r.Name)).Select(n => $"{n} is listed and not there"));
        Assert.Empty(failures);
    }

    [NodeTestDataFact]
    public void Damaged_models_give_errors_and_end_soon()
    {
        var limits = new OnnxLimits { LargestTensorBytes = 64 << 20, InitializerBytes = 256 << 20, MostSteps = 100_000 };
        var failures = new List<string>();
        var random = new Philox(20261120, 77);
        ulong next = 0;
        foreach (var folder in NodeTests.Find(NodeTestDataFactAttribute.Folder))
        {
            for (var variant = 0; variant < 8; variant++)
            {
                var bytes = File.ReadAllBytes(Path.Combine(folder, "model.onnx"));
                for (var change = 0; change <= variant % 4; change++)
                    bytes[random.Below(bytes.Length, next++)] = (byte)random.Bits(next++);
                var start = System.Diagnostics.Stopwatch.StartNew();
                try
                {
                    NodeTests.Run(folder, bytes, limits);
                }
                catch (Exception e)
                {
                    failures.Add($"{Path.GetFileName(folder)}, variant {variant}: {e.GetType().Name} {e.Message} {e.StackTrace?.Split('\n').FirstOrDefault(l => l.Contains("Vertebra"))}");
                }
                if (start.Elapsed.TotalSeconds > 10)
                    failures.Add($"{Path.GetFileName(folder)}, variant {variant}, took {start.Elapsed.TotalSeconds:f0} s");
            }
        }
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Fact]
    public void A_difference_is_found_and_named()
    {
        using var folder = new TemporaryFolder();
        WriteTest(folder["test_right"], "Neg", [1, -2], [-1, 2]);
        WriteTest(folder["test_close"], "Neg", [1000, -2], [-1000.5f, 2]);
        WriteTest(folder["test_wrong"], "Neg", [1, -2], [-1, 2.1f]);
        WriteTest(folder["test_shape"], "Neg", [1, -2], [-1]);
        WriteTest(folder["test_unknown"], "NoSuchOperator", [1], [1]);
        File.WriteAllText(Path.Combine(folder["test_right"], "readme"), "not a test");
        var results = NodeTests.Find(folder[""], "test_*").Select(NodeTests.Run).ToDictionary(r => r.Name);
        Assert.Equal(5, results.Count);
        Assert.Equal(NodeTestStatus.Passed, results["test_right"].Status);
        Assert.Equal(NodeTestStatus.Passed, results["test_close"].Status);
        Assert.Equal(NodeTestStatus.Failed, results["test_wrong"].Status);
        Assert.Contains("element 1 of float32[2] is 2 for 2.1", results["test_wrong"].Detail, StringComparison.Ordinal);
        Assert.Contains("float32[2] for float32[1]", results["test_shape"].Detail, StringComparison.Ordinal);
        Assert.Equal(NodeTestStatus.Unsupported, results["test_unknown"].Status);
        Assert.Contains("NoSuchOperator", results["test_unknown"].Detail, StringComparison.Ordinal);

        var table = OperatorTests.Of(results.Values).ToDictionary(o => o.Operator);
        Assert.Equal(new OperatorTests("Neg", true, 2, 2, 0), table["Neg"]);
        Assert.Equal(new OperatorTests("NoSuchOperator", false, 0, 0, 1), table["NoSuchOperator"]);
    }

    private static void WriteTest(string folder, string opType, float[] input, float[] output)
    {
        Directory.CreateDirectory(Path.Combine(folder, "test_data_set_0"));
        ValueInfoProto Info(string name, int length) => new()
        {
            Name = name, Type = new() { TensorType = new() { ElemType = (int)DataType.Float, Shape = new() { Dim = { new TensorShapeProto.Types.Dimension { DimValue = length } } } } },
        };
        var graph = new GraphProto { Input = { Info("x", input.Length) }, Output = { Info("y", output.Length) }, Node = { new NodeProto { OpType = opType, Input = { "x" }, Output = { "y" } } } };
        var model = new ModelProto { IrVersion = 8, Graph = graph, OpsetImport = { new OperatorSetIdProto { Version = 17 } } };
        File.WriteAllBytes(Path.Combine(folder, "model.onnx"), model.ToByteArray());
        foreach (var (name, values) in ((string, float[])[])[("input_0.pb", input), ("output_0.pb", output)])
        {
            var tensor = new TensorProto { DataType = (int)DataType.Float, Dims = { values.Length }, FloatData = { values } };
            File.WriteAllBytes(Path.Combine(folder, "test_data_set_0", name), tensor.ToByteArray());
        }
    }
}

/// <summary>A fact that needs the ONNX standard's test data, which Debian ships as libonnx-testdata; skipped where it is absent.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NodeTestDataFactAttribute : FactAttribute
{
    public NodeTestDataFactAttribute() => Skip = Directory.Exists(Folder) ? null : $"needs the ONNX standard's test data in {Folder} (Debian package libonnx-testdata)";

    public static string Folder { get; } = Environment.GetEnvironmentVariable("VERTEBRA_ONNX_TESTS") ?? "/usr/share/libonnx-testdata/data";
}
