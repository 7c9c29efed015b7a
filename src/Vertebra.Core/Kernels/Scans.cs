namespace Vertebra.Kernels;

/// <summary>Walks along the middle axis of [outer, length, inner]: running sums and positions of extremes.</summary>
internal static unsafe class Scans
{
    private const int ColumnsPerPart = 256;

    /// <summary>target[o, l, i] = the sum of source[o, 0..l, i], or of source[o, l.., i] in reverse; summed in float64.</summary>
    public static void CumulativeSum(float* source, float* target, long outer, long length, long inner, bool reverse) =>
        ForEachStrip(outer, inner, (o, column, width) =>
        {
            var sums = stackalloc double[ColumnsPerPart];
            new Span<double>(sums, width).Clear();
            for (long step = 0; step < length; step++)
            {
                var offset = (((o * length) + (reverse ? length - 1 - step : step)) * inner) + column;
                for (var i = 0; i < width; i++)
                    target[offset + i] = (float)(sums[i] += source[offset + i]);
            }
        });

    /// <summary>target[o, i] = the position of the largest source[o, l, i] along l: the first of equals, and NaN counts as largest.</summary>
    public static void ArgMax(float* source, long* target, long outer, long length, long inner) =>
        ForEachStrip(outer, inner, (o, column, width) =>
        {
            for (var i = 0; i < width; i++)
            {
                var line = source + (o * length * inner) + column + i;
                long best = 0;
                for (long l = 1; l < length; l++)
                {
                    if (line[l * inner] > line[best * inner] || (float.IsNaN(line[l * inner]) && !float.IsNaN(line[best * inner])))
                        best = l;
                }
                target[(o * inner) + column + i] = best;
            }
        });

    private static void ForEachStrip(long outer, long inner, Action<long, long, int> body)
    {
        var stripsPerRow = (inner + ColumnsPerPart - 1) / ColumnsPerPart;
        Workers.Run(checked((int)(outer * stripsPerRow)), part =>
        {
            var (o, strip) = Math.DivRem(part, stripsPerRow);
            body(o, strip * ColumnsPerPart, (int)Math.Min(ColumnsPerPart, inner - (strip * ColumnsPerPart)));
        });
    }
}
