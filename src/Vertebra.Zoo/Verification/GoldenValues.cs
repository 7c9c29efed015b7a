using System.Text;
using Vertebra.Kernels;

namespace Vertebra.Zoo.Verification;

/// <summary>
/// Values that need only a name and a shape, so that two implementations can build bit-identical weights (scheme
/// "zoo-1"). A SplitMix64 sequence seeded by the FNV-1a hash of the name; arithmetic is float32, each operation rounded once.
/// </summary>
public static class GoldenValues
{
    private const ulong Gamma = 0x9E3779B97F4A7C15;

    /// <summary>The upper 24 bits of the number at a position.</summary>
    public static uint Bits(ulong seed, long index)
    {
        var z = seed + ((ulong)(index + 1) * Gamma);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        return (uint)(z >> 40);
    }

    /// <summary>Seed of a name.</summary>
    public static ulong Seed(string name) => Hashing.Fnv1a(name);

    /// <summary>The number of a seed at a position, uniform in [-1, 1).</summary>
    public static float Centred(ulong seed, long index) => (2 * Unit(seed, index)) - 1;

    /// <summary>The number of a seed at a position, uniform in [0, 1).</summary>
    public static float Unit(ulong seed, long index) => Bits(seed, index) * (1f / (1 << 24));

    /// <summary>The image [N, H, W, C] that stands for [1, C, H, W] values of each name, one after another.</summary>
    public static Tensor Images(IReadOnlyList<string> names, InputSize size)
    {
        var (c, h, w) = (size.Channels, size.Height, size.Width);
        var values = new float[names.Count * h * w * c];
        for (var n = 0; n < names.Count; n++)
        {
            var seed = Seed(names[n]);
            for (var channel = 0; channel < c; channel++)
            {
                for (var pixel = 0; pixel < h * w; pixel++)
                    values[(((n * h * w) + pixel) * c) + channel] = Centred(seed, (channel * h * w) + pixel);
            }
        }
        return Tensor.From(values, [names.Count, h, w, c]);
    }

    /// <summary>How a tensor is filled.</summary>
    internal static FillRule RuleOf(StateEntry entry)
    {
        var t = entry.Name[(entry.Name.LastIndexOf('.') + 1)..];
        if (!entry.Tensor.DType.IsFloat())
            return FillRule.Keep;
        if (!entry.IsParameter)
            return t switch { "running_mean" => FillRule.Bias, "running_var" => FillRule.Scale, _ => FillRule.Keep };
        if (entry.Tensor.Rank >= 2 && (t == "weight" || t.StartsWith("weight_", StringComparison.Ordinal) || t.EndsWith("_weight", StringComparison.Ordinal)))
            return FillRule.Weight;
        if (t is "weight" or "gain" or "alpha" or "scale")
            return FillRule.Scale;
        if (t == "bias" || t.StartsWith("bias_", StringComparison.Ordinal) || t.EndsWith("_bias", StringComparison.Ordinal))
            return FillRule.Bias;
        return t is "temperature" or "logit_scale" ? FillRule.Temperature : FillRule.Other;
    }

    /// <summary>Fills every tensor of a network by its name.</summary>
    /// <param name="network">A network with data.</param>
    /// <param name="exponents">Powers of two for some running variances, by name.</param>
    public static void Fill(Module network, IReadOnlyDictionary<string, int> exponents)
    {
        foreach (var entry in network.State())
        {
            var rule = RuleOf(entry);
            if (rule == FillRule.Keep)
                continue;
            FillPieces(entry, rule);
            if (exponents.TryGetValue(entry.Name, out var exponent))
            {
                foreach (ref var value in entry.Tensor.AsSpan<float>())
                    value = MathF.ScaleB(value, exponent);
            }
            entry.Tensor.MarkWritten();
            GC.KeepAlive(entry.Tensor);
        }
    }

    // A number depends on its position alone, so threads share the work.
    private static void FillPieces(StateEntry entry, FillRule rule)
    {
        const int Piece = 1 << 16;
        var count = entry.Tensor.ElementCount;
        Workers.Run((int)((count + Piece - 1) / Piece), part =>
        {
            var first = part * Piece;
            Fill(entry.Tensor.AsSpan<float>().Slice(first, (int)Math.Min(Piece, count - first)), entry.Name, entry.Tensor.Shape, rule, first);
        });
    }

    /// <summary>Fills a tensor, or a piece of it.</summary>
    /// <param name="values">The elements, row-major.</param>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="shape">Shape of the tensor.</param>
    /// <param name="rule">How.</param>
    /// <param name="first">Position in the tensor of the first of the values.</param>
    internal static void Fill(Span<float> values, string name, Shape shape, FillRule rule, long first = 0)
    {
        var seed = Seed(name);
        var fanIn = shape.CountBetween(Math.Min(1, shape.Rank), shape.Rank);
        var scale = rule switch { FillRule.Weight => (float)Math.Sqrt(3.0 / fanIn), FillRule.Bias => 0.2f, _ => 0.5f };
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = rule switch
            {
                FillRule.Scale => Unit(seed, first + i) + 0.5f,
                FillRule.Temperature => (Unit(seed, first + i) * 2f) + 1f,
                _ => Centred(seed, first + i) * scale,
            };
        }
    }

    /// <summary>Checks filled tensors bit by bit: the hash over all of them that fixtures carry as <c>param_checksum</c>.</summary>
    public static ulong ParameterChecksum(Module network)
    {
        var hash = Hashing.FnvOffset;
        foreach (var entry in network.State())
        {
            if (RuleOf(entry) == FillRule.Keep)
                continue;
            hash = (hash ^ Checksum(entry.Tensor.AsSpan<float>())) * Hashing.FnvPrime;
            GC.KeepAlive(entry.Tensor);
        }
        return hash;
    }

    /// <summary>Sum of the values' bits, each times its position counted from 1, modulo 2^64.</summary>
    internal static ulong Checksum(ReadOnlySpan<float> values)
    {
        ulong sum = 0;
        for (var i = 0; i < values.Length; i++)
            sum += (ulong)(i + 1) * BitConverter.SingleToUInt32Bits(values[i]);
        return sum;
    }

    /// <summary>Hash of names and shapes in state-dict order, <c>state_hash</c> in fixtures.</summary>
    public static ulong StateHash(Module network)
    {
        var text = new StringBuilder();
        foreach (var entry in network.State())
            text.Append(entry.Name).Append(':').AppendJoin('x', entry.Tensor.Shape.Span.ToArray()).Append(';');
        return Hashing.Fnv1a(text.ToString());
    }
}

/// <summary>How a tensor of a fixture is filled; c is uniform in [-1, 1), u in [0, 1).</summary>
internal enum FillRule
{
    /// <summary>As the network makes it.</summary>
    Keep,

    /// <summary>c · √(3 / fan-in).</summary>
    Weight,

    /// <summary>u + 0.5.</summary>
    Scale,

    /// <summary>c · 0.2.</summary>
    Bias,

    /// <summary>2 u + 1.</summary>
    Temperature,

    /// <summary>c · 0.5.</summary>
    Other,
}
