using System.Reflection;
using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>One operation on one set of inputs, with what an independent, naive float64 computation says of it.</summary>
/// <param name="Op">The operation under test.</param>
/// <param name="Inputs">Its inputs; kept small where the gradient is checked numerically.</param>
/// <param name="Reference">The expected outputs, row-major, from the inputs' elements as float64; written without the product's code.</param>
public sealed record OpCase(Op Op, Tensor[] Inputs, Func<double[][], double[][]> Reference)
{
    /// <summary>Largest error of a forward element, relative to the largest element of its output (at least 1).</summary>
    public double Tolerance { get; init; } = 1e-5;

    /// <summary>Largest error of a gradient element, relative to the largest element of its gradient (see GradientCheck).</summary>
    public double GradientTolerance { get; init; } = 2e-3;

    /// <summary>Finite-difference step of the gradient check; smaller where the function bends quickly.</summary>
    public float Step { get; init; } = 1e-2f;

    /// <summary>Check the gradient numerically (set false for large inputs only; ops without gradient are recognised by themselves).</summary>
    public bool CheckGradient { get; init; } = true;

    /// <summary>Check the gradient of the gradient too: for ops whose gradient is built of differentiable ops.</summary>
    public bool CheckSecondDerivative { get; init; }

    /// <summary>Outputs beyond this many are internal (saved statistics) and are not part of the gradient check.</summary>
    public int DifferentiableOutputs { get; init; } = 1;

    public override string ToString() => $"{Op} on {string.Join(", ", Inputs.Select(i => i.Spec))}";
}

/// <summary>A group of op cases; every class of this kind in the tests is found and swept.</summary>
public interface IOpCases
{
    static abstract IEnumerable<OpCase> All();
}

/// <summary>All op cases, and input makers for them.</summary>
public static class OpCases
{
    private static readonly Lazy<IReadOnlyList<OpCase>> Cached = new(() =>
    [
        .. typeof(OpCases).Assembly.GetTypes()
            .Where(t => t.IsClass && t.GetInterfaces().Contains(typeof(IOpCases)))
            .OrderBy(t => t.Name, StringComparer.Ordinal)
            .SelectMany(t => (IEnumerable<OpCase>)t.GetMethod(nameof(IOpCases.All), BindingFlags.Public | BindingFlags.Static)!.Invoke(null, null)!),
    ]);

    public static IReadOnlyList<OpCase> All => Cached.Value;

    /// <summary>Element counts around the vector widths of every instruction level, and the empty and single cases.</summary>
    public static int[] Lengths { get; } = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 47, 64, 65];

    /// <summary>Uniform numbers in [<paramref name="low"/>, <paramref name="high"/>), the same every time.</summary>
    public static Tensor Uniform(Shape shape, int stream, float low = -1, float high = 1)
    {
        var random = new Philox(20261120, (ulong)stream);
        var values = new float[shape.ElementCount];
        for (var i = 0; i < values.Length; i++)
            values[i] = low + ((high - low) * random.Uniform((ulong)i));
        return Tensor.From(values, shape);
    }

    /// <summary>Like <see cref="Uniform"/>, but no two elements closer than 0.05 and none closer than 0.05 to zero: for functions with kinks or ties.</summary>
    public static Tensor Distinct(Shape shape, int stream)
    {
        var random = new Philox(20261120, (ulong)stream);
        var count = (int)shape.ElementCount;
        var order = Enumerable.Range(0, count).OrderBy(i => random.Bits((ulong)i)).ToArray();
        var values = new float[count];
        for (var i = 0; i < count; i++)
            values[i] = ((order[i] - (count / 2)) * 0.1f) + 0.05f;
        return Tensor.From(values, shape);
    }

    /// <summary>Integers in [0, <paramref name="bound"/>).</summary>
    public static Tensor Indices(Shape shape, int bound, int stream)
    {
        var random = new Philox(20261120, (ulong)stream);
        var values = new long[shape.ElementCount];
        for (var i = 0; i < values.Length; i++)
            values[i] = random.Below(bound, (ulong)i);
        return Tensor.From(values, shape);
    }

    /// <summary>The elements as float64, whatever the dtype.</summary>
    public static double[] ToDouble(Tensor tensor) => tensor.DType switch
    {
        DType.Float32 => Array.ConvertAll(tensor.ToArray<float>(), v => (double)v),
        DType.Int64 => Array.ConvertAll(tensor.ToArray<long>(), v => (double)v),
        DType.Int32 => Array.ConvertAll(tensor.ToArray<int>(), v => (double)v),
        DType.UInt8 => Array.ConvertAll(tensor.ToArray<byte>(), v => (double)v),
        DType.Int8 => Array.ConvertAll(tensor.ToArray<sbyte>(), v => (double)v),
        DType.Bool => Array.ConvertAll(tensor.ToArray<bool>(), v => v ? 1.0 : 0.0),
        DType.Float16 => Array.ConvertAll(tensor.ToArray<Half>(), v => (double)v),
        DType.BFloat16 => Array.ConvertAll(tensor.ToArray<ushort>(), v => (double)BitConverter.Int32BitsToSingle(v << 16)),
        DType.Float64 => tensor.ToArray<double>(),
        _ => throw new NotSupportedException($"{tensor.DType}"),
    };
}
