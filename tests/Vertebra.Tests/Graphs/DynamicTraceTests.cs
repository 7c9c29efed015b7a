using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Tests.Cases;
using Vertebra.Zoo;

namespace Vertebra.Tests.Graphs;

public class DynamicTraceTests
{
    [Fact]
    public void Sizes_are_polynomials_of_the_open_axes()
    {
        // f(b, h) = 3 b h / 4 + b + 2 at b in {1, 2}, h in {8, 16}.
        long[] corners = [(3 * 8 / 4) + 1 + 2, (2 * 3 * 8 / 4) + 2 + 2, (3 * 16 / 4) + 1 + 2, (2 * 3 * 16 / 4) + 2 + 2];
        var size = SizeExpression.Through(["batch", "height"], [1, 8], [2, 16], corners);
        Assert.Equal("3·batch·height/4 + batch + 2", size.ToString());
        Assert.Equal((3 * 5 * 24 / 4) + 5 + 2, size.At([5, 24]));
        Assert.Contains("whole number", Assert.Throws<VertebraException>(() => size.At([1, 9])).Message);
        Assert.True(SizeExpression.Through(["batch"], [1], [2], [7, 7]).IsFixed);
    }

    [Fact]
    public void Reshapes_with_sizes_in_them_run_at_other_sizes()
    {
        var module = new Lambda(Tokens);
        var graph = Graph.Trace(module, OpenAxes.Batch | OpenAxes.Size, [1, 32, 32, 3]);
        Assert.Equal(["batch", "height·width/64 + 1", "192"], graph.Outputs[0].Sizes!.Select(s => s.ToString()));
        foreach (var shape in (Shape[])[[1, 32, 32, 3], [3, 64, 32, 3], [2, 32, 96, 3]])
        {
            var x = OpCases.Uniform(shape, 1);
            Assert.Equal(module.Forward(x).ToArray<float>(), graph.Run(x)[0].ToArray<float>());
            Assert.Equal(module.Forward(x).Shape, graph.At(shape).Outputs[0].Shape);
        }
        Assert.Contains("height", Assert.Throws<VertebraException>(() => graph.Run(OpCases.Uniform([1, 30, 32, 3], 1))).Message);
    }

    [Fact]
    public void Windows_that_are_cut_and_joined_follow_the_size()
    {
        var module = new Lambda(x => Joined(Windows(x).Softmax(-1), x.Shape));
        var graph = Graph.Trace(module, OpenAxes.Batch | OpenAxes.Size, [1, 28, 28, 4]);
        var x = OpCases.Uniform([2, 252, 476, 4], 1);
        Assert.Equal(module.Forward(x).ToArray<float>(), graph.Run(x)[0].ToArray<float>());
    }

    [Fact]
    public void Rewriting_keeps_what_is_open()
    {
        var graph = Graph.Trace(new Lambda(x => Tokens(x.Pad([0, 0, 0, 0], [0, 0, 0, 0])) + 0f), OpenAxes.Batch | OpenAxes.Size, [1, 32, 32, 3]);
        var rewritten = graph.Rewrite(SimplifyingRules.All);
        Assert.True(rewritten.Nodes.Count < graph.Nodes.Count);
        var x = OpCases.Uniform([2, 64, 32, 3], 1);
        Assert.Equal(graph.Run(x)[0].ToArray<float>(), rewritten.Run(x)[0].ToArray<float>());
    }

    [Fact]
    public void A_table_of_fixed_size_keeps_the_size_closed_and_is_named()
    {
        var table = OpCases.Uniform([1, 32 * 32, 3], 5);
        var fixedSize = new Lambda(x => x.Reshape([x.Shape[0], -1, 3]) + table);
        var refusal = Assert.Throws<VertebraException>(() => Graph.Trace(fixedSize, OpenAxes.Size, [1, 32, 32, 3])).Message;
        Assert.Contains("cannot be left open", refusal);
        Assert.Equal([4, 1024, 3], Graph.Trace(fixedSize, OpenAxes.Batch, [1, 32, 32, 3]).Run(OpCases.Uniform([4, 32, 32, 3], 1))[0].Shape);
        var bySize = new Lambda(x => x.Shape[1] > 40 ? x.Exp() : x.Sin());
        Assert.Contains("becomes", Assert.Throws<VertebraException>(() => Graph.Trace(bySize, OpenAxes.Size, [1, 32, 32, 3])).Message);
        var madeBySize = new Lambda(x => x + Tensor.Full([1, 1, 1, 1], x.Shape[1]));
        Assert.Contains("depends on the size", Assert.Throws<VertebraException>(() => Graph.Trace(madeBySize, OpenAxes.Size, [1, 32, 32, 3])).Message);
    }

    [Fact]
    public void Residual_networks_leave_batch_and_size_open()
    {
        foreach (var model in Models.List().Where(m => m.Family is "resnet" or "resnetv2" && (m.Name.Contains("18", StringComparison.Ordinal) || m.Name.Contains("50", StringComparison.Ordinal))))
        {
            using var meta = Construction.Meta();
            var network = Models.Create(model.Name);
            var graph = Graph.Trace(network, OpenAxes.Batch | OpenAxes.Size, [1, 64, 64, 3]);
            Assert.Equal("batch", graph.Outputs[0].Sizes![0].ToString());
            Assert.Equal([5, 1000], graph.At([5, 96, 160, 3]).Outputs[0].Shape);
        }
    }

    // A patch embedding and a class token, as a vision transformer has them.
    private static Tensor Tokens(Tensor x)
    {
        var (batch, height, width) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        var patches = x.Reshape([batch, height / 8, 8, width / 8, 8, 3]).Permute([0, 1, 3, 2, 4, 5]).Reshape([batch, height * width / 64, 192]);
        return TensorOps.Concat([OpCases.Uniform([1, 1, 192], 2).Expand([batch, 1, 192]), patches], 1);
    }

    private static Tensor Windows(Tensor x)
    {
        var (batch, height, width, channels) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]);
        return x.Reshape([batch, height / 7, 7, width / 7, 7, channels]).Permute([0, 1, 3, 2, 4, 5]).Reshape([batch * (height / 7) * (width / 7), 49, channels]);
    }

    private static Tensor Joined(Tensor windows, Shape shape)
    {
        var (rows, columns) = (shape[1] / 7, shape[2] / 7);
        return windows.Reshape([shape[0], rows, columns, 7, 7, shape[3]]).Permute([0, 1, 3, 2, 4, 5]).Reshape([shape[0], shape[1], shape[2], shape[3]]);
    }
}
