using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vertebra.Lab.Data;

/// <summary>Turns 8-bit RGB into float32 input: (pixel / 255 - mean) / std as one multiplication and addition.</summary>
internal sealed class PixelNormalizer
{
    // Three vectors of eight lanes are eight whole pixels; the factors repeat every three lanes.
    private const int Lanes = 8;
    private const int Period = 3 * Lanes;

    private readonly int _channels;
    private readonly float[] _scale = new float[Period];
    private readonly float[] _offset = new float[Period];

    public PixelNormalizer(Preprocessing preprocessing)
    {
        _channels = preprocessing.Channels;
        for (var i = 0; i < Period; i++)
        {
            var channel = i % _channels;
            _scale[i] = (float)(1 / (255 * preprocessing.Std[channel]));
            _offset[i] = (float)(-preprocessing.Mean[channel] / preprocessing.Std[channel]);
        }
    }

    /// <summary>Writes every channel of every pixel, or, for one channel, the first channel of every pixel.</summary>
    /// <param name="pixels">RGB, three bytes a pixel.</param>
    /// <param name="target">As many floats as pixels, times the channels.</param>
    public void Run(ReadOnlySpan<byte> pixels, Span<float> target)
    {
        if (target.Length != pixels.Length / 3 * _channels)
            throw new ArgumentException($"{target.Length} floats cannot hold {pixels.Length / 3} pixels of {_channels} channels", nameof(target));
        if (_channels == 1)
            FirstChannel(pixels, target);
        else
            AllChannels(pixels, target);
    }

    private void FirstChannel(ReadOnlySpan<byte> pixels, Span<float> target)
    {
        var (scale, offset) = (_scale[0], _offset[0]);
        for (var i = 0; i < target.Length; i++)
            target[i] = MathF.FusedMultiplyAdd(pixels[3 * i], scale, offset);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AllChannels(ReadOnlySpan<byte> pixels, Span<float> target)
    {
        Vector256<float> scale0 = Vector256.Create(_scale), scale1 = Vector256.Create(_scale, Lanes), scale2 = Vector256.Create(_scale, 2 * Lanes);
        Vector256<float> offset0 = Vector256.Create(_offset), offset1 = Vector256.Create(_offset, Lanes), offset2 = Vector256.Create(_offset, 2 * Lanes);
        var i = 0;
        // Thirty-two bytes are read for twenty-four used.
        for (; i <= pixels.Length - 32; i += Period)
        {
            var (low, high) = Vector256.Widen(Vector256.Create(pixels.Slice(i, 32)));
            var (first, second) = Vector256.Widen(low);
            var third = Vector256.WidenLower(high);
            Store(first, scale0, offset0, target[i..]);
            Store(second, scale1, offset1, target[(i + Lanes)..]);
            Store(third, scale2, offset2, target[(i + (2 * Lanes))..]);
        }
        for (var j = 0; i < pixels.Length; i++, j = j + 1 == Period ? 0 : j + 1)
            target[i] = MathF.FusedMultiplyAdd(pixels[i], _scale[j], _offset[j]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<uint> bytes, Vector256<float> scale, Vector256<float> offset, Span<float> target) =>
        // The numbers are below 256, so the signed conversion, which every processor has, is exact.
        Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(bytes.AsInt32()), scale, offset).CopyTo(target);
}
