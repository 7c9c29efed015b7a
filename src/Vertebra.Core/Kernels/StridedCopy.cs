namespace Vertebra.Kernels;

/// <summary>
/// Moves elements of any size between arrays laid out by strides. Permuting, slicing, joining, flipping and broadcasting
/// are all this copy with other strides.
/// </summary>
internal static unsafe class StridedCopy
{
    // Elements along each side of what is copied without looking at the odometer; by shape alone, as all partition is.
    private const int TransposeBandRows = 64;
    private const int TransposeBandColumns = 256;
    private const int LineBand = 1 << 14;
    private const int ElementsPerPart = 1 << 16;

    /// <summary>target[Σ i·targetStride] = source[Σ i·sourceStride] for every position i in <paramref name="sizes"/>.</summary>
    /// <param name="source">The element at position 0.</param>
    /// <param name="sourceStrides">Steps in elements, one per axis; 0 repeats, negative runs backwards.</param>
    /// <param name="target">The element at position 0; no two positions may share a target element.</param>
    /// <param name="targetStrides">Steps in elements, one per axis.</param>
    /// <param name="sizes">Size of every axis.</param>
    /// <param name="elementSize">Bytes per element: 1, 2, 4 or 8.</param>
    public static void Run(byte* source, ReadOnlySpan<long> sourceStrides, byte* target, ReadOnlySpan<long> targetStrides, ReadOnlySpan<int> sizes, int elementSize)
    {
        if (sizes.Contains(0))
            return;
        var axes = Merge(sizes, sourceStrides, targetStrides);
        switch (elementSize)
        {
            case 1: Run(source, target, axes); break;
            case 2: Run((ushort*)source, (ushort*)target, axes); break;
            case 4: Run((uint*)source, (uint*)target, axes); break;
            default: Run((ulong*)source, (ulong*)target, axes); break;
        }
    }

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

    private static void Run<T>(T* source, T* target, List<Axis> axes) where T : unmanaged
    {
        if (axes.Count == 0)
        {
            *target = *source;
            return;
        }
        var columns = axes[^1];
        axes.RemoveAt(axes.Count - 1);
        var across = columns is { Target: 1, Source: not (0 or 1) } ? axes.FindIndex(a => a.Source == 1) : -1;
        var isTranspose = across >= 0;
        var (rows, at) = isTranspose ? (axes[across], across) : axes.Count > 0 ? (axes[^1], axes.Count - 1) : (new Axis(1, 0, 0), -1);
        if (at >= 0)
            axes.RemoveAt(at);
        var columnBand = Math.Min(columns.Size, isTranspose ? TransposeBandColumns : LineBand);
        var rowBand = Math.Min(rows.Size, isTranspose ? TransposeBandRows : LineBand / columnBand);
        var job = new Job<T>(source, target, axes, rows, columns, rowBand, columnBand, isTranspose);
        if (job.Parts == 1)
            job.RunPart(0);
        else
            Workers.Run(job.Parts, job.RunPart);
    }

    /// <summary>A grid of blocks, rows × columns each, counted by an odometer over the other axes and the bands.</summary>
    private sealed class Job<T> where T : unmanaged
    {
        private readonly T* _source;
        private readonly T* _target;
        private readonly Axis[] _loops; // outer axes, then row bands, then column bands: steps of whole bands
        private readonly Axis _rows;
        private readonly Axis _columns;
        private readonly int _rowBand;
        private readonly int _columnBand;
        private readonly bool _isTranspose;
        private readonly long _blocks;
        private readonly long _blocksPerPart;

        public Job(T* source, T* target, List<Axis> outer, Axis rows, Axis columns, int rowBand, int columnBand, bool isTranspose)
        {
            _source = source;
            _target = target;
            (_rows, _columns) = (rows, columns);
            (_rowBand, _columnBand, _isTranspose) = (rowBand, columnBand, isTranspose);
            _loops = [.. outer, Bands(rows, _rowBand), Bands(columns, _columnBand)];
            _blocks = 1;
            foreach (var loop in _loops)
                _blocks *= loop.Size;
            _blocksPerPart = Math.Max(1, ElementsPerPart / (_rowBand * _columnBand));
            _blocksPerPart = Math.Max(_blocksPerPart, (_blocks / int.MaxValue) + 1);
        }

        public int Parts => (int)((_blocks + _blocksPerPart - 1) / _blocksPerPart);

        private static Axis Bands(Axis axis, int band) => new((axis.Size + band - 1) / band, axis.Source * band, axis.Target * band);

        public void RunPart(int part)
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
                Block(_source + from, _target + to, rows, columns);
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

        private void Block(T* source, T* target, int rows, int columns)
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
}
