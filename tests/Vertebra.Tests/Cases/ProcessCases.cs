using Vertebra.Communication;
using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Ops over several processes; here each of three has the same numbers.</summary>
public sealed class ProcessCases : IOpCases
{
    public static IEnumerable<OpCase> All()
    {
        foreach (var shape in (Shape[])[[3], [2, 3, 4], Shape.Scalar])
            yield return new(new SumOverProcesses(new Alike(3)), [OpCases.Uniform(shape, 11)], x => [[.. x[0].Select(v => 3 * v)]]) { CheckSecondDerivative = true };
    }

    /// <summary>Processes that all have what this one has.</summary>
    private sealed record Alike(int Count) : IProcessGroup
    {
        public int Rank => 0;

        public void Sum(Span<double> values)
        {
            foreach (ref var value in values)
                value *= Count;
        }

        public IPendingSum StartSum(Tensor values)
        {
            foreach (ref var value in values.AsSpan<float>())
                value *= Count;
            values.MarkWritten();
            return new Done();
        }

        public byte[][] Gather(ReadOnlySpan<byte> part)
        {
            var bytes = part.ToArray();
            return [.. Enumerable.Repeat(bytes, Count)];
        }
    }

    private sealed class Done : IPendingSum
    {
        public bool Poll() => true;

        public void Wait() { }
    }
}
