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
                for (var i = 0; i < Math.Min(distance, row.Length); i++)
                    row[i] += above[i];
                if (distance == 3)
                    UndoPaeth3(row, above);
                else
                {
                    for (var i = distance; i < row.Length; i++)
                        row[i] += Predict(row[i - distance], above[i], above[i - distance]);
                }
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

    /// <summary>Paeth for RGB: the three channels' chains are kept in registers and run side by side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void UndoPaeth3(Span<byte> row, ReadOnlySpan<byte> above)
    {
        if (row.Length < 3)
            return;
        byte left0 = row[0], left1 = row[1], left2 = row[2];
        for (var i = 3; i + 2 < row.Length; i += 3)
        {
            row[i] = left0 = (byte)(row[i] + Predict(left0, above[i], above[i - 3]));
            row[i + 1] = left1 = (byte)(row[i + 1] + Predict(left1, above[i + 1], above[i - 2]));
            row[i + 2] = left2 = (byte)(row[i + 2] + Predict(left2, above[i + 2], above[i - 1]));
        }
    }

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
