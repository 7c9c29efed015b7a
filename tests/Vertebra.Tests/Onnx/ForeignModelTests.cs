using Vertebra.Autograd;
using Vertebra.Onnx;
using Vertebra.Ops;

namespace Vertebra.Tests.Onnx;

/// <summary>Networks that PyTorch exported give the outputs that PyTorch gave.</summary>
public class ForeignModelTests
{
    public static TheoryData<string> Names => [.. ForeignModels.Names];

    [ForeignModelTheory]
    [MemberData(nameof(Names))]
    public void A_network_that_pytorch_exported_gives_pytorchs_output_executed_and_as_a_graph(string name)
    {
        using var off = GradMode.Off();
        var model = OnnxModel.Load(ForeignModels.PathOf(name));
        var input = Tensor.From(ForeignModels.Read(name, "input"), [1, 3, 224, 224]);
        var expected = ForeignModels.Read(name, "output");

        var executed = model.Run(input)[0];
        Assert.True(RelativeError(executed.ToArray<float>(), expected) < 1e-4, $"executed: relative error {RelativeError(executed.ToArray<float>(), expected):g3}");

        var graph = model.ToGraph();
        var run = graph.Run(input.Permute([0, 2, 3, 1]))[0];
        Assert.True(RelativeError(run.ToArray<float>(), expected) < 1e-4, $"as a graph: relative error {RelativeError(run.ToArray<float>(), expected):g3}");
        if (Permutes(name) is { } permutes)
            Assert.Equal(permutes, graph.Nodes.Count(n => n.Op is Permute));
    }

    // Convolutional networks need none but the network's own; attention moves its heads about.
    private static int? Permutes(string name) => name switch
    {
        _ when name.StartsWith("shufflenet", StringComparison.Ordinal) => 16, // one for each channel shuffle
        _ when name.StartsWith("vgg", StringComparison.Ordinal) => 1, // the classifier reads 7x7 features channel by channel
        _ when name.StartsWith("swin", StringComparison.Ordinal) || name.StartsWith("vit", StringComparison.Ordinal) => null,
        _ => 0,
    };

    // torchvision's fresh vision transformer gives zeros: then so must we.
    private static double RelativeError(float[] actual, float[] expected)
    {
        var (error, norm) = (actual.Zip(expected, (a, e) => Math.Pow(a - e, 2)).Sum(), expected.Sum(e => Math.Pow(e, 2)));
        return error == 0 ? 0 : Math.Sqrt(error / norm);
    }
}
