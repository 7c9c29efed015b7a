using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Vertebra.Kernels;

/// <summary>Measures the ways to compute a convolution.</summary>
internal static unsafe class ConvTuner
{
    private const int LeastRounds = 5;
    private const int MostRounds = 100;
    private const int MostCopies = 24;

    // A way that rounds less is kept when it is slower by no more than this.
    private const double Even = 1.02;
    private static readonly TimeSpan LeastTime = TimeSpan.FromMilliseconds(60);

    /// <summary>The fastest way with <see cref="Workers.Count"/> threads; its ways take turns, and the best time of each counts.</summary>
    public static TunedChoice Measure(in ConvProblem problem)
    {
        var shape = problem.Shape;
        // In a network other layers' weights pass through the second-level cache between two runs of one: so do copies here.
        var copies = (int)Math.Clamp(4 * Processor.Caches.L2 / (shape.WeightCount * sizeof(float)) + 1, 2, MostCopies);
        var (input, output) = problem.Use == ConvUse.Forward ? (shape.InputCount, shape.OutputCount) : (shape.OutputCount, shape.InputCount);
        var memory = (float*)NativeMemory.AlignedAlloc(checked((nuint)((input + output + copies * shape.WeightCount + 64) * sizeof(float))), 64);
        try
        {
            Fill(memory, input, 0.5f);
            var weights = memory + (input + 15) / 16 * 16;
            Fill(weights, copies * shape.WeightCount, 0.01f);
            var methods = Enum.GetValues<ConvMethod>();
            var times = Compare(problem, methods, new Buffers((nint)memory, (nint)weights, (nint)(weights + (copies * shape.WeightCount + 15) / 16 * 16), copies));
            var best = 0;
            for (var i = 1; i < methods.Length; i++)
            {
                if (times[i] * Even < times[best])
                    best = i;
            }
            return new(problem.Text, methods[best].ToString(), Workers.Count, methods.Zip(times).ToDictionary(m => m.First.ToString(), m => 1000 * m.Second));
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    private static void Fill(float* numbers, long count, float value)
    {
        const int Block = 1 << 20;
        for (var first = 0L; first < count; first += Block)
            new Span<float>(numbers + first, (int)Math.Min(Block, count - first)).Fill(value);
    }

    private readonly record struct Buffers(nint Input, nint Weights, nint Output, int Copies);

    // Seconds of a call by each method.
    private static double[] Compare(in ConvProblem problem, ConvMethod[] methods, Buffers buffers)
    {
        var (times, packed) = (new double[methods.Length], new PackedConvWeights[methods.Length][]);
        Array.Fill(times, double.PositiveInfinity);
        for (var m = 0; m < methods.Length; m++)
            packed[m] = problem.Packs ? [] : Pack(problem, methods[m], buffers);
        var clock = Stopwatch.StartNew();
        for (var round = 0; round < LeastRounds || (clock.Elapsed < LeastTime * methods.Length && round < MostRounds); round++)
        {
            for (var m = 0; m < methods.Length; m++)
            {
                var start = Stopwatch.GetTimestamp();
                for (var copy = 0; copy < buffers.Copies; copy++)
                    Run(problem, methods[m], packed[m], buffers, copy);
                if (round > 0) // the first one compiles
                    times[m] = Math.Min(times[m], Stopwatch.GetElapsedTime(start).TotalSeconds / buffers.Copies);
            }
        }
        return times;
    }

    private static PackedConvWeights[] Pack(in ConvProblem problem, ConvMethod method, Buffers buffers)
    {
        var packed = new PackedConvWeights[buffers.Copies];
        for (var i = 0; i < packed.Length; i++)
            packed[i] = new(problem.Shape, WeightsOf(problem, buffers, i), problem.Use, method);
        return packed;
    }

    private static float* WeightsOf(in ConvProblem problem, Buffers buffers, int copy) => (float*)buffers.Weights + copy * problem.Shape.WeightCount;

    private static void Run(in ConvProblem problem, ConvMethod method, PackedConvWeights[] packed, Buffers buffers, int copy)
    {
        float* x = (float*)buffers.Input, y = (float*)buffers.Output, weights = WeightsOf(problem, buffers, copy);
        switch (problem.Use, problem.Packs)
        {
            case (ConvUse.Forward, false): Conv.Forward(problem.Shape, x, packed[copy], null, y); break;
            case (ConvUse.Forward, true): Conv.Forward(problem.Shape, x, weights, null, y, method); break;
            case (_, false): Conv.InputGradient(problem.Shape, x, packed[copy], y); break;
            default: Conv.InputGradient(problem.Shape, x, weights, y, null, method); break;
        }
    }
}
