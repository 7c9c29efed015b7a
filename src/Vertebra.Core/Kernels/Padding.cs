namespace Vertebra.Kernels;

/// <summary>Copies an array into a larger one whose margins hold a value or copies of other positions.</summary>
internal static unsafe class Padding
{
    private const int BytesPerPart = 1 << 18;

    /// <summary>Positions [Target, Target + Count) of the innermost padded axis: from Source on, or the fill value where that is negative.</summary>
    private readonly record struct Stretch(long Target, long Source, long Count);

    /// <param name="source">The array to pad.</param>
    /// <param name="sourceSizes">Its sizes.</param>
    /// <param name="target">The padded array.</param>
    /// <param name="origins">For every axis and every position of the target on it: the position of the source, or -1 for the fill value.</param>
    /// <param name="fill">The fill value.</param>
    public static void Run<T>(T* source, ReadOnlySpan<int> sourceSizes, T* target, int[][] origins, T fill) where T : unmanaged
    {
        // Trailing axes that stay as they are make up one element of the innermost axis that does not.
        var axes = origins.Length;
        long element = 1;
        while (axes > 1 && IsUnchanged(origins[axes - 1], sourceSizes[axes - 1]))
            element *= sourceSizes[--axes];
        long lines = 1;
        for (var axis = 0; axis < axes - 1; axis++)
            lines *= origins[axis].Length;
        if (lines == 0 || element == 0 || axes == 0)
        {
            if (axes == 0)
                *target = *source;
            return;
        }
        var sizes = sourceSizes[..axes].ToArray();
        var stretches = Stretches(origins[axes - 1], element);
        var lineLength = origins[axes - 1].Length * element;
        var linesPerPart = Math.Max(Math.Max(1, BytesPerPart / Math.Max(1, lineLength * sizeof(T))), (lines / int.MaxValue) + 1);
        Workers.Run((int)((lines + linesPerPart - 1) / linesPerPart), part =>
        {
            var end = Math.Min((part + 1) * linesPerPart, lines);
            for (var line = part * linesPerPart; line < end; line++)
            {
                var from = SourceLine(line, origins, sizes);
                Line(from < 0 ? null : source + (from * sizes[^1] * element), target + (line * lineLength), stretches, fill);
            }
        });
    }

    private static bool IsUnchanged(int[] origins, int size) => origins.Length == size && (size == 0 || (origins[0] == 0 && origins[^1] == size - 1));

    private static Stretch[] Stretches(int[] origins, long element)
    {
        var stretches = new List<Stretch>();
        for (var i = 0; i < origins.Length;)
        {
            var start = i++;
            var step = origins[start] < 0 ? 0 : 1;
            while (i < origins.Length && origins[i] == origins[i - 1] + step)
                i++;
            stretches.Add(new(start * element, origins[start] * element, (i - start) * element));
        }
        return [.. stretches];
    }

    /// <summary>The line of the source that a line of the target comes from, or -1 for none.</summary>
    private static long SourceLine(long line, int[][] origins, int[] sizes)
    {
        long from = 0, stride = 1;
        for (var axis = sizes.Length - 2; axis >= 0; axis--)
        {
            var origin = origins[axis][line % origins[axis].Length];
            if (origin < 0)
                return -1;
            from += origin * stride;
            stride *= sizes[axis];
            line /= origins[axis].Length;
        }
        return from;
    }

    private static void Line<T>(T* source, T* target, Stretch[] stretches, T fill) where T : unmanaged
    {
        foreach (var stretch in stretches)
        {
            var to = new Span<T>(target + stretch.Target, checked((int)stretch.Count));
            if (source is null || stretch.Source < 0)
                to.Fill(fill);
            else
                new ReadOnlySpan<T>(source + stretch.Source, to.Length).CopyTo(to);
        }
    }
}
