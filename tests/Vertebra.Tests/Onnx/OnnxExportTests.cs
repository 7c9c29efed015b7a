using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Onnx;
using Vertebra.Onnx.Format;
using Vertebra.Ops;
using Vertebra.Tests.Cases;
using Vertebra.Zoo;
using Vertebra.Zoo.Verification;

namespace Vertebra.Tests.Onnx;

public class OnnxExportTests
{
    [OnnxRuntimeTheory]
    [InlineData(13, false)]
    [InlineData(17, false)]
    [InlineData(17, true)]
    [InlineData(21, true)]
    public void Onnx_runtime_gives_our_outputs_at_any_batch(int opset, bool fold)
    {
        using var folder = new TemporaryFolder();
        using var off = GradMode.Off();
        var module = new Sampler();
        OnnxExporter.Export(Graph.Trace(module, [1, 12, 10, 3]), folder["net.onnx"], new() { Opset = opset, FoldBatchNorm = fold });
        foreach (var batch in (int[])[1, 3])
        {
            var image = OpCases.Uniform([batch, 12, 10, 3], batch);
            var expected = module.Forward(image).ToArray<float>();
            var (shape, actual) = OnnxRuntime.Run(folder["net.onnx"], image.Permute([0, 3, 1, 2]).ToArray<float>(), [batch, 3, 12, 10])["output"];
            Assert.Equal([batch, 5], shape);
            Assert.True(RelativeError(actual, expected) < 1e-5, $"relative error {RelativeError(actual, expected):g3}");
        }
    }

    [Fact]
    public void A_convolutional_body_has_no_transposes_and_weights_keep_their_names()
    {
        var model = OnnxExporter.Build(Graph.Trace(new Sampler(), [1, 12, 10, 3]), new()).Model;
        Assert.DoesNotContain("Transpose", model.Graph.Node.Select(n => n.OpType));
        Assert.Contains("stem_weight", model.Graph.Initializer.Select(i => i.Name));
        Assert.Equal([1L, 3L, 12L, 10L], model.Graph.Input[0].Type.TensorType.Shape.Dim.Select(d => d.DimParam == "batch" ? 1 : d.DimValue));
        Assert.Equal("batch", model.Graph.Input[0].Type.TensorType.Shape.Dim[0].DimParam);
        Assert.Contains(model.Graph.Node, n => n.Name == "/Conv");
    }

    [Fact]
    public void Folding_removes_batch_norms_and_keeps_the_outputs()
    {
        using var off = GradMode.Off();
        var graph = Graph.Trace(new Sampler(), [2, 12, 10, 3]);
        var folded = BatchNormFolding.Apply(graph);
        Assert.Contains(graph.Nodes, n => n.Op is BatchNorm);
        Assert.DoesNotContain(folded.Nodes, n => n.Op is BatchNorm);
        var image = OpCases.Uniform([2, 12, 10, 3], 1);
        Assert.True(RelativeError(folded.Run(image)[0].ToArray<float>(), graph.Run(image)[0].ToArray<float>()) < 1e-5);
    }

    [Fact]
    public void Wrong_requests_are_refused_in_one_line()
    {
        var graph = Graph.Trace(new Sampler(), [1, 12, 10, 3]);
        Assert.Contains("opset 9", Assert.Throws<VertebraException>(() => OnnxExporter.Build(graph, new() { Opset = 9 })).Message);
        using var meta = Construction.Meta();
        var empty = Graph.Trace(new Sampler(), [1, 12, 10, 3]);
        using var folder = new TemporaryFolder();
        Assert.Contains("has no data", Assert.Throws<VertebraException>(() => OnnxExporter.Export(empty, folder["net.onnx"])).Message);
        Assert.Empty(Directory.GetFiles(folder[""]));
    }

    [Fact]
    public void Every_network_of_the_zoo_has_an_ONNX_form()
    {
        using var meta = Construction.Meta();
        var missing = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var model in Models.List())
        {
            var size = model.Config.InputSize;
            var graph = Graph.Trace(Models.Create(model.Name), [1, size.Height, size.Width, size.Channels]);
            missing.UnionWith(graph.Nodes.Select(n => n.Op.GetType()).Except(OnnxOps.Exportable).Select(t => $"{t.Name} in {model.Name}"));
        }
        Assert.Empty(missing);
    }

    [Fact]
    public void External_data_is_read_back()
    {
        using var folder = new TemporaryFolder();
        using var off = GradMode.Off();
        var module = new Sampler();
        var exported = OnnxExporter.Export(module, [1, 12, 10, 3], folder["net.onnx"], new() { ExternalData = true });
        Assert.True(new FileInfo(folder["net.onnx.data"]).Length >= 4 * 8 * 4 * 9);
        var image = OpCases.Uniform([2, 12, 10, 3], 1);
        Assert.All(exported.Check([image.Permute([0, 3, 1, 2])], [image]), d => Assert.InRange(d.Error, 0, 1e-5));
    }

    [Fact]
    public void A_check_finds_the_value_that_differs()
    {
        using var folder = new TemporaryFolder();
        using var off = GradMode.Off();
        var module = new Sampler();
        var exported = OnnxExporter.Export(module, [1, 12, 10, 3], folder["net.onnx"]);
        var image = OpCases.Uniform([1, 12, 10, 3], 1);
        var differences = exported.Check([image.Permute([0, 3, 1, 2])], [image]);
        Assert.All(differences, d => Assert.InRange(d.Error, 0, 1e-5));
        Assert.True(differences.Count > 10);
        Assert.Equal("output", differences[^1].Name);
        module.State().Single(e => e.Name == "gain").Tensor.CopyFrom<float>(Enumerable.Repeat(3f, 8).ToArray());
        var changed = exported.Check([image.Permute([0, 3, 1, 2])], [image]);
        var first = changed.ToList().FindIndex(d => d.Error > 1e-3);
        Assert.StartsWith("Multiply", changed[first].Name, StringComparison.Ordinal);
        Assert.True(changed[first].Error > 0.5); // gains of at most one became three
        Assert.All(changed.Take(first), d => Assert.InRange(d.Error, 0, 1e-5));
    }

    private static double RelativeError(float[] actual, float[] expected) =>
        Math.Sqrt(actual.Zip(expected, (a, e) => Math.Pow(a - e, 2)).Sum() / expected.Sum(e => Math.Pow(e, 2)));

    /// <summary>A small network with one of everything that moves between layouts.</summary>
    private sealed class Sampler : Module
    {
        private readonly Tensor _stem, _grouped, _scale, _shift, _mean, _variance, _gain, _weight, _bias;

        public Sampler()
        {
            _stem = Parameter("stem_weight", [8, 3, 3, 3], Init.TorchDefault);
            _grouped = Parameter("grouped_weight", [8, 4, 3, 3], Init.TorchDefault);
            _scale = Parameter("scale", [8], Init.Constant(1.5f));
            _shift = Parameter("shift", [8], Init.Uniform(0.5f));
            _mean = Buffer("mean", Construction.Zeros([8]));
            _variance = Buffer("variance", Construction.Ones([8]));
            _gain = Parameter("gain", [8], Init.Uniform(1));
            _weight = Parameter("weight", [5, 9], Init.TorchDefault);
            _bias = Parameter("bias", [5], Init.Uniform(1));
            Initialise(1); // initial weights depend on how many modules this process has built; these do not
        }

        protected override Tensor OnForward(Tensor x)
        {
            var y = x.Conv2d(_stem, null, stride: 1, padding: (1, 1, 1, 1)).BatchNorm(_scale, _shift, _mean, _variance, 1e-5f).Relu();
            var z = y.Conv2d(_grouped, null, stride: 2, padding: (0, 0, 1, 1), groups: 2).BatchNorm(_scale, _shift, _mean, _variance, 1e-5f);
            var pooled = y.MaxPool2d(3, stride: 2, padding: 1);
            z = (z + pooled) * _gain;
            var gate = z.Mean([1, 2], keepAxes: true);
            z = z * gate;
            var wide = TensorOps.Concat([z, z.Slice(3, 0, 1, 1)], 3);
            return wide.AdaptiveAvgPool2d(1).Flatten(1).Linear(_weight, _bias);
        }
    }
}
