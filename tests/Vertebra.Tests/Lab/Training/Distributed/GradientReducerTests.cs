using Vertebra.Autograd;
using Vertebra.Communication;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Distributed;
using Vertebra.Ops;

namespace Vertebra.Tests.Lab.Training.Distributed;

public class GradientReducerTests
{
    [Fact]
    public void A_leaf_is_told_once_and_as_soon_as_nothing_more_can_come()
    {
        var (a, b, twice) = (Leaf(1, 2), Leaf(2, 3), Leaf(3, 4));
        Tensor Loss() => ((((a * twice).Exp() * 0.01f) + b) * twice).Sum();
        Loss().Backward();
        var expected = new[] { a, b, twice }.Select(t => t.Grad!.ToArray<float>()).ToArray();
        foreach (var leaf in new[] { a, b, twice })
            leaf.Grad = null;
        var told = new List<(Tensor Leaf, float[] Gradient)>();
        Loss().Backward(leafDone: leaf => told.Add((leaf, leaf.Grad!.ToArray<float>())));
        // b belongs to the last addition, the others to the first product.
        Assert.Equal([b, a, twice], told.Select(t => t.Leaf));
        Assert.Equal([expected[1], expected[0], expected[2]], told.Select(t => t.Gradient));

        // What was there already is part of it.
        Loss().Backward(leafDone: _ => { });
        Assert.Equal(expected[0].Select(g => 2 * g), a.Grad!.ToArray<float>());
    }

    [Fact]
    public void A_leaf_that_also_stands_where_no_gradient_comes_is_told_at_the_end()
    {
        var (leaf, other) = (Leaf(1, 2), Leaf(3, 4));
        var told = new List<Tensor>();
        (new Stopped().Apply(leaf * 2) + (leaf * other)).Sum().Backward(leafDone: told.Add);
        Assert.Equal([other, leaf], told);
        Assert.Equal([3f, 4f], leaf.Grad!.ToArray<float>());
    }

    [Fact]
    public void Sums_begin_while_the_backward_pass_goes_on_the_last_parameters_first()
    {
        var log = new List<string>();
        var weights = Enumerable.Range(0, 6).Select(_ => Tensor.Full([10, 10], 0.5f)).ToArray();
        Array.ForEach(weights, w => w.RequiresGrad = true);
        var reducer = new GradientReducer(new Recorder(log), weights, bucketBytes: 2 * 400);
        Assert.Equal(3, reducer.BucketCount);
        var x = Tensor.Ones([1, 10]);
        foreach (var w in weights)
            x = x.Linear(w);
        x.Sum().Backward(leafDone: leaf =>
        {
            log.Add($"done {Array.IndexOf(weights, leaf)}");
            reducer.GradientDone(leaf);
        });
        log.Add("backward is over");
        reducer.Finish();
        Assert.Equal(
            ["done 5", "done 4", "start 202", "done 3", "done 2", "start 202", "done 1", "done 0", "start 202", "backward is over"],
            log.Where(l => l != "poll" && l != "wait"));
        Assert.Contains("poll", log);
    }

    [Fact]
    public void Gradients_are_means_and_a_parameter_without_any_has_none()
    {
        var results = ThreadGroup.Run(3, processes =>
        {
            var parameters = Enumerable.Range(0, 4).Select(i => Tensor.Zeros([i + 1])).ToArray();
            parameters[0].Grad = Tensor.Full([1], processes.Rank);
            parameters[1].Grad = processes.Rank == 1 ? Tensor.Full([2], 3) : null;
            parameters[3].Grad = Tensor.Full([4], 1);
            var reducer = new GradientReducer(processes, parameters, bucketBytes: 12);
            reducer.GradientDone(parameters[3]);
            reducer.Finish();
            return parameters.Select(p => p.Grad?.ToArray<float>()).ToArray();
        });
        foreach (var gradients in results)
        {
            Assert.Equal([1f], gradients[0]!);
            Assert.Equal([1f, 1f], gradients[1]!);
            Assert.Null(gradients[2]);
            Assert.Equal([1f, 1f, 1f, 1f], gradients[3]!);
        }
    }

    [Theory]
    [InlineData(true, 2)]
    [InlineData(true, 3)]
    [InlineData(false, 2)]
    public void Loaders_of_shares_make_the_batches_of_one_loader(bool isTraining, int count)
    {
        var data = new ColourDataset(65);
        var transform = new InputTransform(data.Preprocessing, isTraining ? Augmentation.Photos : null);
        LoaderOptions Options(int batch) => isTraining ? LoaderOptions.ForTraining(batch, 5) : LoaderOptions.ForEvaluation(batch);
        var whole = new BatchLoader(data, transform, Options(6 * count));
        var parts = Enumerable.Range(0, count).Select(i => new BatchLoader(data, transform, Options(6) with { Share = new(i, count) })).ToArray();
        Assert.All(parts, p => Assert.Equal(whole.BatchesPerEpoch, p.BatchesPerEpoch));
        var made = parts.SelectMany((p, rank) => p.Epoch(3).Select(b => (b.Number, rank, b))).OrderBy(b => b.Number).ThenBy(b => b.rank).ToLookup(b => b.Number, b => b.b);
        foreach (var batch in whole.Epoch(3))
        {
            Assert.Equal(batch.Indices, made[batch.Number].SelectMany(b => b.Indices));
            Assert.Equal(batch.Labels.ToArray<long>(), made[batch.Number].SelectMany(b => b.Labels.ToArray<long>()));
            Assert.Equal(batch.Images.ToArray<float>(), made[batch.Number].SelectMany(b => b.Images.ToArray<float>()));
        }
    }

    [Fact]
    public void Processors_are_divided_among_the_processes_that_share_them()
    {
        Assert.Equal([4, 4], ThreadGroup.Run(2, p => ProcessOrder.Threads(p, 8, "host 0-7")));
        Assert.Equal([8, 8], ThreadGroup.Run(2, p => ProcessOrder.Threads(p, 8, $"host {p.Rank}")));
        Assert.Equal([2, 2, 5], ThreadGroup.Run(3, p => ProcessOrder.Threads(p, 5, p.Rank < 2 ? "a" : "b")));
        Assert.Equal([1, 1], ThreadGroup.Run(2, p => ProcessOrder.Threads(p, 1, "host")));
    }

    private static Tensor Leaf(params float[] values)
    {
        var leaf = Tensor.From(values);
        leaf.RequiresGrad = true;
        return leaf;
    }

    /// <summary>Lets no gradient through.</summary>
    private sealed record Stopped : Op
    {
        public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs) => [inputs[0]];

        protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => outputs[0].CopyFrom(inputs[0]);

        public override Tensor?[] Gradient(GradientContext g) => [null];
    }

    private sealed class Recorder(List<string> log) : IProcessGroup, IPendingSum
    {
        public int Rank => 0;

        public int Count => 1;

        public void Sum(Span<double> values) { }

        public byte[][] Gather(ReadOnlySpan<byte> part) => [part.ToArray()];

        public IPendingSum StartSum(Tensor values)
        {
            log.Add($"start {values.ElementCount}");
            return this;
        }

        public bool Poll()
        {
            log.Add("poll");
            return false;
        }

        public void Wait() => log.Add("wait");
    }
}
