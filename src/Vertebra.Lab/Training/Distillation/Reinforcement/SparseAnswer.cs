using System.Buffers.Binary;
using Vertebra.Lab.Data;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// A teacher's answer to one view of an image as it is stored: its k largest probabilities, each a class (u16) and a probability in 1/65535
/// (u16, rounded down), and a CRC-32C of them; 4 k + 4 bytes, little-endian. What the k leave of 1 is spread evenly over the other classes.
/// All bytes zero is no answer: the image could not be read.
/// </summary>
internal static class SparseAnswer
{
    public const int MostClasses = 1 << 16;

    private const float Unit = 1f / ushort.MaxValue;
    private const int ChecksumBytes = 4;
    private const int PairBytes = 4;

    /// <summary>Bytes of an answer of so many classes.</summary>
    public static int BytesOf(int kept) => checked((kept * PairBytes) + ChecksumBytes);

    /// <summary>Writes the largest of some probabilities, in falling order; of equal ones the first class comes first.</summary>
    /// <param name="probabilities">One for each class; they add up to 1.</param>
    /// <param name="target">As long as the answer.</param>
    public static void Write(ReadOnlySpan<float> probabilities, Span<byte> target)
    {
        var kept = (target.Length - ChecksumBytes) / PairBytes;
        var values = probabilities.ToArray();
        var classes = Enumerable.Range(0, values.Length).OrderByDescending(c => values[c]).ThenBy(c => c).Take(kept);
        var place = 0;
        foreach (var c in classes)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(target[place..], (ushort)c);
            BinaryPrimitives.WriteUInt16LittleEndian(target[(place + 2)..], (ushort)Math.Clamp(values[c] * ushort.MaxValue, 0, ushort.MaxValue));
            place += PairBytes;
        }
        BinaryPrimitives.WriteUInt32LittleEndian(target[place..], Crc32C.Compute(target[..place]));
    }

    /// <summary>Reads an answer as probabilities of all classes, which add up to 1.</summary>
    /// <returns>What is wrong with it; null when it was read.</returns>
    public static string? TryRead(ReadOnlySpan<byte> source, Span<float> probabilities)
    {
        if (source.IndexOfAnyExcept((byte)0) < 0)
            return "is missing, since the image could not be read when the file was made";
        var pairs = source[..^ChecksumBytes];
        if (Crc32C.Compute(pairs) != BinaryPrimitives.ReadUInt32LittleEndian(source[^ChecksumBytes..]))
            return "is damaged";
        probabilities.Fill(float.NaN);
        var sum = 0f;
        for (; pairs.Length > 0; pairs = pairs[PairBytes..])
        {
            var c = BinaryPrimitives.ReadUInt16LittleEndian(pairs);
            if (c >= probabilities.Length || !float.IsNaN(probabilities[c]))
                return $"has class {c} twice, or not among its {probabilities.Length} classes";
            probabilities[c] = BinaryPrimitives.ReadUInt16LittleEndian(pairs[2..]) * Unit;
            sum += probabilities[c];
        }
        if (!(sum > 0))
            return "has no probability above 0";
        Complete(probabilities, sum, (source.Length - ChecksumBytes) / PairBytes);
        return null;
    }

    /// <summary>Gives the classes that were not kept the rest; where all were, or their sum is above 1, scales.</summary>
    private static void Complete(Span<float> probabilities, float sum, int kept)
    {
        var (rest, others) = (1 - sum, probabilities.Length - kept);
        var share = others > 0 && rest > 0 ? rest / others : 0;
        var scale = share > 0 ? 1 : 1 / sum;
        foreach (ref var p in probabilities)
            p = float.IsNaN(p) ? share : p * scale;
    }
}
