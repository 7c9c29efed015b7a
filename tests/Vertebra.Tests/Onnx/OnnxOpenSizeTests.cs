using Vertebra.Autograd;
using Vertebra.Nn;
using Vertebra.Onnx;
using Vertebra.Ops;
using Vertebra.Tests.Cases;
using Vertebra.Zoo;
using Vertebra.Zoo.Verification;

namespace Vertebra.Tests.Onnx;

public class OnnxOpenSizeTests
{
    public static TheoryData<string> Transformers => ["fused", "composed", "windows"];

    private static Module Build(string kind) => kind switch { "fused" => new TinyTransformer(true), "composed" => new TinyTransformer(false), _ => new TinyWindows() };

    [OnnxRuntimeTheory]
    [MemberData(nameof(Transformers))]
    public void Transformers_run_at_any_batch_in_ONNX_Runtime(string kind) =>
        Agree(Build(kind), [1, 16, 12 + (kind == "windows" ? 4 : 0), 3], new(), [[1, 0, 0], [5, 0, 0]]);

    [OnnxRuntimeTheory]
    [InlineData(13)]
    [InlineData(17)]
    [InlineData(21)]
    public void Fully_convolutional_networks_run_at_any_size(int opset) =>
        Agree(new TinyPyramid(), [1, 32, 24, 3], new() { DynamicSize = true, Opset = opset }, [[0, 0, 0], [1, 5, 8], [2, 31, 1]]);

    [OnnxRuntimeFact]
    public void Windows_follow_the_size_of_the_image() =>
        Agree(new TinyWindows(), [1, 16, 16, 3], new() { DynamicSize = true }, [[0, 0, 0], [1, 8, 16], [2, 32, 0]]);

    [OnnxRuntimeTheory]
    [InlineData("resnet10t")]
    [InlineData("seresnext26d_32x4d")]
    [InlineData("resnetv2_50x1_bit")]
    [InlineData("efficientnet_cc_b0_4e")]
    public void Networks_of_the_zoo_run_at_other_batches_and_sizes(string name)
    {
        var network = Models.Create(name, new() { NumClasses = 10 });
        GoldenValues.Fill(network, new Dictionary<string, int>());
        Agree(network, [1, 64, 64, 3], new() { DynamicSize = true }, [[1, 9, 32], [2, 64, 3]]);
    }

    [Fact]
    public void A_fixed_size_is_refused_with_the_module_that_fixes_it()
    {
        var error = Assert.Throws<VertebraException>(() => OnnxExporter.Build(new TinyTransformer(true), [1, 16, 12, 3], new() { DynamicSize = true }));
        Assert.Contains("the image's size cannot stay open", error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Permutations_cost_no_transposes_until_an_operator_needs_an_order()
    {
        // The patches' flatten, q, k, v and the result: one each.
        Assert.Equal(5, OnnxZoo.TransposesIn(OnnxExporter.Build(new TinyTransformer(true), [1, 16, 12, 3], new())));
        // Into windows and out of them, to channels last after the stem, and back before the depthwise convolution.
        Assert.Equal(4, OnnxZoo.TransposesIn(OnnxExporter.Build(new TinyWindows(), [1, 16, 16, 3], new())));
        Assert.Equal(0, OnnxZoo.TransposesIn(OnnxExporter.Build(new TinyPyramid(), [1, 16, 16, 3], new())));
    }

    /// <summary>Exports at one size and compares at others: each is added to batch, height and width.</summary>
    private static void Agree(Module module, Shape shape, OnnxExportOptions options, int[][] growth)
    {
        using var folder = new TemporaryFolder();
        using var off = GradMode.Off();
        OnnxExporter.Export(module, shape, folder["net.onnx"], options);
        var images = growth.Select((g, i) => OpCases.Uniform([shape[0] + g[0], shape[1] + g[1], shape[2] + g[2], shape[3]], i)).ToArray();
        var results = OnnxRuntime.RunMany([.. images.Select(x => new OnnxRuntimeJob(folder["net.onnx"], [x.Permute([0, 3, 1, 2])]))]);
        var model = OnnxModel.Load(folder["net.onnx"]);
        foreach (var (image, result) in images.Zip(results))
        {
            Assert.Null(result.Error);
            var expected = module.Forward(image);
            expected = expected.Rank == 4 ? expected.Permute([0, 3, 1, 2]) : expected;
            Assert.Equal(expected.Shape, result.Outputs[0].Shape);
            Assert.InRange(OnnxZoo.RelativeError(result.Outputs[0].ToArray<float>(), expected.ToArray<float>()), 0, 1e-4);
            var imported = model.Run(image.Permute([0, 3, 1, 2]))[0];
            Assert.InRange(OnnxZoo.RelativeError(imported.ToArray<float>(), expected.ToArray<float>()), 0, 1e-4);
        }
    }
}
