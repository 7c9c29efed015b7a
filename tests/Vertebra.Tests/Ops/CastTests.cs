using Vertebra.Ops;

namespace Vertebra.Tests.Ops;

/// <summary>Rounding and range of conversions. The 16-bit patterns are PyTorch's.</summary>
public class CastTests
{
    private static readonly float[] Singles =
    [
        0.1f, -0.1f, 1.00048828125f, 1.00146484375f, 65519, 65520, -65520, 5.9604645e-08f, 2.9802322e-08f, 2.9802326e-08f, 6.1e-05f, 1e-08f, 3.4e+38f,
        float.PositiveInfinity, float.NegativeInfinity, 1.00390625f, 1.01171875f, 3.4028235e+38f, 9.2e-41f,
    ];

    [Fact]
    public void Float16_rounds_to_the_nearest_and_ties_to_even()
    {
        ushort[] expected = [0x2e66, 0xae66, 0x3c00, 0x3c02, 0x7bff, 0x7c00, 0xfc00, 0x1, 0x0, 0x1, 0x3ff, 0x0, 0x7c00, 0x7c00, 0xfc00, 0x3c04, 0x3c0c, 0x7c00, 0x0];
        Assert.Equal(expected, Array.ConvertAll(Tensor.From(Singles).To(DType.Float16).ToArray<Half>(), BitConverter.HalfToUInt16Bits));
    }

    [Fact]
    public void BFloat16_rounds_to_the_nearest_and_ties_to_even()
    {
        ushort[] expected = [0x3dcd, 0xbdcd, 0x3f80, 0x3f80, 0x4780, 0x4780, 0xc780, 0x3380, 0x3300, 0x3300, 0x3880, 0x322c, 0x7f80, 0x7f80, 0xff80, 0x3f80, 0x3f82, 0x7f80, 0x1];
        Assert.Equal(expected, Tensor.From(Singles).To(DType.BFloat16).ToArray<ushort>());
    }

    [Fact]
    public void Every_16_bit_float_survives_float32()
    {
        var bits = Array.ConvertAll(Enumerable.Range(0, 65536).ToArray(), i => (ushort)i);
        var halves = Tensor.From(Array.ConvertAll(bits, BitConverter.UInt16BitsToHalf), [65536]).To(DType.Float32);
        var brains = Tensor.From(bits, [65536]).To(DType.Float32);
        var (halfValues, brainValues) = (halves.ToArray<float>(), brains.ToArray<float>());
        var (halfBack, brainBack) = (halves.To(DType.Float16).ToArray<Half>(), brains.To(DType.BFloat16).ToArray<ushort>());
        for (var i = 0; i < bits.Length; i++)
        {
            Assert.Equal((float)BitConverter.UInt16BitsToHalf(bits[i]), halfValues[i]);
            Assert.True(halfBack[i].Equals(BitConverter.UInt16BitsToHalf(bits[i])), $"float16 bits {bits[i]:x4}");
            Assert.Equal(BitConverter.Int32BitsToSingle(bits[i] << 16), brainValues[i]);
            Assert.True(brainBack[i] == bits[i] || (float.IsNaN(brainValues[i]) && (brainBack[i] & 0x7FFF) > 0x7F80), $"bfloat16 bits {bits[i]:x4}");
        }
    }

    [Fact]
    public void A_double_is_rounded_once()
    {
        // 1 + 2^-8 lies midway between two bfloat16; a little more must go up although float32 cannot tell them apart. float16: 1 + 2^-11.
        double[] values = [1 + Math.ScaleB(1, -8), 1 + Math.ScaleB(1, -8) + Math.ScaleB(1, -40), 1 + Math.ScaleB(3, -8), 1 + Math.ScaleB(3, -8) - Math.ScaleB(1, -40)];
        Assert.Equal([0x3f80, 0x3f81, 0x3f82, 0x3f81], Tensor.From(values).To(DType.BFloat16).ToArray<ushort>());
        double[] forHalf = [1 + Math.ScaleB(1, -11), 1 + Math.ScaleB(1, -11) + Math.ScaleB(1, -40)];
        Assert.Equal([0x3c00, 0x3c01], Array.ConvertAll(Tensor.From(forHalf).To(DType.Float16).ToArray<Half>(), BitConverter.HalfToUInt16Bits));
    }

    [Fact]
    public void Integers_drop_the_fraction_and_keep_to_their_range()
    {
        var x = Tensor.From(1.9f, -1.9f, 300, -300, float.NaN, float.PositiveInfinity, float.NegativeInfinity, 3e9f, 1e20f, 0.3f);
        Assert.Equal([1, -1, 127, -128, 0, 127, -128, 127, 127, 0], x.To(DType.Int8).ToArray<sbyte>());
        Assert.Equal([1, 0, 255, 0, 0, 255, 0, 255, 255, 0], x.To(DType.UInt8).ToArray<byte>());
        Assert.Equal([1, -1, 300, -300, 0, int.MaxValue, int.MinValue, int.MaxValue, int.MaxValue, 0], x.To(DType.Int32).ToArray<int>());
        Assert.Equal([1, -1, 300, -300, 0, long.MaxValue, long.MinValue, 3_000_000_000, long.MaxValue, 0], x.To(DType.Int64).ToArray<long>());
        Assert.Equal([true, true, true, true, true, true, true, true, true, true], x.To(DType.Bool).ToArray<bool>());
        var wide = Tensor.From(1L << 40, -(1L << 40), 16_777_217, long.MaxValue);
        Assert.Equal([int.MaxValue, int.MinValue, 16_777_217, int.MaxValue], wide.To(DType.Int32).ToArray<int>());
        Assert.Equal([1L << 40, -(1L << 40), 16_777_216, 9.223372036854775807e18f], wide.To(DType.Float32).ToArray<float>());
    }
}
