using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Windows, Fourier transforms and the mel scale.</summary>
internal static class SignalRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("HannWindow", c => Window(c, 0.5, 0.5, 0));
        table.Add("HammingWindow", c => Window(c, 25.0 / 46, 21.0 / 46, 0));
        table.Add("BlackmanWindow", c => Window(c, 0.42, 0.5, 0.08));
        table.Add("DFT", Transform);
        table.Add("STFT", ShortTimeTransform);
        table.Add("MelWeightMatrix", MelWeights);
    }

    // a0 - a1 cos(2πn / N) + a2 cos(4πn / N); a symmetric window has its end at N - 1.
    private static OnnxValue Window(OnnxCall c, double a0, double a1, double a2)
    {
        var size = Size(c, 0);
        var period = c.Flag("periodic", true) ? size : size - 1;
        var values = Enumerable.Range(0, size).Select(n => 2 * Math.PI * n / period).Select(t => (float)(a0 - (a1 * Math.Cos(t)) + (a2 * Math.Cos(2 * t))));
        return Tensor.From(values.ToArray());
    }

    private static int Size(OnnxCall c, int operand) => c.Long(operand) is >= 0 and <= 1 << 24 and var size ? (int)size
        : throw c.Bad($"operand {operand} is {c.Long(operand)}; sizes up to 2^24 are supported");

    /// <summary>
    /// [..., n, ...] real, as [..., n, 1], or complex, as [..., n, 2], along an axis: a product with the matrix of the
    /// transform, so that it can be part of a graph.
    /// </summary>
    private static OnnxValue Transform(OnnxCall c)
    {
        var x = c.Plain(0);
        var (inverse, oneSided) = (c.Flag("inverse"), c.Flag("onesided"));
        var axis = x.Shape.NormalizeAxis(c.Opset >= 20 ? (c.Has(2) ? c.ToInt(c.Long(2), "axis") : -2) : c.Axis("axis", 1), "DFT");
        if (x.Rank < 2 || axis == x.Rank - 1 || x.Shape[-1] is not (1 or 2))
            throw c.Bad($"the operand must end in an axis of 1 (real) or 2 (complex) numbers, got {c[0]}");
        if (inverse && oneSided)
            throw c.Bad("a one-sided inverse is not supported");
        var length = c.Has(1) ? Size(c, 1) : x.Shape[axis];
        // Longer ones are cut, shorter ones continued with zeros.
        x = x.Slice(axis, 0, length);
        if (x.Shape[axis] < length)
            x = x.Pad(new int[x.Rank], [.. Enumerable.Range(0, x.Rank).Select(a => a == axis ? length - x.Shape[axis] : 0)]);
        var (cosines, sines) = Matrices(c, length, oneSided ? (length / 2) + 1 : length, inverse);
        // Lines along the axis last, real and imaginary parts apart.
        var last = x.Rank - 1;
        var real = Line(x.Slice(last, 0, 1).Squeeze(last), axis);
        var imaginary = x.Shape[last] == 2 ? Line(x.Slice(last, 1, 2).Squeeze(last), axis) : null;
        var (re, im) = (real.Linear(cosines), real.Linear(sines));
        if (imaginary is not null)
            (re, im) = (re - imaginary.Linear(sines), im + imaginary.Linear(cosines));
        Tensor Back(Tensor line) => line.Transpose(axis, last - 1).Unsqueeze(last);
        return new Concat(last).Apply(Back(re), Back(im));

        Tensor Line(Tensor t, int along) => t.Transpose(along, last - 1);
    }

    /// <summary>The real and imaginary parts of e^(∓2πi·k·n / length), [bins, length].</summary>
    private static (Tensor Cosines, Tensor Sines) Matrices(OnnxCall c, int length, int bins, bool inverse)
    {
        if ((long)length * bins > 1 << 26)
            throw c.Bad($"a transform of length {length} is too long");
        var (cosines, sines) = (new float[bins * length], new float[bins * length]);
        for (var k = 0; k < bins; k++)
        {
            for (var n = 0; n < length; n++)
            {
                var (sine, cosine) = Math.SinCos(2 * Math.PI * ((long)k * n % length) / length);
                cosines[(k * length) + n] = (float)(inverse ? cosine / length : cosine);
                sines[(k * length) + n] = (float)(inverse ? sine / length : -sine);
            }
        }
        return (Tensor.From(cosines, [bins, length]), Tensor.From(sines, [bins, length]));
    }

    // Signal [batch, length, 1 or 2] → [batch, frames, bins, 2].
    private static OnnxValue ShortTimeTransform(OnnxCall c)
    {
        var signal = c.Plain(0);
        var step = c.Long(1);
        var window = c.PlainOrNull(2);
        var length = c.Has(3) ? Size(c, 3) : window?.Shape[0] ?? throw c.Bad("neither window nor frame length is given");
        if (signal.Rank == 2)
            signal = signal.Unsqueeze(2);
        if (step < 1 || length < 1 || signal.Rank != 3 || signal.Shape[1] < length)
            throw c.Bad($"frames of {length} every {step} do not fit {c[0]}");
        if (signal.Shape[2] != 1)
            throw c.Bad("complex signals are not supported");
        var frames = (int)(((signal.Shape[1] - length) / step) + 1);
        MemoryBudget.Check(new([frames, length], DType.Int64));
        var index = new long[checked(frames * length)];
        for (var i = 0; i < index.Length; i++)
            index[i] = (i / length * step) + (i % length);
        var cut = signal.Squeeze(2).IndexSelect(1, Tensor.From(index)).Reshape([signal.Shape[0], frames, length]);
        if (window is not null)
            cut = cut * window;
        var (cosines, sines) = Matrices(c, length, c.Flag("onesided", true) ? (length / 2) + 1 : length, inverse: false);
        return new Concat(3).Apply(cut.Linear(cosines).Unsqueeze(3), cut.Linear(sines).Unsqueeze(3));
    }

    // Triangles between places that are equally far apart on the mel scale, as the standard's reference computes them.
    private static OnnxValue MelWeights(OnnxCall c)
    {
        var (bands, length, rate) = (Size(c, 0), Size(c, 1), (double)c.Long(2));
        var (low, high) = (c.Number(3), c.Number(4));
        static double Mel(double hertz) => 2595 * Math.Log10(1 + (hertz / 700));
        var bins = (length / 2) + 1;
        if ((long)bins * bands > 1 << 26)
            throw c.Bad($"{bins} x {bands} weights are too many");
        var step = (Mel(high) - Mel(low)) / (bands + 2);
        var places = Enumerable.Range(0, bands + 2).Select(i => (int)Math.Floor((length + 1) * (700 * (Math.Pow(10, ((i * step) + Mel(low)) / 2595) - 1)) / rate)).ToArray();
        var weights = new float[bins * bands];
        for (var band = 0; band < bands; band++)
        {
            var (from, top, to) = (places[band], places[band + 1], places[band + 2]);
            // The top is 1, whichever side is empty.
            for (var bin = Math.Max(0, from); bin <= Math.Min(top, bins - 1); bin++)
                weights[(bin * bands) + band] = top == from ? 1 : (bin - from) / (float)(top - from);
            for (var bin = Math.Max(0, top + 1); bin < Math.Min(to, bins); bin++)
                weights[(bin * bands) + band] = (to - bin) / (float)(to - top);
        }
        return Tensor.From(weights, [bins, bands]);
    }
}
