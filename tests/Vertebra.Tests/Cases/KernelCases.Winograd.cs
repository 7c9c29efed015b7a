using Vertebra.Kernels;

namespace Vertebra.Tests.Cases;

public static unsafe partial class KernelCases
{
    private static IEnumerable<(string Name, Action Check)> WinogradCases()
    {
        foreach (var shape in WinogradShapes())
        {
            foreach (var method in (ConvMethod[])[ConvMethod.Winograd2, ConvMethod.Winograd4])
            {
                var name = $"{method} {shape.N}x{shape.H}x{shape.W}x{shape.C} to {shape.OC}, pad {shape.PadTop},{shape.PadLeft},{shape.PadBottom},{shape.PadRight}";
                yield return ($"winograd {name}", () => CheckWinograd(shape, method));
                yield return ($"winograd epilogue {name}", () => CheckWinogradEpilogue(shape, method));
            }
            yield return ($"winograd weight gradient {shape}", () => CheckWinogradWeightGradient(shape));
        }
        yield return ("winograd choice", CheckChoice);
    }

    private static IEnumerable<ConvShape> WinogradShapes()
    {
        static ConvShape Padded(int n, int h, int w, int c, int oc, int pad) =>
            new(n, h, w, c, oc, 3, 3) { PadTop = pad, PadLeft = pad, PadBottom = pad, PadRight = pad };

        // Whole squares, ragged ones, and channels around the vectors' widths.
        yield return Padded(2, 8, 8, 16, 16, 1);
        yield return Padded(1, 7, 9, 32, 33, 1);
        yield return Padded(3, 5, 6, 17, 31, 1);
        yield return Padded(1, 6, 6, 9, 64, 0);
        yield return Padded(2, 10, 11, 3, 5, 2);
        yield return Padded(1, 1, 1, 4, 8, 1);
        yield return Padded(1, 3, 3, 1, 1, 0);
        yield return Padded(1, 2, 13, 65, 15, 1);
        yield return Padded(1, 4, 4, 8, 12, 3);
        // Nothing.
        yield return Padded(0, 8, 8, 4, 4, 1);
        yield return Padded(1, 2, 2, 4, 4, 0);
        // Several blocks, with panels shared out and without.
        yield return Padded(1, 40, 37, 20, 70, 1);
        yield return Padded(3, 60, 58, 5, 7, 1);
        // Many channels: long sums.
        yield return Padded(1, 7, 7, 300, 40, 1);
        // Every side padded in its own way.
        yield return new(2, 9, 7, 12, 20, 3, 3) { PadTop = 2, PadBottom = 1, PadRight = 4 };
        yield return new(1, 5, 12, 18, 6, 3, 3) { PadLeft = 3, PadRight = 1, PadBottom = 5 };
    }

    private static void CheckWinograd(ConvShape s, ConvMethod method)
    {
        using var x = new GuardedFloats((int)s.InputCount, seed: 1);
        using var w = new GuardedFloats((int)s.WeightCount, seed: 2);
        using var dy = new GuardedFloats((int)s.OutputCount, seed: 3);
        using var bias = new GuardedFloats(s.OC, seed: 4);
        using var inputBias = new GuardedFloats(s.C, seed: 5);
        var (y, yMagnitude, dx, dxMagnitude) = Definition(s, x, w, dy, bias, inputBias);

        using var actualY = SameBitsOnAnyThreads(y.Length, t => Conv.Forward(s, x.Pointer, w.Pointer, bias.Pointer, t.Pointer, method));
        AssertWinogradClose(y, yMagnitude, actualY.Span, method);
        using var actualDx = SameBitsOnAnyThreads(dx.Length, t => Conv.InputGradient(s, dy.Pointer, w.Pointer, t.Pointer, inputBias.Pointer, method));
        AssertWinogradClose(dx, dxMagnitude, actualDx.Span, method);

        // Packed before, for another size: the same bits.
        var packed = new PackedConvWeights(s with { H = s.H + 3, N = 1 }, w.Pointer, ConvUse.Forward, method);
        using var packedY = SameBitsOnAnyThreads(y.Length, t => Conv.Forward(s, x.Pointer, packed, bias.Pointer, t.Pointer));
        Assert.Equal(actualY.Span, packedY.Span);
        var turned = new PackedConvWeights(s, w.Pointer, ConvUse.InputGradient, method);
        using var packedDx = SameBitsOnAnyThreads(dx.Length, t => Conv.InputGradient(s, dy.Pointer, turned, t.Pointer, inputBias.Pointer));
        Assert.Equal(actualDx.Span, packedDx.Span);
    }

    private static void CheckWinogradWeightGradient(ConvShape s)
    {
        if (s.OutputCount == 0)
            return;
        using var x = new GuardedFloats((int)s.InputCount, seed: 1);
        using var dy = new GuardedFloats((int)s.OutputCount, seed: 2);
        var (dw, magnitude) = (new double[s.WeightCount], new double[s.WeightCount]);
        for (var n = 0; n < s.N; n++)
        for (var row = 0; row < s.OH; row++)
        for (var column = 0; column < s.OW; column++)
        for (var tap = 0; tap < 9; tap++)
        {
            var (ih, iw) = (row - s.PadTop + tap / 3, column - s.PadLeft + tap % 3);
            if (ih < 0 || ih >= s.H || iw < 0 || iw >= s.W)
                continue;
            for (var o = 0; o < s.OC; o++)
            for (var c = 0; c < s.C; c++)
                Add(dw, magnitude, (o * s.C + c) * 9 + tap, (double)dy[((n * s.OH + row) * s.OW + column) * s.OC + o] * x[((n * s.H + ih) * s.W + iw) * s.C + c]);
        }
        using var actual = SameBitsOnAnyThreads(dw.Length, t => Level.Run(new WinogradWeightGradient(s, x.Pointer, dy.Pointer, t.Pointer)));
        AssertWinogradClose(dw, magnitude, actual.Span, 12e-7);
    }

    // The sums of the definition in float64, and the sums of their terms' absolute values.
    private static (double[] Y, double[] YMagnitude, double[] Dx, double[] DxMagnitude) Definition(
        ConvShape s, GuardedFloats x, GuardedFloats w, GuardedFloats dy, GuardedFloats bias, GuardedFloats inputBias)
    {
        var (y, yMagnitude) = (new double[s.OutputCount], new double[s.OutputCount]);
        var (dx, dxMagnitude) = (new double[s.InputCount], new double[s.InputCount]);
        for (var i = 0; i < y.Length; i++)
            Add(y, yMagnitude, i, bias[i % s.OC]);
        for (var i = 0; i < dx.Length; i++)
            Add(dx, dxMagnitude, i, inputBias[i % s.C]);
        for (var pixel = 0; pixel < s.N * s.OH * s.OW; pixel++)
        for (var tap = 0; tap < 9; tap++)
        {
            var (row, column) = (pixel / s.OW % s.OH - s.PadTop + tap / 3, pixel % s.OW - s.PadLeft + tap % 3);
            if (row < 0 || row >= s.H || column < 0 || column >= s.W)
                continue;
            var source = ((pixel / (s.OH * s.OW) * s.H + row) * s.W + column) * s.C;
            for (var o = 0; o < s.OC; o++)
            for (var c = 0; c < s.C; c++)
            {
                Add(y, yMagnitude, pixel * s.OC + o, (double)x[source + c] * w[(o * s.C + c) * 9 + tap]);
                Add(dx, dxMagnitude, source + c, (double)dy[pixel * s.OC + o] * w[(o * s.C + c) * 9 + tap]);
            }
        }
        return (y, yMagnitude, dx, dxMagnitude);
    }

    // A result is mixed with the others of its square, so its error is in proportion to the largest sum of magnitudes around it. Where the
    // direct form is allowed 4e-7 of it, F(2×2) is too, and F(4×4) twice that.
    private static void AssertWinogradClose(double[] expected, double[] magnitudes, ReadOnlySpan<float> actual, ConvMethod method) =>
        AssertWinogradClose(expected, magnitudes, actual, method == ConvMethod.Winograd4 ? 8e-7 : 4e-7);

    // Errors as a share of the largest sum of absolute terms.
    private static void AssertWinogradClose(double[] expected, double[] magnitudes, ReadOnlySpan<float> actual, double share)
    {
        Assert.Equal(expected.Length, actual.Length);
        var allowed = share * magnitudes.DefaultIfEmpty().Max() + 1e-12;
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= allowed, $"element {i}: {actual[i]} instead of {expected[i]}, {allowed} allowed");
    }

    private readonly struct Doubling : ILineFunction
    {
        public void Apply(float* line, long count)
        {
            for (var i = 0L; i < count; i++)
                line[i] *= 2;
        }
    }

    // 2 · clamp(sum + bias + residual), the residual where the result is written: exactly what is left without, for these are float32 sums.
    private static void CheckWinogradEpilogue(ConvShape s, ConvMethod method)
    {
        using var x = new GuardedFloats((int)s.InputCount, seed: 1);
        using var w = new GuardedFloats((int)s.WeightCount, seed: 2);
        using var bias = new GuardedFloats(s.OC, seed: 3);
        using var residual = new GuardedFloats((int)s.OutputCount, seed: 4);
        var packed = new PackedConvWeights(s, w.Pointer, ConvUse.Forward, method);
        using var plain = SameBitsOnAnyThreads(residual.Length, t => Conv.Forward(s, x.Pointer, packed, bias.Pointer, t.Pointer));
        using var finished = SameBitsOnAnyThreads(residual.Length, t =>
        {
            residual.Span.CopyTo(t.Span);
            Conv.Forward(s, x.Pointer, packed, bias.Pointer, t.Pointer, new() { Residual = t.Pointer, Clamps = true, Low = -0.5f, High = 6, Function = new Doubling() });
        });
        for (var i = 0; i < residual.Length; i++)
            Assert.Equal(2 * Math.Clamp(plain[i] + residual[i], -0.5f, 6), finished[i]);
    }

    private static void CheckChoice()
    {
        static ConvMethod Choice(int size, int c, int oc, int batch = 1) =>
            ConvMethods.Fastest(new(batch, size, size, c, oc, 3, 3) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 }, ConvUse.Forward, packs: false);

        // A first layer, whose transforms would outweigh its products; filters that are read once for four squares.
        Assert.Equal(ConvMethod.Direct, Choice(224, 3, 64));
        Assert.Equal(ConvMethod.Direct, Choice(7, 512, 512));
        Assert.Equal(ConvMethod.Winograd2, Choice(14, 256, 256));
        Assert.Equal(ConvMethod.Winograd4, Choice(28, 128, 128));
        Assert.Equal(ConvMethod.Winograd4, Choice(7, 512, 512, batch: 8));
        Assert.Equal(ConvMethod.Direct, ConvMethods.Fastest(new(8, 56, 56, 64, 64, 3, 3) { StrideH = 2, StrideW = 2 }, ConvUse.Forward, packs: false));
        Assert.Equal(ConvMethod.Direct, ConvMethods.Fastest(new(8, 56, 56, 64, 64, 3, 3) { Groups = 2 }, ConvUse.Forward, packs: false));
        Assert.Throws<ArgumentException>(() => new PackedConvWeights(new(1, 8, 8, 4, 4, 5, 5), null, ConvUse.Forward, ConvMethod.Winograd4));
    }
}
