using System.Diagnostics;
using System.Globalization;
using Vertebra.Kernels;

namespace Vertebra.Bench;

/// <summary>
/// Compares kernels with reference loops of the same process, in turn, on one thread, and fails where one is not as many times as fast
/// as it must be. No absolute time decides: machines are shared and differ. The bounds are a fifth to a half of what was measured on an
/// AVX2 machine, so that a kernel that lost its vectors or its cache blocking is seen and a busy machine is not.
/// </summary>
internal static unsafe class SpeedGuard
{
    private const int MostRounds = 40;
    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(4);

    private sealed record Case(string Name, string Reference, double Least, Action Ours, Action Theirs);

    /// <summary>Runs all cases and prints a line for each; the exit code: 0, or 1 where a kernel is too slow.</summary>
    public static int Run()
    {
        if (Simd.Level < SimdLevel.Vector256)
        {
            Console.WriteLine($"speed guard: left out, its bounds are for vectors of 256 bits and more; this process runs at {Simd.Level}");
            return 0;
        }
        var threads = Workers.Count;
        Workers.Count = 1;
        try
        {
            return Cases().Select(Passes).ToArray().All(passed => passed) ? 0 : 1;
        }
        finally
        {
            Workers.Count = threads;
        }
    }

    // The least times of both over as many rounds as it takes.
    private static bool Passes(Case @case)
    {
        double ours = double.MaxValue, theirs = double.MaxValue;
        for (var round = 0; round < MostRounds && (round < 3 || theirs < @case.Least * ours); round++)
        {
            ours = Math.Min(ours, Seconds(@case.Ours));
            theirs = Math.Min(theirs, Seconds(@case.Theirs));
        }
        var ratio = theirs / ours;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{(ratio >= @case.Least ? "ok  " : "SLOW")} {@case.Name}: {ratio:0.00} times as fast as {@case.Reference}, at least {@case.Least:0.00}"));
        return ratio >= @case.Least;
    }

    // The fastest run of a slice of time.
    private static double Seconds(Action run)
    {
        var least = double.MaxValue;
        var whole = Stopwatch.StartNew();
        while (whole.Elapsed < Slice || least == double.MaxValue)
        {
            var start = Stopwatch.GetTimestamp();
            run();
            least = Math.Min(least, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return least;
    }

    private static Case[] Cases()
    {
        const int Size = 256, Rows = 512, Width = 768;
        const long Count = 1 << 16;
        // For as long as the process lives.
        float* a = new NativeFloats(1 << 21, 1).Pointer, b = new NativeFloats(1 << 21, 2).Pointer, c = new NativeFloats(1 << 21, 3).Pointer;
        float* d = new NativeFloats(1 << 21, 4).Pointer, mean = new NativeFloats(Rows, 5).Pointer, inverse = new NativeFloats(Rows, 6).Pointer;
        var product = new ConvShape(1, 16, 16, Size, Size, 1, 1);
        var spatial = new ConvShape(1, 28, 28, 128, 128, 3, 3) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        var depthwise = new ConvShape(1, 28, 28, 192, 192, 3, 3) { Groups = 192, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        var packed = PackedMatrix.Create(Size, Size, b, Size, false);
        var (direct, winograd) = (new PackedConvWeights(spatial, b), new PackedConvWeights(spatial, b, ConvUse.Forward, ConvMethod.Winograd4));
        var (adam, step) = (new AdamRule(new(0.9f, 0.1f, 0.999f, 0.001f, 1e-8f, 1)), new UpdateNumbers(1e-3f, 0, 1, 1, float.PositiveInfinity));
        return
        [
            new("matrix product", "a loop over rows", 12, () => MatMul.Run(Size, a, Size, false, packed, c, Size), () => Product(Size, a, b, c)),
            new(
                "direct convolution, 3x3", "the matrix product, for each multiply-add", 0.5, () => Conv.Forward(spatial, a, direct, null, c),
                Repeat(() => MatMul.Run(Size, a, Size, false, packed, d, Size), spatial.MultiplyAccumulates / product.MultiplyAccumulates)),
            new(
                "convolution by Winograd's F(4x4)", "the direct one", 1.5, () => Conv.Forward(spatial, a, winograd, null, c), () => Conv.Forward(spatial, a, direct, null, c)),
            new(
                "gradient of a convolution's weights", "its forward pass", 0.4, () => Conv.WeightGradient(spatial, a, c, d), () => Conv.Forward(spatial, a, direct, null, c)),
            new("depthwise convolution, 3x3", "a loop over channels", 8, () => Depthwise.Forward(depthwise, a, b, mean, c), () => DepthwiseLoop(depthwise, a, b, c)),
            new("softmax of rows of 768", "MathF in a loop", 3, () => Softmaxes.Forward(a, c, Rows, Width, 1, false), () => Softmax(Rows, Width, a, c)),
            new(
                "layer norm of rows of 768", "a loop", 4, () => LayerNormalization.Forward(Rows, Width, 1e-5f, a, b, b, c, mean, inverse), () => LayerNorm(Rows, Width, a, b, c)),
            new(
                "Adam", "a loop", 1.3,
                () => UpdateSteps.Apply(adam, new(a, (int)Count), new(b, (int)Count), new(new(c, (int)Count), new(d + Count, (int)Count), [], []), step),
                () => Adam(Count, a, b, c, d + Count)),
        ];
    }

    private static Action Repeat(Action run, long times) => () =>
    {
        for (var i = 0L; i < times; i++)
            run();
    };

    private static void Product(int size, float* a, float* b, float* c)
    {
        new Span<float>(c, size * size).Clear();
        for (var i = 0; i < size; i++)
        {
            for (var k = 0; k < size; k++)
            {
                var x = a[i * size + k];
                for (var j = 0; j < size; j++)
                    c[i * size + j] += x * b[k * size + j];
            }
        }
    }

    private static void DepthwiseLoop(ConvShape shape, float* x, float* w, float* y)
    {
        for (var row = 1; row < shape.H - 1; row++)
        {
            for (var column = 1; column < shape.W - 1; column++)
            {
                for (var channel = 0; channel < shape.C; channel++)
                {
                    var sum = 0f;
                    for (var tap = 0; tap < 9; tap++)
                        sum += x[((row + tap / 3 - 1) * shape.W + column + tap % 3 - 1) * shape.C + channel] * w[tap * shape.C + channel];
                    y[(row * shape.W + column) * shape.C + channel] = sum;
                }
            }
        }
    }

    private static void Softmax(int rows, int width, float* x, float* y)
    {
        for (var row = 0; row < rows; row++, x += width, y += width)
        {
            var most = float.NegativeInfinity;
            for (var i = 0; i < width; i++)
                most = MathF.Max(most, x[i]);
            var sum = 0f;
            for (var i = 0; i < width; i++)
                sum += y[i] = MathF.Exp(x[i] - most);
            for (var i = 0; i < width; i++)
                y[i] /= sum;
        }
    }

    private static void LayerNorm(int rows, int width, float* x, float* weight, float* y)
    {
        for (var row = 0; row < rows; row++, x += width, y += width)
        {
            float sum = 0, squares = 0;
            for (var i = 0; i < width; i++)
                sum += x[i];
            var mean = sum / width;
            for (var i = 0; i < width; i++)
                squares += (x[i] - mean) * (x[i] - mean);
            var inverse = 1 / MathF.Sqrt(squares / width + 1e-5f);
            for (var i = 0; i < width; i++)
                y[i] = (x[i] - mean) * inverse * weight[i] + weight[i];
        }
    }

    private static void Adam(long count, float* weights, float* gradients, float* mean, float* square)
    {
        for (var i = 0L; i < count; i++)
        {
            mean[i] = 0.9f * mean[i] + 0.1f * gradients[i];
            square[i] = 0.999f * square[i] + 0.001f * gradients[i] * gradients[i];
            weights[i] -= 1e-3f * mean[i] / (MathF.Sqrt(square[i]) + 1e-8f);
        }
    }
}
