using Vertebra.Autograd;
using Vertebra.Nn;
using static Vertebra.Ops.TensorOps;

namespace Vertebra.Tests.Nn;

/// <summary>Pieces of a network that the backward walk computes again.</summary>
public class CheckpointingTests
{
    [Fact]
    public void Gradients_statistics_and_draws_are_those_of_a_plain_pass()
    {
        var (plain, again) = (Step(new Net(), checkpointed: false), Step(new Net(), checkpointed: true));
        Assert.Equal(plain, again);
        Assert.Equal(22, plain.Count); // 3 blocks with 4 gradients and 3 buffers, and the loss
    }

    [Fact]
    public void A_piece_is_computed_twice_and_a_walk_that_keeps_the_graph_can_be_repeated()
    {
        var calls = 0;
        var x = Parameter(2);
        var y = Checkpointing.Run(() =>
        {
            calls++;
            return (x * x).Sum();
        });
        Assert.Equal(1, calls);
        y.Backward(retainGraph: true);
        y.Backward();
        Assert.Equal(3, calls);
        Assert.Equal(8, x.Grad!.ToScalar());
        Assert.Contains("already walked back through Recomputation", Assert.Throws<VertebraException>(() => y.Backward()).Message);
    }

    [Fact]
    public void What_a_piece_reads_gets_its_gradient_wherever_it_came_from()
    {
        var (x, w) = (Parameter(3), Parameter(5));
        var square = w * w; // made outside, read inside, and used outside too
        var inner = Checkpointing.Run(() => Checkpointing.Run(() => x * square) * x);
        var gradients = (inner * square).Gradients([x, w, square]);
        // x² w⁴
        Assert.Equal([2 * 3 * 625, 9 * 4 * 125, 2 * 9 * 25], gradients.Select(g => g.ToScalar()));
    }

    [Fact]
    public void Each_leaf_is_told_of_once_when_its_gradient_is_complete()
    {
        var (x, w) = (Parameter(3), Parameter(5));
        var told = new List<(Tensor, float)>();
        var inner = Checkpointing.Run(() => x * w);
        (Checkpointing.Run(() => inner * w) * w).Backward(leafDone: leaf => told.Add((leaf, leaf.Grad!.ToScalar())));
        // x w³
        Assert.Equal([(w, 3f * 3 * 25), (x, 125f)], told.OrderByDescending(t => t.Item2));
    }

    [Fact]
    public void Second_derivatives_pass_through_it()
    {
        var x = Parameter(2);
        var first = Checkpointing.Run(() => x * x * x).Gradients([x], createGraph: true)[0];
        Assert.Equal(12, first.ToScalar());
        Assert.Equal(12, first.Gradients([x])[0].ToScalar());
    }

    [Fact]
    public void Nothing_is_kept_where_no_gradient_is_asked_for()
    {
        var calls = 0;
        Tensor Double()
        {
            calls++;
            return Tensor.Scalar(2) * 2;
        }
        Assert.False(Checkpointing.Run(Double).RequiresGrad);
        using (GradMode.Off())
            Assert.False(Checkpointing.Run(() => Parameter(1) * 2).RequiresGrad);
        Assert.Equal(1, calls);
    }

    [Fact]
    public void A_long_row_is_computed_in_as_many_pieces_as_its_square_root()
    {
        var visits = new List<int>();
        var row = new Sequential(Enumerable.Range(0, 9).Select(i => new Visited(i, visits))) { IsCheckpointed = true };
        row.Forward(Parameter(1)).Backward();
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 6, 7, 8, 3, 4, 5, 0, 1, 2], visits);
    }

    private static Dictionary<string, string> Step(Net net, bool checkpointed)
    {
        net.Initialise(5);
        net.Train();
        foreach (var (_, module) in net.Children)
            module.IsCheckpointed = checkpointed;
        var image = Cases.OpCases.Uniform([4, 6, 6, 3], 1);
        Tensor loss;
        using (TrainingRandom.Begin(3, 8))
            loss = net.Forward(image).Square().Mean();
        loss.Backward();
        static string Bits(Tensor tensor) => Convert.ToHexString(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(tensor.ToArray<float>()));
        return net.NamedParameters().Select(p => (p.Name, Text: Bits(p.Tensor.Grad!)))
            .Concat(net.NamedBuffers().Select(b => (b.Name, Text: b.Tensor.DType == DType.Float32 ? Bits(b.Tensor) : $"{b.Tensor.ToArray<long>()[0]}")))
            .Append(("loss", Bits(loss))).ToDictionary(p => p.Item1, p => p.Item2);
    }

    private static Tensor Parameter(float value)
    {
        var tensor = Tensor.Scalar(value);
        tensor.RequiresGrad = true;
        return tensor;
    }

    private sealed class Net : Module
    {
        public Net()
        {
            for (var i = 0; i < 3; i++)
                Child($"block{i}", new Sequential(new Conv2d(3, 3, 3, padding: 1), new BatchNorm2d(3), new ActivationLayer(ActivationKind.Gelu), new Dropout(0.3f), new DropPath(0.3f)));
        }

        protected override Tensor OnForward(Tensor x)
        {
            foreach (var (_, block) in Children)
                x += block.Forward(x);
            return x;
        }
    }

    private sealed class Visited(int number, List<int> visits) : Module
    {
        protected override Tensor OnForward(Tensor x)
        {
            visits.Add(number);
            return x * 2;
        }
    }
}
