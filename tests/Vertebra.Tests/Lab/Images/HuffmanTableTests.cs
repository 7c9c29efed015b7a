using Vertebra.Lab.Data.Images.Jpeg;

namespace Vertebra.Tests.Lab.Images;

/// <summary>Lookahead tables against codes read bit by bit.</summary>
public class HuffmanTableTests
{
    private const int Bits = HuffmanTable.LookaheadBits;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Coefficients_are_those_that_lie_in_the_bits(int seed)
    {
        var (counts, symbols) = RandomCode(new Random(seed));
        var table = HuffmanTable.Find(counts, symbols, isDc: false)!;
        for (var bits = 0; bits < 1 << Bits; bits++)
        {
            var entry = table.Coefficients[bits];
            var known = Read(counts, symbols, bits, 0);
            if (known is not { } first)
            {
                Assert.Equal(0, (int)entry & HuffmanTable.Complete);
                Assert.Equal(table.Codes[bits], entry);
                continue;
            }
            Assert.NotEqual(0, (int)entry & HuffmanTable.Complete);
            Assert.Equal((first.Advance, first.Value, first.End), ((int)(entry >> 8) & 255, (int)(short)(entry >> 16), (int)(entry >> 40) & 63));
            var second = first.Advance == HuffmanTable.EndOfBlock ? null : Read(counts, symbols, bits, first.End);
            Assert.Equal((second?.Advance ?? 0, second?.Value ?? 0, second?.End ?? first.End), ((int)(entry >> 32) & 255, (int)(short)(entry >> 48), (int)entry & 63));
        }
    }

    [Fact]
    public void Values_have_the_sign_of_their_first_bit()
    {
        for (var size = 0; size < 16; size++)
        {
            for (var bits = 0; bits < 1 << size; bits++)
                Assert.Equal(size == 0 ? 0 : HuffmanTable.Extend(bits, size), BitReader.SignedValue(size == 0 ? ulong.MaxValue : (ulong)bits << (64 - size), size));
        }
    }

    /// <summary>The coefficient whose code begins at a bit, when all of it is in the lookahead; where it ends.</summary>
    private static (int Advance, int Value, int End)? Read(byte[] counts, byte[] symbols, int bits, int start)
    {
        int code = 0, first = 0, index = 0;
        for (var length = 1; start + length <= Bits; length++)
        {
            code = (code << 1) | ((bits >> (Bits - start - length)) & 1);
            if (code - first < counts[length - 1])
            {
                var symbol = symbols[index + code - first];
                int size = symbol & 15, end = start + length + size;
                if (end > Bits)
                    return null;
                var value = size == 0 ? 0 : HuffmanTable.Extend((bits >> (Bits - end)) & ((1 << size) - 1), size);
                return (HuffmanTable.AdvanceOf(symbol), value, end);
            }
            index += counts[length - 1];
            first = (first + counts[length - 1]) << 1;
        }
        return null;
    }

    /// <summary>A prefix code with short and long codes, all ones left out as JPEG asks.</summary>
    private static (byte[] Counts, byte[] Symbols) RandomCode(Random random)
    {
        var counts = new byte[16];
        var free = 2;
        for (var length = 1; length <= 16; length++, free *= 2)
        {
            counts[length - 1] = (byte)random.Next(0, Math.Min(12, Math.Max(1, free / 2)));
            free -= counts[length - 1];
        }
        var symbols = Enumerable.Range(0, 256).Select(i => (byte)i).ToArray();
        random.Shuffle(symbols);
        return (counts, symbols[..counts.Sum(c => c)]);
    }
}
