using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Onnx;
using Vertebra.Ops;
using Vertebra.Tests.Cases;
using Vertebra.Tests.Cli;
using Vertebra.Tests.Graphs;
using Vertebra.Zoo;
using Vertebra.Zoo.Verification;

namespace Vertebra.Tests.Onnx;

public class OnnxOptimizerTests
{
    [Theory]
    [InlineData("seresnext26d_32x4d")]
    [InlineData("resnetblur18")]
    [InlineData("resnetv2_50x1_bit")]
    public void Norms_go_into_weights_and_the_outputs_stay_at_any_batch(string name)
    {
        using var folder = new TemporaryFolder();
        var network = Models.Create(name, new() { NumClasses = 10 });
        GoldenValues.Fill(network, new Dictionary<string, int>());
        OnnxExporter.Export(Graph.Trace(network, [1, 64, 64, 3]), folder["net.onnx"]);
        var model = OnnxModel.Load(folder["net.onnx"]);
        var result = OnnxOptimizer.Optimize(model, folder["small.onnx"]);
        Assert.True(result.NodesAfter < result.NodesBefore, $"{result}");
        var small = OnnxModel.Load(folder["small.onnx"]);
        Assert.Equal(model.Inputs.Select(i => $"{i}"), small.Inputs.Select(i => $"{i}"));
        Assert.Equal(model.Outputs.Select(i => i.Name), small.Outputs.Select(i => i.Name));
        var image = OpCases.Uniform([3, 3, 64, 64], 1);
        var (expected, actual) = (model.Run(image)[0].ToArray<float>(), small.Run(image)[0].ToArray<float>());
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], 1e-4f * expected.Max(MathF.Abs));
        Assert.Equal(["net.onnx", "small.onnx"], Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void Arithmetic_on_constants_and_functions_in_steps_are_gone()
    {
        using var folder = new TemporaryFolder();
        var table = OpCases.Uniform([4], 3);
        OnnxExporter.Export(Graph.Trace(new Lambda(x => (x * x.Sigmoid() + (table.Exp() * 2f)).Reshape([2, 6]).Reshape([3, 4])), [3, 4]), folder["net.onnx"], new() { DynamicBatch = false });
        OnnxOptimizer.Optimize(OnnxModel.Load(folder["net.onnx"]), folder["small.onnx"]);
        var nodes = OnnxModel.Load(folder["small.onnx"]).ToGraph().Rewrite(OnnxOptimizer.Rules).Nodes;
        Assert.Equal(["Silu", "Add"], nodes.Select(n => n.Op.Name));
    }

    [Fact]
    public void The_verb_says_what_it_saved_and_refuses_what_is_no_network()
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.Export(Graph.Trace(Models.Create("test_resnet", new() { NumClasses = 10 }), [1, 64, 64, 3]), folder["net.onnx"]);
        var output = CommandLine.Run(folder.Path, "optimize", "net.onnx", "-o", "small.onnx").Succeeded();
        Assert.Matches(@"small\.onnx: \d+ nodes became \d+, .* MB became .* MB; outputs equal within", output);
        File.WriteAllText(folder["no.onnx"], "hello");
        var refused = CommandLine.Run(folder.Path, "optimize", "no.onnx", "-o", "out.onnx");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("no.onnx", refused.Errors);
        Assert.False(File.Exists(folder["out.onnx"]));
        Assert.Equal(2, CommandLine.Run(folder.Path, "optimize", "net.onnx", "-o", "out.onnx", "--input-shape", "1,x").ExitCode);
    }
}
