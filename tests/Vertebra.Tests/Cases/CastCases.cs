using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Every element type to every other.</summary>
public sealed class CastCases : IOpCases
{
    private static readonly DType[] All9 = Enum.GetValues<DType>();

    public static IEnumerable<OpCase> All()
    {
        // Small whole numbers mean the same in every type (but bool).
        foreach (var from in All9)
        {
            foreach (var to in All9)
                yield return new(new Cast(to), [new Cast(from).Apply(OpCases.Indices([19], 9, 1))], x => [Array.ConvertAll(x[0], v => to == DType.Bool ? Math.Min(v, 1) : v)]) { CheckGradient = to == DType.Float32 }; // gradients are checked through float32 sums
        }
        foreach (var n in OpCases.Lengths)
            yield return new(new Cast(DType.Float32), [OpCases.Uniform([n], 1)], x => [x[0]]);
        yield return new(new Cast(DType.Float64), [OpCases.Uniform([40_000], 1)], x => [x[0]]) { CheckGradient = false };
    }
}
