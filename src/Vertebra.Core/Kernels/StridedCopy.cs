namespace Vertebra.Kernels;

/// <summary>
/// Moves elements of any size between arrays laid out by strides. Permuting, slicing, joining, flipping and broadcasting
/// are all this copy with other strides.
/// </summary>
internal sealed unsafe class StridedCopy
{
    // Elements along each side of what is copied without looking at the odometer; by shape alone, as all partition is.
    private const int TransposeBandRows = 64;
    private const int TransposeBandColumns = 256;
    private const int LineBand = 1 << 14;
    private const int ElementsPerPart = 1 << 16;

    private readonly int _elementSize;
    private readonly Axis[] _loops; // outer axes, then row bands, then column bands: steps of whole bands
    private readonly Axis _rows;
    private readonly Axis _columns;
    private readonly int _rowBand;
    private readonly int _columnBand;
    private readonly bool _isTranspose;
    private readonly long _blocks;
    private readonly long _blocksPerPart;

    /// <summary>Plans target[Σ i·targetStride] = source[Σ i·sourceStride] for every position i in <paramref name="sizes"/>.</summary>
    /// <param name="sourceStrides">Steps in elements, one per axis; 0 repeats, negative runs backwards.</param>
    /// <param name="targetStrides">Steps in elements, one per axis; no two positions may share a target element.</param>
    /// <param name="sizes">Size of every axis.</param>
    /// <param name="elementSize">Bytes per element: 1, 2, 4 or 8.</param>
    public StridedCopy(ReadOnlySpan<long> sourceStrides, ReadOnlySpan<long> targetStrides, ReadOnlySpan<int> sizes, int elementSize)
    {
        _elementSize = elementSize;
        var axes = Merge(sizes, sourceStrides, targetStrides);
        _columns = new Axis(1, 0, 1);
        if (axes.Count > 0)
        {
            _columns = axes[^1];
            axes.RemoveAt(axes.Count - 1);
        }
        var across = _columns is { Target: 1, Source: not (0 or 1) } ? axes.FindIndex(a => a.Source == 1) : -1;
        _isTranspose = across >= 0;
        (_rows, var at) = _isTranspose ? (axes[across], across) : axes.Count > 0 ? (axes[^1], axes.Count - 1) : (new Axis(1, 0, 0), -1);
        if (at >= 0)
            axes.RemoveAt(at);
        _columnBand = Math.Max(1, Math.Min(_columns.Size, _isTranspose ? TransposeBandColumns : LineBand));
        _rowBand = Math.Max(1, Math.Min(_rows.Size, _isTranspose ? TransposeBandRows : LineBand / _columnBand));
        _loops = [.. axes, Bands(_rows, _rowBand), Bands(_columns, _columnBand)];
        _blocks = sizes.Contains(0) ? 0 : 1;
        foreach (var loop in _loops)
            _blocks *= loop.Size;
        _blocksPerPart = Math.Max(1, ElementsPerPart / (_rowBand * _columnBand));
        _blocksPerPart = Math.Max(_blocksPerPart, (_blocks / int.MaxValue) + 1);
    }

    /// <summary>Copies.</summary>
    /// <param name="source">The element at position 0.</param>
    /// <param name="target">The element at position 0.</param>
    public void Run(byte* source, byte* target)
    {
        if (_blocks == 0)
            return;
        switch (_elementSize)
        {
            case 1: Run<byte>(source, target); break;
            case 2: Run<ushort>(source, target); break;
            case 4: Run<uint>(source, target); break;
            default: Run<ulong>(source, target); break;
        }
    }

    private void Run<T>(byte* source, byte* target) where T : unmanaged =>
        Workers.Run((int)((_blocks + _blocksPerPart - 1) / _blocksPerPart), (Copy: this, Source: (nint)source, Target: (nint)target), static (in job, part) =>
            job.Copy.RunPart((T*)job.Source, (T*)job.Target, part));

    private readonly record struct Axis(int Size, long Source, long Target);

    /// <summary>The axes of size above 1, neighbours made one where both arrays allow it.</summary>
    private static List<Axis> Merge(ReadOnlySpan<int> sizes, ReadOnlySpan<long> sourceStrides, ReadOnlySpan<long> targetStrides)
    {
        var axes = new List<Axis>(sizes.Length + 2);
        for (var i = 0; i < sizes.Length; i++)
        {
            if (sizes[i] == 1)
                continue;
            var axis = new Axis(sizes[i], sourceStrides[i], targetStrides[i]);
            if (axes.Count > 0 && axes[^1].Source == axis.Source * axis.Size && axes[^1].Target == axis.Target * axis.Size && (long)axes[^1].Size * axis.Size <= int.MaxValue)
                axes[^1] = axis with { Size = axis.Size * axes[^1].Size };
            else
                axes.Add(axis);
        }
        return axes;
    }

    private static Axis Bands(Axis axis, int band) => new((axis.Size + band - 1) / band, axis.Source * band, axis.Target * band);

    private void RunPart<T>(T* origin, T* destination, int part) where T : unmanaged
    {
        var block = part * _blocksPerPart;
        var end = Math.Min(block + _blocksPerPart, _blocks);
        Span<int> index = stackalloc int[_loops.Length];
        long from = 0, to = 0;
        var rest = block;
        for (var i = _loops.Length - 1; i >= 0; i--)
        {
            index[i] = (int)(rest % _loops[i].Size);
            rest /= _loops[i].Size;
            from += index[i] * _loops[i].Source;
            to += index[i] * _loops[i].Target;
        }
        while (true)
        {
            var rows = Math.Min(_rowBand, _rows.Size - (index[^2] * _rowBand));
            var columns = Math.Min(_columnBand, _columns.Size - (index[^1] * _columnBand));
            Block(origin + from, destination + to, rows, columns);
            if (++block == end)
                return;
            var axis = _loops.Length - 1;
            while (true)
            {
                var loop = _loops[axis];
                from += loop.Source;
                to += loop.Target;
                if (++index[axis] < loop.Size)
                    break;
                from -= loop.Source * loop.Size;
                to -= loop.Target * loop.Size;
                index[axis--] = 0;
            }
        }
    }

    private void Block<T>(T* source, T* target, int rows, int columns) where T : unmanaged
    {
        if (_isTranspose)
        {
            Transpose.Run(columns, rows, source, _columns.Source, target, _rows.Target);
            return;
        }
        for (; rows > 0; rows--, source += _rows.Source, target += _rows.Target)
        {
            if (_columns is { Source: 1, Target: 1 })
                new ReadOnlySpan<T>(source, columns).CopyTo(new Span<T>(target, columns));
            else if (_columns is { Source: 0, Target: 1 })
                new Span<T>(target, columns).Fill(*source);
            else
                for (var i = 0; i < columns; i++)
                    target[i * _columns.Target] = source[i * _columns.Source];
        }
    }
}
