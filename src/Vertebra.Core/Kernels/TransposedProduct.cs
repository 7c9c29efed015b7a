using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Vertebra.Kernels;

/// <summary>
/// C [M, taps · N] (+)= Aᵀ · B for a long sum over the rows of A [K, M] and of B, of which each tap has rows of its own
/// (<see cref="RowSource"/>): the gradient of a linear layer's or a convolution's weight. Both are copied to where the tiles read
/// them in order, a block of rows at a time: read in place, rows far apart share few sets of the caches and pages of their own. Where
/// there are too few blocks of C for many threads, the rows are cut into chunks by the sizes alone, whose sums are added in order.
/// </summary>
internal unsafe struct TransposedProduct
{
    // A panel of B of this depth and a tile's rows of A are in the first-level cache, a block of A in the second.
    private const int DepthBlock = 256;
    private const int RowBlock = 192;

    private const int PartialNumbers = 1 << 20;
    private const int SmallestChunk = 2 * DepthBlock;
    private const int UnitsWorthCopying = 8;
    private const int FewBlocks = 4;
    private const long SmallestPart = 1 << 20;
    private const int WantedParts = 32;

    // Rows of A no further apart (in numbers) are read where they lie: a block of them is in the second-level cache all the same.
    private const int NearRows = 256;

    // Between the tiles' rows of the copy of A: vectors may be written past a tile's end, and tiles do not share sets of the cache.
    private const int Gap = 16;

    public int M, N, K;

    /// <summary>[K, M], rows <see cref="Lda"/> numbers apart.</summary>
    public float* A;
    public int Lda;
    public RowSource B;

    public float* C;
    public int Ldc;

    /// <summary>Adds to C.</summary>
    public bool Accumulate;

    /// <summary>So many products, of which A, the rows of B and C lie as far apart as the strides say.</summary>
    public int Batch = 1;
    public nint StrideA, StrideB, StrideC;

    public TransposedProduct()
    {
    }

    public readonly void Run<TVector>() where TVector : unmanaged, IVector<TVector>
    {
        var plan = Plan<TVector>();
        var size = (nint)M * Ldc;
        using var partial = Scratch.Take(plan.Chunks > 1 ? plan.Chunks * size : 0);
        var target = plan.Chunks > 1 ? partial.Pointer : C;
        var job = plan.Chunks > 1 ? this with { C = partial.Pointer, Accumulate = false } : this;
        Workers.Run(plan.Parts, (Product: job, plan), static (in job, part) => job.Product.RunPart<TVector>(job.plan, part));
        if (plan.Chunks > 1)
            Workers.Run(M, (Product: this, Sums: (nint)target, plan.Chunks), static (in job, row) => job.Product.AddUp<TVector>((float*)job.Sums, job.Chunks, row));
    }

    // Parts are products × chunks of rows of A and B × blocks of rows of C × runs of units; a unit is a panel of columns of a tap.
    private readonly record struct Partition(int Chunks, int RowBlocks, int UnitRuns, int Units, int Batch)
    {
        public int Parts => Batch * Chunks * RowBlocks * UnitRuns;
    }

    private readonly Partition Plan<TVector>() where TVector : unmanaged, IVector<TVector>
    {
        var units = B.Taps * Panels.Count<TVector>(N);
        var wanted = (int)Math.Clamp((long)Batch * M * N * B.Taps * K / SmallestPart, 1, WantedParts);
        var rowBlocks = (M + RowBlock - 1) / RowBlock;
        var blocks = Batch * rowBlocks;
        var mostChunks = Batch > 1 ? 1 : Math.Min(K / SmallestChunk, PartialNumbers / Math.Max(1, (long)M * Ldc));
        var chunks = (int)Math.Clamp(mostChunks, 1, (wanted + blocks - 1) / blocks);
        blocks *= chunks;
        // Each run of units reads the block of A again.
        var mostRuns = blocks < FewBlocks ? units : units / UnitsWorthCopying;
        return new(chunks, rowBlocks, Math.Clamp((wanted + blocks - 1) / blocks, 1, Math.Max(1, mostRuns)), units, Batch);
    }

    private static (int First, int Count) Share(long whole, int part, int parts)
    {
        var first = (int)(whole * part / parts);
        return (first, (int)(whole * (part + 1) / parts) - first);
    }

    private readonly void RunPart<TVector>(in Partition plan, int part) where TVector : unmanaged, IVector<TVector>
    {
        (part, var run) = Math.DivRem(part, plan.UnitRuns);
        (part, var block) = Math.DivRem(part, plan.RowBlocks);
        var (product, chunk) = Math.DivRem(part, plan.Chunks);
        var (firstUnit, units) = Share(plan.Units, run, plan.UnitRuns);
        var (firstRow, rows) = Share(M, block, plan.RowBlocks);
        var (firstDepth, depths) = Share(K, chunk, plan.Chunks);
        var a = A + product * StrideA + firstRow;
        var c = C + product * StrideC + ((nint)chunk * M + firstRow) * Ldc;
        using var packedA = Scratch.Take(IsNear ? 0 : (long)PlaneOf<TVector>() * Tiles<TVector>(rows));
        using var packedB = Scratch.Take(DepthBlock * Panels.Width<TVector>());
        using var table = Scratch.Take(DepthBlock * 2);
        for (var depth = 0; depth < depths || depth == 0; depth += DepthBlock)
        {
            var count = Math.Min(DepthBlock, depths - depth);
            var left = a + (nint)(firstDepth + depth) * Lda;
            if (!IsNear)
                PackRows<TVector>(left, Lda, count, rows, packedA.Pointer);
            RunUnits<TVector>(
                product, firstDepth + depth, count, firstUnit, units, rows, IsNear ? left : packedA.Pointer, packedB.Pointer, (float**)table.Pointer, c, Accumulate || depth > 0);
        }
    }

    private readonly bool IsNear => Lda <= NearRows;

    private static int Tiles<TVector>(int rows) where TVector : unmanaged, IVector<TVector> =>
        (rows + TileKernel.MaxRows<TVector>(2) - 1) / TileKernel.MaxRows<TVector>(2);

    // Numbers from tile to tile of the copy of A.
    private static int PlaneOf<TVector>() where TVector : unmanaged, IVector<TVector> => DepthBlock * TileKernel.MaxRows<TVector>(2) + Gap;

    // For each tile a row of its numbers for each depth, without gaps; a few depths at a time, of which the rows stay in the first-level cache.
    private static void PackRows<TVector>(float* from, int stride, int depths, int rows, float* to) where TVector : unmanaged, IVector<TVector>
    {
        const int Strip = 8;
        var tiles = Tiles<TVector>(rows);
        for (var depth = 0; depth < depths; depth += Strip, from += Strip * (nint)stride)
        {
            var count = Math.Min(Strip, depths - depth);
            var first = 0;
            for (var tile = 0; tile < tiles; tile++)
            {
                var height = HeightOf(tile, rows, tiles);
                PackTile<TVector>(from + first, stride, count, height, rows - first, to + (nint)tile * PlaneOf<TVector>() + depth * height);
                first += height;
            }
        }
    }

    // The first tiles are taller by one where the rows are not a multiple.
    private static int HeightOf(int tile, int rows, int tiles) => rows / tiles + (tile < rows % tiles ? 1 : 0);

    // Vectors may be written past the row, where the next one follows.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackTile<TVector>(float* from, nint stride, int depths, int height, int readable, float* to) where TVector : unmanaged, IVector<TVector>
    {
        for (; depths > 0; depths--, from += stride, to += height)
        {
            var i = 0;
            for (; i < height && i + TVector.Count <= readable; i += TVector.Count)
                TVector.Load(from + i).Store(to + i);
            if (i < height)
                TVector.LoadFirst(from + i, readable - i).Store(to + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void RunUnits<TVector>(
        int product, int firstDepth, int depths, int firstUnit, int units, int rows, float* block, float* packedB, float** table, float* c, bool accumulate)
        where TVector : unmanaged, IVector<TVector>
    {
        nint noOffset = 0;
        var job = new TileJob { Taps = 1, TapOffsets = &noOffset, Depth = depths };
        var panels = Panels.Count<TVector>(N);
        var tiles = Tiles<TVector>(rows);
        var filled = -1;
        for (var unit = firstUnit; unit < firstUnit + units; unit++)
        {
            var (tap, panel) = Math.DivRem(unit, panels);
            if (tap != filled)
                B.Fill(tap, firstDepth, depths, product * StrideB, table);
            filled = tap;
            var lane = panel * Panels.Width<TVector>();
            var lanes = Math.Min(Panels.Width<TVector>(), N - lane);
            PackPanel<TVector>(table, depths, lane, lanes, packedB);
            job.BStride = Panels.PaddedWidth<TVector>(lanes) * sizeof(float);
            var target = c + (nint)tap * N + lane;
            var left = block;
            for (var tile = 0; tile < tiles; tile++)
            {
                var height = HeightOf(tile, rows, tiles);
                job.DepthStride = (IsNear ? Lda : height) * sizeof(float);
                Kernels.Tiles.Run<TVector, AcrossDepth>(&job, height, sizeof(float), lanes, left, packedB, null, target, Ldc, accumulate);
                left += IsNear ? height : PlaneOf<TVector>();
                target += (nint)height * Ldc;
                if (panel + 1 < panels)
                    Fetch<TVector>(table, depths * tile / tiles, depths * (tile + 1) / tiles, lane + Panels.Width<TVector>());
            }
        }
    }

    // Rows of the next panel lie far apart, where the processor does not fetch ahead by itself.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch<TVector>(float** rows, int first, int end, int lane) where TVector : unmanaged, IVector<TVector>
    {
        if (!Sse.IsSupported)
            return;
        for (var i = first; i < end; i++)
        {
            if (rows[i] != null)
                Sse.Prefetch1(rows[i] + lane);
        }
    }

    // Some columns of the rows of B, the missing ones of the last vector zero.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackPanel<TVector>(float** rows, int depths, int lane, int lanes, float* to) where TVector : unmanaged, IVector<TVector>
    {
        var width = Panels.PaddedWidth<TVector>(lanes);
        var last = width - TVector.Count;
        for (var depth = 0; depth < depths; depth++, to += width)
        {
            var from = rows[depth];
            if (last > 0)
                (from == null ? TVector.Zero : TVector.Load(from + lane)).Store(to);
            var end = from == null ? TVector.Zero
                : lanes == width ? TVector.Load(from + lane + last) : TVector.LoadFirst(from + lane + last, lanes - last);
            end.Store(to + last);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void AddUp<TVector>(float* sums, int chunks, int row) where TVector : unmanaged, IVector<TVector>
    {
        var size = (nint)M * Ldc;
        var target = C + (nint)row * Ldc;
        sums += (nint)row * Ldc;
        var columns = B.Taps * N;
        var i = 0;
        for (; i <= columns - TVector.Count; i += TVector.Count)
            AddUpAt<TVector>(sums + i, size, chunks, target + i);
        for (; i < columns; i++)
            AddUpAt<V1>(sums + i, size, chunks, target + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void AddUpAt<TVector>(float* sums, nint size, int chunks, float* target) where TVector : unmanaged, IVector<TVector>
    {
        var sum = Accumulate ? TVector.Load(target) : TVector.Zero;
        for (var chunk = 0; chunk < chunks; chunk++)
            sum += TVector.Load(sums + size * chunk);
        sum.Store(target);
    }
}

/// <summary>
/// The rows of the right operand of a <see cref="TransposedProduct"/>: those of a matrix, or for every tap of a convolution the pixels
/// that it reads for one output after the other.
/// </summary>
internal readonly unsafe struct RowSource
{
    private readonly float* _first;
    private readonly nint _stride;
    private readonly ConvShape _shape;

    /// <summary>The rows of a matrix, <paramref name="stride"/> numbers apart.</summary>
    public RowSource(float* first, nint stride)
    {
        _first = first;
        _stride = stride;
        Taps = 1;
    }

    /// <summary>The pixels of <paramref name="x"/> [N, H, W, C] under the taps of a convolution.</summary>
    public RowSource(in ConvShape shape, float* x)
    {
        _first = x;
        _shape = shape;
        Taps = shape.KH * shape.KW;
    }

    public int Taps { get; }

    /// <summary>Where rows <paramref name="first"/> and following of tap <paramref name="tap"/> begin; null for rows of zeros.</summary>
    public void Fill(int tap, int first, int count, nint offset, float** rows)
    {
        if (_shape.OC > 0)
        {
            FillPixels(tap, first, count, rows);
            return;
        }
        var row = _first + offset + first * _stride;
        for (var i = 0; i < count; i++, row += _stride)
            rows[i] = row;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FillPixels(int tap, int first, int count, float** rows)
    {
        var (oh, ow) = (_shape.OH, _shape.OW);
        var (line, column) = Math.DivRem(first, ow);
        var (image, row) = Math.DivRem(line, oh);
        var top = tap / _shape.KW * _shape.DilationH - _shape.PadTop;
        var left = tap % _shape.KW * _shape.DilationW - _shape.PadLeft;
        for (var i = 0; i < count; i++)
        {
            var (y, x) = (row * _shape.StrideH + top, column * _shape.StrideW + left);
            var isInside = y >= 0 && y < _shape.H && x >= 0 && x < _shape.W;
            rows[i] = null;
            if (isInside)
                rows[i] = _first + (((nint)image * _shape.H + y) * _shape.W + x) * _shape.C;
            if (++column < ow)
                continue;
            column = 0;
            if (++row < oh)
                continue;
            row = 0;
            image++;
        }
    }
}
