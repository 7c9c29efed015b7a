using Vertebra.Graphs;

namespace Vertebra.Onnx;

/// <summary>Input sizes other than the traced one, at which open sizes show themselves.</summary>
internal static class SizeProbes
{
    // Odd steps tell a size that is computed by rounding from one that is not. Networks that take no odd sizes (patches,
    // windows) are asked at multiples of the usual strides, and last at multiples of their own size.
    private static readonly Func<int, int, int>[] Steps = [(size, n) => size + (n == 1 ? 37 : 61), (size, n) => size + (32 * n), (size, n) => size + (64 * n), (size, n) => size * (n + 1)];

    /// <summary>Shapes of a network's values at other inputs.</summary>
    /// <param name="input">The traced input.</param>
    /// <param name="options">What is open.</param>
    /// <param name="shapesAt">The shapes at an input.</param>
    public static List<IReadOnlyDictionary<Value, Shape>> Of(Shape input, OnnxExportOptions options, Func<Shape, IReadOnlyDictionary<Value, Shape>> shapesAt)
    {
        var probes = new List<IReadOnlyDictionary<Value, Shape>>();
        // With another batch first: if that fails, the message is about the batch.
        if (options.DynamicBatch && input.Rank > 0)
            probes.AddRange(new[] { 3, 7 }.Select(n => shapesAt(input.With(0, input[0] + n))));
        if (!options.DynamicSize)
            return probes;
        if (input.Rank != 4)
            throw new VertebraException($"only images have a size to leave open; the input is {input}");
        VertebraException? refusal = null;
        foreach (var step in Steps)
        {
            try
            {
                Shape[] sizes = [input.With(1, step(input[1], 1)), input.With(2, step(input[2], 1)), input.With(1, step(input[1], 2)).With(2, step(input[2], 1)).With(0, options.DynamicBatch ? input[0] + 2 : input[0])];
                return [.. probes, .. sizes.Select(shapesAt)];
            }
            catch (VertebraException e)
            {
                refusal ??= e;
            }
        }
        throw new VertebraException($"the image's size cannot stay open: {refusal!.Message}", refusal);
    }

    /// <summary>Shapes for all inputs of a graph when the first one has another shape: the others follow where they have the same first axis.</summary>
    public static IReadOnlyList<Shape> Following(Graph graph, Shape first)
    {
        var traced = graph.Inputs[0].Shape;
        return [.. graph.Inputs.Select((input, i) => i == 0 ? first : input.Shape.Rank > 0 && traced.Rank > 0 && input.Shape[0] == traced[0] ? input.Shape.With(0, first[0]) : input.Shape)];
    }
}
