namespace Vertebra.Kernels;

/// <summary>Copies an array into a larger one whose margins hold a value or copies of other positions.</summary>
internal sealed unsafe class Padding
{
    private const int BytesPerPart = 1 << 18;

    /// <summary>Positions [Target, Target + Count) of the innermost padded axis: from Source on, or the fill value where that is negative.</summary>
    private readonly record struct Stretch(long Target, long Source, long Count);

    private readonly int[][] _origins;
    private readonly int[] _sizes; // of the source, without the axes that make up an element
    private readonly Stretch[] _stretches;
    private readonly long _element;
    private readonly long _lineLength;
    private readonly long _lines;

    /// <param name="sourceSizes">Sizes of the array to pad.</param>
    /// <param name="origins">For every axis and every position of the target on it: the position of the source, or -1 for the fill value.</param>
    public Padding(ReadOnlySpan<int> sourceSizes, int[][] origins)
    {
        // Trailing axes that stay as they are make up one element of the innermost axis that does not.
        var axes = origins.Length;
        _element = 1;
        while (axes > 1 && IsUnchanged(origins[axes - 1], sourceSizes[axes - 1]))
            _element *= sourceSizes[--axes];
        _lines = 1;
        for (var axis = 0; axis < axes - 1; axis++)
            _lines *= origins[axis].Length;
        _origins = origins;
        _sizes = sourceSizes[..axes].ToArray();
        _stretches = axes == 0 ? [new(0, 0, 1)] : Stretches(origins[axes - 1], _element);
        _lineLength = axes == 0 ? 1 : origins[axes - 1].Length * _element;
    }

    /// <summary>Pads.</summary>
    /// <param name="source">The array to pad.</param>
    /// <param name="target">The padded array.</param>
    /// <param name="fill">The fill value.</param>
    public void Run<T>(T* source, T* target, T fill) where T : unmanaged
    {
        if (_lines == 0 || _lineLength == 0)
            return;
        var linesPerPart = Math.Max(Math.Max(1, BytesPerPart / Math.Max(1, _lineLength * sizeof(T))), (_lines / int.MaxValue) + 1);
        var job = (Padding: this, Source: (nint)source, Target: (nint)target, fill, linesPerPart);
        Workers.Run((int)((_lines + linesPerPart - 1) / linesPerPart), job, static (in job, part) =>
        {
            var padding = job.Padding;
            var end = Math.Min((part + 1) * job.linesPerPart, padding._lines);
            for (var line = part * job.linesPerPart; line < end; line++)
            {
                var from = padding.SourceLine(line);
                Line(from < 0 ? null : (T*)job.Source + from, (T*)job.Target + (line * padding._lineLength), padding._stretches, job.fill);
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

    /// <summary>Where the line of the source that a line of the target comes from starts, or -1 for none.</summary>
    private long SourceLine(long line)
    {
        if (_sizes.Length == 0)
            return 0;
        long from = 0, stride = _sizes[^1] * _element;
        for (var axis = _sizes.Length - 2; axis >= 0; axis--)
        {
            var origin = _origins[axis][line % _origins[axis].Length];
            if (origin < 0)
                return -1;
            from += origin * stride;
            stride *= _sizes[axis];
            line /= _origins[axis].Length;
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
