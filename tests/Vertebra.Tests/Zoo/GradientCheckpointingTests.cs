using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Tests.Ops;
using Vertebra.Zoo;
using Vertebra.Zoo.Verification;
using Xunit.Abstractions;
using static Vertebra.Ops.TensorOps;

namespace Vertebra.Tests.Zoo;

/// <summary>Blocks of every family that are computed again for their gradients.</summary>
[Collection(Alone.Name)]
public class GradientCheckpointingTests(ITestOutputHelper output)
{
    [Fact]
    public void In_every_family_gradients_and_statistics_are_those_of_a_plain_step()
    {
        var failures = new List<string>();
        foreach (var family in Models.Families)
        {
            var (model, side) = Smallest(family);
            var network = Models.Create(model.Name, new() { NumClasses = 5, DropRate = 0.2f, DropPathRate = 0.3f, ImgSize = side });
            network.Initialise(1);
            var first = network.NamedBuffers().Select(b => b.Tensor.Clone()).ToArray();
            var plain = Step(network, side);
            foreach (var ((_, buffer), former) in network.NamedBuffers().Zip(first))
                buffer.CopyFrom(former);
            var pieces = network.SetGradCheckpointing();
            var again = Step(network, side);
            output.WriteLine($"{family.Name}: {model.Name} at {side}, {pieces} pieces, {100 * again.Recomputed:0} % of the body computed again");
            if (again.Recomputed < 0.5 || plain.Recomputed != 0)
                failures.Add($"{model.Name}: {100 * again.Recomputed:0} % of the body is computed again, in {string.Join(", ", network.NamedModules().Where(m => m.Module.IsCheckpointed).Select(m => m.Path))}");
            failures.AddRange(plain.Differences(again).Take(3).Select(d => $"{model.Name}: {d}"));
        }
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Fact]
    public void It_takes_less_memory()
    {
        var network = Models.Create("resnet56_cifar");
        network.Train();
        var image = GoldenValues.Images([.. Enumerable.Range(0, 16).Select(i => $"{i}")], new(3, 32, 32));
        var plain = KeptBytes(network, image);
        Assert.Equal(27, network.SetGradCheckpointing());
        var again = KeptBytes(network, image);
        output.WriteLine($"{plain >> 20} and {again >> 20} MiB");
        Assert.True(again < plain * 0.4, $"{again} of {plain} bytes");
        Assert.Equal(0, network.SetGradCheckpointing(enable: false));
        Assert.DoesNotContain(network.NamedModules(), m => m.Module.IsCheckpointed);
    }

    private static long KeptBytes(Backbone network, Tensor image)
    {
        BufferPool.GiveBack();
        var before = BufferPool.LiveBytes;
        var loss = network.Forward(image).Sum();
        BufferPool.GiveBack();
        var kept = BufferPool.LiveBytes - before;
        GC.KeepAlive(loss);
        return kept;
    }

    private static StepResult Step(Backbone network, int side)
    {
        network.Train();
        network.ZeroGrad();
        var image = GoldenValues.Images(["a", "b"], new(network.InChans, side, side));
        var clock = new OpClock();
        OpClock.Current = clock;
        try
        {
            Tensor loss;
            using (TrainingRandom.Begin(3, 8))
                loss = network.Forward(image).CrossEntropy(Tensor.From<long>(1, 3));
            clock.Walks(true);
            loss.Backward();
            return new(
                loss.ToScalar(),
                network.NamedParameters().ToDictionary(p => p.Name, p => p.Tensor.Grad?.ToArray<float>() ?? []),
                network.NamedBuffers().ToDictionary(b => b.Name, b => b.Tensor.DType == DType.Int64 ? [.. b.Tensor.ToArray<long>().Select(v => (float)v)] : b.Tensor.ToArray<float>()),
                clock.Times.TryGetValue("Recomputation", out var time) ? (double)time.BackwardMacs / Graph.Trace(new FeatureMaker(network), image.Shape).Macs : 0);
        }
        finally
        {
            OpClock.Current = null;
        }
    }

    // The fewest parameters, at the smallest side that its stages allow.
    private static (ModelInfo Model, int Side) Smallest(Family family)
    {
        using var meta = Construction.Meta();
        var model = family.Models.MinBy(m => Models.Create(m.Name).ParameterCount)!;
        foreach (var side in new[] { 32, 64, 96, 128, 192 })
        {
            try
            {
                var logits = Models.Create(model.Name, new() { NumClasses = 5, ImgSize = side }).Forward(Tensor.Meta([2, side, side, model.Config.InputSize.Channels]));
                if (logits.Shape == [2, 5])
                    return (model, side);
            }
            catch (VertebraException)
            {
                // Too small for a window or a stage.
            }
        }
        return (model, model.Config.InputSize.Height);
    }

    private sealed record StepResult(float Loss, Dictionary<string, float[]> Gradients, Dictionary<string, float[]> Buffers, double Recomputed)
    {
        public IEnumerable<string> Differences(StepResult other)
        {
            if (!float.IsFinite(Loss) || Loss != other.Loss)
                yield return $"loss {Loss} and {other.Loss}";
            foreach (var (name, values) in Buffers.Where(b => !b.Value.SequenceEqual(other.Buffers[b.Key])))
                yield return $"statistics {name}";
            // Gradients of parameters that several blocks share are added up in another order.
            foreach (var (name, values) in Gradients)
            {
                var found = other.Gradients[name];
                var largest = values.Select(Math.Abs).DefaultIfEmpty().Max();
                if (found.Length != values.Length || values.Zip(found, (a, b) => !(Math.Abs(a - b) <= 1e-5f * largest)).Any(d => d))
                    yield return $"gradient of {name}";
            }
        }
    }
}
