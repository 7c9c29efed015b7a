using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vertebra.Lab.Data.Images.Png;

/// <summary>The row filters of PNG (ISO/IEC 15948, clause 9), both ways.</summary>
internal static class PngFilter
{
    public const int None = 0;
    public const int Sub = 1;
    public const int Up = 2;
    public const int Average = 3;
    public const int Paeth = 4;
    public const int Count = 5;

    /// <summary>Undoes a filter in place.</summary>
    /// <param name="filter">0 to 4.</param>
    /// <param name="row">Filtered bytes in, bytes of the picture out.</param>
    /// <param name="above">The row above, as decoded; zeros above the first row.</param>
    /// <param name="distance">Bytes to the left neighbour.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Undo(int filter, Span<byte> row, ReadOnlySpan<byte> above, int distance)
    {
        above = above[..row.Length];
        switch (filter)
        {
            case Sub:
                for (var i = distance; i < row.Length; i++)
                    row[i] += row[i - distance];
                break;
            case Up:
                AddRows(row, above);
                break;
            case Average:
                for (var i = 0; i < Math.Min(distance, row.Length); i++)
                    row[i] += (byte)(above[i] >> 1);
                for (var i = distance; i < row.Length; i++)
                    row[i] += (byte)((row[i - distance] + above[i]) >> 1);
                break;
            case Paeth:
                var done = distance is 3 or 4 ? UndoPaethPixels(row, above, distance) : 0;
                for (var i = done; i < row.Length; i++)
                    row[i] += i < distance ? above[i] : Predict(row[i - distance], above[i], above[i - distance]);
                break;
        }
    }

    /// <summary>Applies a filter.</summary>
    /// <param name="filter">0 to 4.</param>
    /// <param name="row">Bytes of the picture.</param>
    /// <param name="above">The row above; zeros above the first row.</param>
    /// <param name="distance">Bytes to the left neighbour.</param>
    /// <param name="target">Filtered bytes, as many as the row has.</param>
    public static void Apply(int filter, ReadOnlySpan<byte> row, ReadOnlySpan<byte> above, int distance, Span<byte> target)
    {
        for (var i = 0; i < row.Length; i++)
        {
            int left = i >= distance ? row[i - distance] : 0, aboveLeft = i >= distance ? above[i - distance] : 0;
            target[i] = (byte)(row[i] - filter switch
            {
                Sub => left,
                Up => above[i],
                Average => (left + above[i]) >> 1,
                Paeth => Predict(left, above[i], aboveLeft),
                _ => 0,
            });
        }
    }

    /// <summary>Paeth for pixels of three or four bytes: each pixel needs the one before, so the lanes are its channels.</summary>
    /// <returns>Bytes done; the last pixel of three bytes is left, because pixels are read as four.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int UndoPaethPixels(Span<byte> row, ReadOnlySpan<byte> above, int distance)
    {
        Vector128<short> left = Vector128<short>.Zero, corner = left;
        var i = 0;
        for (; i + 4 <= row.Length; i += distance)
        {
            var up = WidenPixel(BinaryPrimitives.ReadUInt32LittleEndian(above[i..]));
            Vector128<short> acrossTop = up - corner, downSide = left - corner;
            Vector128<short> toLeft = Vector128.Abs(acrossTop), toAbove = Vector128.Abs(downSide), toCorner = Vector128.Abs(acrossTop + downSide);
            var nearest = Vector128.Min(toCorner, Vector128.Min(toLeft, toAbove));
            var guess = Vector128.ConditionalSelect(Vector128.Equals(nearest, toLeft), left, Vector128.ConditionalSelect(Vector128.Equals(nearest, toAbove), up, corner));
            left = (WidenPixel(BinaryPrimitives.ReadUInt32LittleEndian(row[i..])) + guess) & Vector128.Create((short)0xFF);
            corner = up;
            var pixel = Vector128.Narrow(left.AsUInt16(), left.AsUInt16()).AsUInt32()[0];
            if (distance == 4)
                BinaryPrimitives.WriteUInt32LittleEndian(row[i..], pixel);
            else
            {
                BinaryPrimitives.WriteUInt16LittleEndian(row[i..], (ushort)pixel);
                row[i + 2] = (byte)(pixel >> 16);
            }
        }
        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> WidenPixel(uint pixel) => Vector128.WidenLower(Vector128.CreateScalarUnsafe(pixel).AsByte()).AsInt16();

    private static void AddRows(Span<byte> row, ReadOnlySpan<byte> above)
    {
        var i = 0;
        for (; i + Vector256<byte>.Count <= row.Length; i += Vector256<byte>.Count)
            (Vector256.Create<byte>(row[i..]) + Vector256.Create(above[i..])).CopyTo(row[i..]);
        for (; i < row.Length; i++)
            row[i] += above[i];
    }

    /// <summary>Of left, above and above left the one nearest to left + above - above left; ties in that order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte Predict(int left, int above, int aboveLeft)
    {
        int toLeft = Math.Abs(above - aboveLeft), toAbove = Math.Abs(left - aboveLeft), toAboveLeft = Math.Abs(left + above - 2 * aboveLeft);
        return (byte)(toLeft <= toAbove && toLeft <= toAboveLeft ? left : toAbove <= toAboveLeft ? above : aboveLeft);
    }
}
