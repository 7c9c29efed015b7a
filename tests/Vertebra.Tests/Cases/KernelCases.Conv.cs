using Vertebra.Kernels;

namespace Vertebra.Tests.Cases;

public static unsafe partial class KernelCases
{
    private static IEnumerable<(string Name, Action Check)> ConvCases()
    {
        foreach (var shape in ConvShapes())
        {
            var name = $"{shape.N}x{shape.H}x{shape.W}x{shape.C} to {shape.OC}, kernel {shape.KH}x{shape.KW}, stride {shape.StrideH}x{shape.StrideW}, "
                + $"pad {shape.PadTop},{shape.PadLeft},{shape.PadBottom},{shape.PadRight}, dilation {shape.DilationH}x{shape.DilationW}, groups {shape.Groups}";
            yield return ($"conv {name}", () => CheckConv(shape));
            yield return ($"conv epilogue {name}", () => CheckConvEpilogue(shape));
        }
    }

    private static IEnumerable<ConvShape> ConvShapes()
    {
        // The common ones, at sizes around the tiles' edges.
        yield return new(2, 8, 8, 16, 16, 3, 3) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(1, 7, 7, 32, 70, 3, 3) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(2, 17, 15, 3, 32, 7, 7) { StrideH = 2, StrideW = 2, PadTop = 3, PadLeft = 3, PadBottom = 3, PadRight = 3 };
        yield return new(2, 14, 14, 24, 40, 3, 3) { StrideH = 2, StrideW = 2, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(3, 9, 9, 40, 33, 1, 1);
        yield return new(2, 40, 40, 5, 48, 1, 1);
        yield return new(2, 9, 10, 20, 12, 1, 1) { StrideH = 2, StrideW = 2 };
        yield return new(1, 8, 8, 16, 16, 4, 4) { StrideH = 4, StrideW = 4 };
        yield return new(40, 1, 1, 8, 24, 1, 1);
        // Groups, as ResNeXt and ShuffleNet have them.
        yield return new(2, 10, 9, 16, 16, 3, 3) { Groups = 4, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(2, 7, 9, 64, 64, 3, 3) { Groups = 8, StrideH = 2, StrideW = 2, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(1, 6, 6, 40, 120, 3, 3) { Groups = 2, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(2, 5, 5, 12, 6, 1, 1) { Groups = 3 };
        yield return new(2, 9, 9, 36, 36, 3, 3) { Groups = 6, StrideH = 2, StrideW = 2 };
        yield return new(3, 20, 20, 64, 64, 3, 3) { Groups = 16, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        // Depthwise, with and without a multiplier.
        yield return new(2, 15, 30, 33, 33, 3, 3) { Groups = 33, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(2, 14, 13, 48, 48, 5, 5) { Groups = 48, StrideH = 2, StrideW = 2, PadTop = 2, PadLeft = 2, PadBottom = 2, PadRight = 2 };
        yield return new(1, 9, 20, 21, 21, 3, 3) { Groups = 21, DilationH = 2, DilationW = 3, PadTop = 2, PadLeft = 3, PadBottom = 2, PadRight = 3 };
        yield return new(2, 6, 7, 5, 15, 3, 3) { Groups = 5, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(2, 3, 3, 17, 17, 7, 7) { Groups = 17, PadTop = 3, PadLeft = 3, PadBottom = 3, PadRight = 3 };
        yield return new(1, 40, 3, 16, 16, 1, 17) { Groups = 16, PadLeft = 8, PadRight = 8 };
        yield return new(1, 12, 29, 40, 40, 3, 3) { Groups = 40, StrideH = 2, StrideW = 2, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(1, 11, 26, 24, 24, 5, 5) { Groups = 24, PadTop = 2, PadLeft = 2, PadBottom = 2, PadRight = 2 };
        yield return new(1, 9, 31, 19, 19, 7, 7) { Groups = 19, PadTop = 3, PadLeft = 3, PadBottom = 3, PadRight = 3 };
        yield return new(1, 9, 40, 16, 16, 7, 7) { Groups = 16, StrideH = 2, StrideW = 2, PadTop = 3, PadLeft = 3, PadBottom = 3, PadRight = 3 };
        // Nothing, and next to nothing.
        yield return new(0, 5, 5, 3, 4, 3, 3);
        yield return new(1, 2, 2, 3, 4, 3, 3);
        yield return new(1, 0, 3, 2, 2, 1, 1);
        yield return new(1, 1, 1, 1, 1, 1, 1);
        yield return new(2, 1, 1, 3, 2, 3, 3) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        // Large enough for several parts and for several chunks of the weight gradient.
        yield return new(4, 28, 28, 32, 32, 3, 3) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(1, 61, 63, 16, 64, 3, 3) { StrideH = 2, StrideW = 2, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(1, 62, 41, 20, 36, 5, 4) { StrideH = 3, StrideW = 2, PadTop = 2, PadLeft = 1, PadBottom = 1, PadRight = 2, Groups = 2 };
        yield return new(1, 7, 7, 130, 260, 3, 3) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(2, 60, 60, 3, 16, 3, 3) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(3, 7, 7, 512, 104, 1, 1);
        yield return new(2, 28, 28, 40, 200, 1, 1);
        // As large as the image, with too many weights to pack.
        yield return new(2, 7, 6, 65, 100, 7, 6);
        yield return new(2, 7, 8, 256, 130, 1, 1) { StrideH = 2, StrideW = 3 };
        yield return new(3, 6, 5, 256, 70, 3, 3) { StrideH = 2, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(4, 32, 32, 64, 64, 3, 3) { Groups = 64, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        // So many results of so few products that they go past the caches: in whole cache lines, and in strips where rows are none.
        yield return new(2, 64, 64, 8, 48, 1, 1);
        yield return new(2, 70, 64, 6, 30, 1, 1);
        yield return new(1, 130, 130, 3, 16, 3, 3) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(1, 130, 140, 16, 16, 3, 3) { Groups = 16, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        yield return new(2, 70, 64, 32, 32, 3, 3) { Groups = 32, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        // Anything else.
        var random = new Random(20261120);
        for (var i = 0; i < 120; i++)
        {
            int Any(int low, int high) => random.Next(low, high + 1);
            var groups = Any(0, 2) == 0 ? Any(2, 4) : 1;
            var depthwise = Any(0, 4) == 0;
            var c = Any(1, 11) * groups;
            yield return new(Any(1, 3), Any(1, 13), Any(1, 17), c, depthwise ? c * Any(1, 2) : Any(1, 20) * groups, Any(1, 4), Any(1, 5))
            {
                StrideH = Any(1, 3), StrideW = Any(1, 3), DilationH = Any(1, 3), DilationW = Any(1, 2),
                PadTop = Any(0, 5), PadLeft = Any(0, 5), PadBottom = Any(0, 5), PadRight = Any(0, 5), Groups = depthwise ? c : groups,
            };
        }
    }

    private static void CheckConv(ConvShape s)
    {
        var (oh, ow, gc, goc, area) = (s.OH, s.OW, s.C / s.Groups, s.OC / s.Groups, s.KH * s.KW);
        using var x = new GuardedFloats((int)s.InputCount, seed: 1);
        using var w = new GuardedFloats((int)s.WeightCount, seed: 2);
        using var dy = new GuardedFloats((int)s.OutputCount, seed: 3);
        using var bias = new GuardedFloats(s.OC, seed: 4);
        using var inputBias = new GuardedFloats(s.C, seed: 5);

        // Every product of the definition once, added to whatever it belongs to.
        var (y, yMagnitude) = (new double[s.OutputCount], new double[s.OutputCount]);
        var (dx, dxMagnitude) = (new double[s.InputCount], new double[s.InputCount]);
        var (dw, dwMagnitude) = (new double[s.WeightCount], new double[s.WeightCount]);
        for (var i = 0; i < y.Length; i++)
            yMagnitude[i] = Math.Abs(y[i] = bias[i % s.OC]);
        for (var n = 0; n < s.N; n++)
        for (var row = 0; row < oh; row++)
        for (var column = 0; column < ow; column++)
        for (var kh = 0; kh < s.KH; kh++)
        for (var kw = 0; kw < s.KW; kw++)
        {
            var (ih, iw) = (row * s.StrideH - s.PadTop + kh * s.DilationH, column * s.StrideW - s.PadLeft + kw * s.DilationW);
            if (ih < 0 || ih >= s.H || iw < 0 || iw >= s.W)
                continue;
            for (var o = 0; o < s.OC; o++)
            for (var c = 0; c < gc; c++)
            {
                var output = ((n * oh + row) * ow + column) * s.OC + o;
                var input = ((n * s.H + ih) * s.W + iw) * s.C + o / goc * gc + c;
                var weight = (o * gc + c) * area + kh * s.KW + kw;
                Add(y, yMagnitude, output, (double)x[input] * w[weight]);
                Add(dx, dxMagnitude, input, (double)dy[output] * w[weight]);
                Add(dw, dwMagnitude, weight, (double)dy[output] * x[input]);
            }
        }

        using var actualY = SameBitsOnAnyThreads(y.Length, t => Conv.Forward(s, x.Pointer, w.Pointer, bias.Pointer, t.Pointer));
        AssertClose(y, yMagnitude, actualY.Span);
        using var actualDx = SameBitsOnAnyThreads(dx.Length, t => Conv.InputGradient(s, dy.Pointer, w.Pointer, t.Pointer));
        AssertClose(dx, dxMagnitude, actualDx.Span);
        using var actualDw = SameBitsOnAnyThreads(dw.Length, t => Conv.WeightGradient(s, x.Pointer, dy.Pointer, t.Pointer));
        AssertClose(dw, dwMagnitude, actualDw.Span);

        var packed = new PackedConvWeights(s, w.Pointer);
        using var packedY = SameBitsOnAnyThreads(y.Length, t => Conv.Forward(s, x.Pointer, packed, bias.Pointer, t.Pointer));
        AssertClose(y, yMagnitude, packedY.Span);
        using var withoutBias = SameBitsOnAnyThreads(y.Length, t => Conv.Forward(s, x.Pointer, packed, null, t.Pointer));
        var transposed = new PackedConvWeights(s, w.Pointer, ConvUse.InputGradient);
        using var withBias = SameBitsOnAnyThreads(dx.Length, t => Conv.InputGradient(s, dy.Pointer, transposed, t.Pointer, inputBias.Pointer));
        for (var i = 0; i < dx.Length; i++)
            Add(dx, dxMagnitude, i, inputBias[i % s.C]);
        AssertClose(dx, dxMagnitude, withBias.Span);

        // <conv(x), dy> = <x, dx> = <w, dw>, of what the kernels gave.
        var products = (Dot(withoutBias.Span, dy.Span), Dot(x.Span, actualDx.Span), Dot(w.Span, actualDw.Span));
        var slack = 4e-7 * dwMagnitude.Sum() + 1e-12;
        Assert.True(Math.Abs(products.Item1 - products.Item2) <= slack && Math.Abs(products.Item1 - products.Item3) <= slack, $"not adjoint: {products}");
    }

    // A function comes last; limits and it leave the bits of the sums alone. A residual is what sums begin with, so it rounds otherwise.
    private static void CheckConvEpilogue(ConvShape s)
    {
        using var x = new GuardedFloats((int)s.InputCount, seed: 1);
        using var w = new GuardedFloats((int)s.WeightCount, seed: 2);
        using var bias = new GuardedFloats(s.OC, seed: 3);
        using var residual = new GuardedFloats((int)s.OutputCount, seed: 4);
        var packed = new PackedConvWeights(s, w.Pointer);
        using var plain = SameBitsOnAnyThreads(residual.Length, t => Conv.Forward(s, x.Pointer, packed, bias.Pointer, t.Pointer));
        using var limited = SameBitsOnAnyThreads(residual.Length, t => Conv.Forward(s, x.Pointer, packed, bias.Pointer, t.Pointer, new() { Clamps = true, Low = -0.5f, High = 6 }));
        using var finished = SameBitsOnAnyThreads(residual.Length, t => Conv.Forward(s, x.Pointer, packed, bias.Pointer, t.Pointer, new() { Function = new Doubling() }));
        using var added = SameBitsOnAnyThreads(residual.Length, t =>
        {
            residual.Span.CopyTo(t.Span);
            Conv.Forward(s, x.Pointer, packed, bias.Pointer, t.Pointer, new() { Residual = t.Pointer, Function = new Doubling() });
        });
        using var addedApart = SameBitsOnAnyThreads(residual.Length, t => Conv.Forward(s, x.Pointer, packed, bias.Pointer, t.Pointer, new() { Residual = residual.Pointer, Function = new Doubling() }));
        for (var i = 0; i < residual.Length; i++)
        {
            Assert.Equal(Math.Clamp(plain[i], -0.5f, 6), limited[i]);
            Assert.Equal(2 * plain[i], finished[i]);
            Assert.Equal(added[i], addedApart[i]);
            Assert.InRange(added[i] - 2 * (plain[i] + residual[i]), -1e-4, 1e-4);
        }
    }

    private static void Add(double[] sums, double[] magnitudes, int index, double term)
    {
        sums[index] += term;
        magnitudes[index] += Math.Abs(term);
    }

    private static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
            sum += (double)a[i] * b[i];
        return sum;
    }
}
