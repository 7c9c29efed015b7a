using System.Diagnostics;
using Vertebra.Autograd;

namespace Vertebra.Graphs.Profiling;

/// <summary>Ops of one kind in a training step.</summary>
/// <param name="Op">The ops' name.</param>
/// <param name="Calls">How often ops of this kind are applied in a forward pass.</param>
/// <param name="ForwardMilliseconds">Computing their results.</param>
/// <param name="BackwardMilliseconds">Computing the gradients of their operands.</param>
/// <param name="ForwardMacs">Multiply-accumulates of the results.</param>
/// <param name="BackwardMacs">Multiply-accumulates of the gradients.</param>
public sealed record OpKindTime(string Op, int Calls, double ForwardMilliseconds, double BackwardMilliseconds, long ForwardMacs, long BackwardMacs)
{
    /// <summary>Forward and backward.</summary>
    public double Milliseconds => ForwardMilliseconds + BackwardMilliseconds;

    /// <summary>Multiply-accumulates of both.</summary>
    public long Macs => ForwardMacs + BackwardMacs;
}

/// <summary>
/// Where the time of a training step goes: medians over at least 5 steps and a second. Forward and backward are the whole passes;
/// what no kind of op accounts for is the network's own code, the tape, and adding up gradients.
/// </summary>
/// <param name="Kinds">By kind of op, the most expensive first.</param>
/// <param name="ForwardMilliseconds">The forward pass, with the loss.</param>
/// <param name="BackwardMilliseconds">The backward walk.</param>
/// <param name="UpdateMilliseconds">What follows it: the optimizer.</param>
public sealed record StepProfile(IReadOnlyList<OpKindTime> Kinds, double ForwardMilliseconds, double BackwardMilliseconds, double UpdateMilliseconds)
{
    /// <summary>The whole step.</summary>
    public double TotalMilliseconds => ForwardMilliseconds + BackwardMilliseconds + UpdateMilliseconds;

    /// <summary>Time of both passes that no kind of op accounts for.</summary>
    public double OtherMilliseconds => ForwardMilliseconds + BackwardMilliseconds - Kinds.Sum(k => k.Milliseconds);

    /// <summary>Times steps on this thread.</summary>
    /// <param name="forward">Computes a loss of one element.</param>
    /// <param name="update">Uses the gradients, and clears them.</param>
    public static StepProfile Measure(Func<Tensor> forward, Action update)
    {
        var kinds = RunOnce(forward, update, new double[3]); // which ops there are; a network that draws lots may apply others later, which count as the rest
        var (times, _) = NodeTimer.Medians(3 + (2 * kinds.Length), parts =>
        {
            foreach (var kind in RunOnce(forward, update, parts))
            {
                if (Array.FindIndex(kinds, k => k.Op == kind.Op) is >= 0 and var i)
                    (parts[3 + (2 * i)], parts[4 + (2 * i)]) = (kind.ForwardMilliseconds, kind.BackwardMilliseconds);
            }
        });
        var medians = kinds.Select((k, i) => k with { ForwardMilliseconds = times[3 + (2 * i)], BackwardMilliseconds = times[4 + (2 * i)] });
        return new([.. medians.OrderByDescending(k => k.Milliseconds)], times[0], times[1], times[2]);
    }

    private static OpKindTime[] RunOnce(Func<Tensor> forward, Action update, double[] phases)
    {
        var clock = new OpClock();
        OpClock.Current = clock;
        try
        {
            var start = Stopwatch.GetTimestamp();
            var loss = forward();
            var middle = Stopwatch.GetTimestamp();
            clock.Walks(isBackward: true);
            loss.Backward();
            OpClock.Current = null;
            var end = Stopwatch.GetTimestamp();
            update();
            (phases[0], phases[1], phases[2]) = (Stopwatch.GetElapsedTime(start, middle).TotalMilliseconds, Stopwatch.GetElapsedTime(middle, end).TotalMilliseconds, Stopwatch.GetElapsedTime(end).TotalMilliseconds);
        }
        finally
        {
            OpClock.Current = null;
        }
        return [.. clock.Times.Select(t => new OpKindTime(t.Key, t.Value.Calls, t.Value.ForwardMilliseconds, t.Value.BackwardMilliseconds, t.Value.ForwardMacs, t.Value.BackwardMacs))];
    }
}
