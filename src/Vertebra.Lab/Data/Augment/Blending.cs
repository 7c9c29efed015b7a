using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vertebra.Lab.Data.Augment;

/// <summary>Pillow's <c>Image.blend</c>: first + share * (second - first) in float32, cut to whole levels.</summary>
internal static class Blending
{
    /// <summary>Blends two pictures, or moves away from the first when the share is above 1.</summary>
    /// <param name="first">What a share of 0 gives.</param>
    /// <param name="second">What a share of 1 gives; as many bytes.</param>
    /// <param name="share">Any number.</param>
    /// <param name="result">Receives as many bytes; may be one of the pictures.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, float share, Span<byte> result)
    {
        second = second[..first.Length];
        result = result[..first.Length];
        var i = 0;
        var shares = Vector256.Create(share);
        for (; i <= first.Length - 32; i += 32)
        {
            var (a0, a1) = Vector256.Widen(Vector256.Create(first.Slice(i, 32)));
            var (b0, b1) = Vector256.Widen(Vector256.Create(second.Slice(i, 32)));
            Vector256.Narrow(Blend(a0, b0, shares), Blend(a1, b1, shares)).CopyTo(result[i..]);
        }
        for (; i < first.Length; i++)
            result[i] = (byte)Math.Clamp(first[i] + (share * (second[i] - first[i])), 0, 255);
    }

    /// <summary>Adds a share of a picture to sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(ReadOnlySpan<byte> pixels, float share, Span<float> sums)
    {
        pixels = pixels[..sums.Length];
        var i = 0;
        var shares = Vector256.Create(share);
        for (; i <= sums.Length - 16; i += 16)
        {
            var (low, high) = Vector128.Widen(Vector128.Create(pixels.Slice(i, 16)));
            var (first, second) = Vector256.Widen(Vector256.Create(low, high));
            (Vector256.Create<float>(sums.Slice(i, 8)) + (shares * Vector256.ConvertToSingle(first.AsInt32()))).CopyTo(sums[i..]);
            (Vector256.Create<float>(sums.Slice(i + 8, 8)) + (shares * Vector256.ConvertToSingle(second.AsInt32()))).CopyTo(sums[(i + 8)..]);
        }
        for (; i < sums.Length; i++)
            sums[i] += share * pixels[i];
    }

    /// <summary>Cuts sums to whole levels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Cut(ReadOnlySpan<float> sums, Span<byte> result)
    {
        for (var i = 0; i < sums.Length; i++)
            result[i] = (byte)Math.Clamp(sums[i], 0, 255);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Blend(Vector256<ushort> first, Vector256<ushort> second, Vector256<float> share)
    {
        var (a0, a1) = Vector256.Widen(first);
        var (b0, b1) = Vector256.Widen(second);
        return Vector256.Narrow(Blend(a0.AsInt32(), b0.AsInt32(), share), Blend(a1.AsInt32(), b1.AsInt32(), share));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Blend(Vector256<int> first, Vector256<int> second, Vector256<float> share)
    {
        // A product and a sum, each rounded, as in the reference: never one fused step.
        var value = Vector256.ConvertToSingle(first) + (share * Vector256.ConvertToSingle(second - first));
        return Vector256.ConvertToInt32Native(Vector256.Min(Vector256.Max(value, Vector256<float>.Zero), Vector256.Create(255f))).AsUInt32();
    }
}
