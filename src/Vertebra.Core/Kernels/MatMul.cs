using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// Matrix products in float32, row-major: C (+)= op(A) · op(B), where op is the matrix or its transpose. The order of the
/// additions follows from the sizes alone: the bits do not depend on the number of threads.
/// </summary>
internal static unsafe class MatMul
{
    // k is cut here, so that a panel of B and the rows of A beside it stay in the second-level cache.
    private const int DepthBlock = 2048;

    // B read where it lies: its rows may be pages apart, so a few of them are gone along before the next ones are.
    private const int UnpackedDepthBlock = 32;
    private const int RowBlockBytes = 384 << 10;

    // Not more than this is not cut: B would be read again from further away than the cache that A overflows into.
    private const int UncutRowBytes = 768 << 10;
    private const int PanelsInCacheBytes = 256 << 10;
    private const int StripRows = 112;

    // Below this many multiply-adds a product is not worth waking another thread.
    private const long SmallestShared = 1 << 17;
    private const long SmallestPart = 1 << 19;

    // With no more rows than this, B is read once and packing it would cost more than it saves.
    private const int RowsWithoutPacking = 28;
    private const int RowsByDotProducts = 12;

    // With so many rows of a transposed A it is worth copying what the tiles read.
    private const int LeastSummed = 64;

    /// <summary>C [m, n] (+)= op(A) [m, k] · op(B) [k, n] (+ bias [n]).</summary>
    /// <remarks>
    /// A is stored [m, k], or [k, m] when <paramref name="transA"/>; B [k, n], or [n, k] when <paramref name="transB"/>; lda, ldb and
    /// ldc are the row strides in numbers of the matrices as stored. <paramref name="bias"/> is null, or a row added to every row;
    /// it is ignored with <paramref name="accumulate"/>, which adds to C instead of overwriting it.
    /// </remarks>
    public static void Run(
        int m, int n, int k, float* a, int lda, bool transA, float* b, int ldb, bool transB, float* c, int ldc,
        bool accumulate = false, float* bias = null)
    {
        new Product(m, n, k, a, lda, transA, b, ldb, transB, null, c, ldc, accumulate, bias, default).Run();
    }

    /// <summary>C [m, n] (+)= op(A) [m, k] · packed B [k, n] (+ bias [n]).</summary>
    public static void Run(
        int m, float* a, int lda, bool transA, PackedMatrix b, float* c, int ldc, bool accumulate = false, float* bias = null,
        in Epilogue epilogue = default)
    {
        RunPacked(m, b.N, b.K, a, lda, transA, b.Data, c, ldc, accumulate, bias, epilogue);
        GC.KeepAlive(b);
    }

    /// <summary>The same with B in the packed form of <see cref="Panels"/> for the level this process runs at.</summary>
    public static void RunPacked(
        int m, int n, int k, float* a, int lda, bool transA, float* packedB, float* c, int ldc, bool accumulate = false, float* bias = null,
        in Epilogue epilogue = default)
    {
        new Product(m, n, k, a, lda, transA, null, 0, false, packedB, c, ldc, accumulate, bias, epilogue).Run();
    }

    /// <summary>
    /// For each i below <paramref name="batch"/>: C_i (+)= op(A_i) · op(B_i), where X_i starts <c>strideX</c> numbers after X_(i-1);
    /// a stride of 0 for A or B uses the same matrix in every product.
    /// </summary>
    public static void RunBatch(
        int batch, int m, int n, int k, float* a, int lda, bool transA, long strideA, float* b, int ldb, bool transB, long strideB,
        float* c, int ldc, long strideC, bool accumulate = false)
    {
        // One B for all, and A and C without gaps: a single tall product.
        if (strideB == 0 && !transA && strideA == (long)m * lda && strideC == (long)m * ldc && (long)batch * m <= int.MaxValue)
        {
            Run(batch * m, n, k, a, lda, false, b, ldb, transB, c, ldc, accumulate);
            return;
        }
        var work = Math.Max(1, (long)m * n * k);
        if (work >= 32 * SmallestPart || batch == 1)
        {
            for (var i = 0; i < batch; i++)
                Run(m, n, k, a + i * strideA, lda, transA, b + i * strideB, ldb, transB, c + i * strideC, ldc, accumulate);
            return;
        }
        var perPart = (int)Math.Clamp(SmallestPart / work, 1, batch == 0 ? 1 : batch);
        var first = new Product(m, n, k, a, lda, transA, b, ldb, transB, null, c, ldc, accumulate, null, default);
        Workers.Run((batch + perPart - 1) / perPart, (First: first, batch, perPart, strideA, strideB, strideC), static (in job, part) =>
        {
            for (var i = part * job.perPart; i < Math.Min(job.batch, (part + 1) * job.perPart); i++)
                job.First.At(i * job.strideA, i * job.strideB, i * job.strideC).Run();
        });
    }

    private readonly struct Product(
        int m, int n, int k, float* a, int lda, bool transA, float* b, int ldb, bool transB, float* packedB,
        float* c, int ldc, bool accumulate, float* bias, Epilogue epilogue)
    {
        /// <summary>The same product of matrices that lie further on.</summary>
        public Product At(long offsetA, long offsetB, long offsetC) =>
            new(m, n, k, a + offsetA, lda, transA, b + offsetB, ldb, transB, packedB, c + offsetC, ldc, accumulate, bias, epilogue);

        public void Run()
        {
            switch (Simd.Level)
            {
                case SimdLevel.Vector512: Run<V512>(); break;
                case SimdLevel.Vector256: Run<V256>(); break;
                case SimdLevel.Vector128: Run<V128>(); break;
                default: Run<V1>(); break;
            }
        }

        private void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            if (m == 0 || n == 0)
                return;
            if (packedB == null && transA && !transB && k >= LeastSummed && (long)m * n * k >= SmallestShared)
                RunTransposed<TVector>();
            else if (packedB == null && transB && !transA && m <= RowsByDotProducts && k >= 4 * TVector.Count)
                DotProducts.Run<TVector>(m, n, k, a, lda, b, ldb, c, ldc, accumulate, bias);
            else if (packedB != null || (!transB && m <= RowsWithoutPacking))
                RunBlocks<TVector>(packedB);
            else
                RunPacking<TVector>();
        }

        private void RunTransposed<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            if (bias != null && !accumulate)
            {
                for (var row = 0; row < m; row++)
                    new ReadOnlySpan<float>(bias, n).CopyTo(new Span<float>(c + (nint)row * ldc, n));
            }
            new TransposedProduct
            {
                M = m, N = n, K = k, A = a, Lda = lda, B = new(b, ldb), C = c, Ldc = ldc, Accumulate = accumulate || bias != null,
            }.Run<TVector>();
        }

        private void RunPacking<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            using var packed = Scratch.Take((long)k * Panels.PaddedColumns<TVector>(n));
            Panels.PackAll<TVector>(k, n, b, ldb, transB, packed.Pointer);
            RunBlocks<TVector>(packed.Pointer);
        }

        // Parts are blocks of rows × groups of panels.
        private void RunBlocks<TVector>(float* packed) where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            var depth = Math.Min(k, DepthBlock);
            var tile = TileKernel.MaxRows<TVector>(2);
            var rowBlock = (long)m * depth * sizeof(float) <= UncutRowBytes ? m : Math.Min(m, Math.Max(1, RowBlockBytes / sizeof(float) / Math.Max(1, depth) / tile) * tile);
            var panels = Panels.Count<TVector>(n);
            var work = (long)m * n * k;
            if (work < SmallestShared)
            {
                RunPart<TVector>(packed, 0, m, 0, panels);
                return;
            }
            var rowBlocks = (m + rowBlock - 1) / rowBlock;
            var wanted = (int)Math.Clamp(work / SmallestPart, 1, 64);
            var panelGroups = Math.Clamp(wanted / rowBlocks, 1, panels);
            // Few panels and few, tall blocks of rows: cut the rows finer.
            if (rowBlocks * panelGroups < wanted)
                rowBlocks = Math.Min((m + tile - 1) / tile, (wanted + panelGroups - 1) / panelGroups);
            Workers.Run(rowBlocks * panelGroups, (Product: self, Packed: (nint)packed, rowBlocks, panelGroups), static (in job, part) =>
                job.Product.RunGridPart<TVector>((float*)job.Packed, part, job.rowBlocks, job.panelGroups));
        }

        private void RunGridPart<TVector>(float* packed, int part, int rowBlocks, int panelGroups) where TVector : unmanaged, IVector<TVector>
        {
            var block = part / panelGroups;
            var group = part % panelGroups;
            var panels = Panels.Count<TVector>(n);
            var firstRow = (int)((long)m * block / rowBlocks);
            var endRow = (int)((long)m * (block + 1) / rowBlocks);
            RunPart<TVector>(
                packed, firstRow, endRow - firstRow, (int)((long)panels * group / panelGroups), (int)((long)panels * (group + 1) / panelGroups));
        }

        // Rows of A a multiple of this many bytes apart fall on the same sets of the first-level cache and drive each other out.
        private const int AwkwardStride = 4096;
        private const int PanelsWorthCopying = 4;

        private void RunPart<TVector>(float* packed, int firstRow, int rows, int firstPanel, int endPanel)
            where TVector : unmanaged, IVector<TVector>
        {
            var block = a + (transA ? firstRow : (nint)firstRow * lda);
            if (lda * sizeof(float) % AwkwardStride != 0 || rows < 4 || endPanel - firstPanel < PanelsWorthCopying)
            {
                RunStrips<TVector>(packed, block, lda, firstRow, rows, firstPanel, endPanel);
                return;
            }
            var (lines, length) = transA ? (k, rows) : (rows, k);
            var stride = (length + 15) / 16 * 16 + 16;
            using var copy = Scratch.Take((long)lines * stride);
            for (var line = 0; line < lines; line++)
                new ReadOnlySpan<float>(block + (nint)line * lda, length).CopyTo(new Span<float>(copy.Pointer + (nint)line * stride, length));
            RunStrips<TVector>(packed, copy.Pointer, stride, firstRow, rows, firstPanel, endPanel);
        }

        // block is A from the part's first row on.
        private void RunStrips<TVector>(float* packed, float* block, int stride, int firstRow, int rows, int firstPanel, int endPanel)
            where TVector : unmanaged, IVector<TVector>
        {
            var panelBytes = (long)k * (endPanel - firstPanel) * Panels.Width<TVector>() * sizeof(float);
            if (packed == null || panelBytes > PanelsInCacheBytes || k > DepthBlock)
            {
                RunStrip<TVector>(packed, block, stride, firstRow, rows, firstPanel, endPanel);
                return;
            }
            // All panels stay in the cache: go down A and C once, a strip of rows at a time.
            var strip = StripRows / TileKernel.MaxRows<TVector>(2) * TileKernel.MaxRows<TVector>(2);
            if (StreamsStrips<TVector>(firstPanel, endPanel))
            {
                RunStreamedStrips<TVector>(packed, block, stride, firstRow, rows, strip, endPanel);
                return;
            }
            for (var row = 0; row < rows; row += strip)
            {
                var height = Math.Min(strip, rows - row);
                var rowStep = transA ? 1 : (nint)stride;
                RunStrip<TVector>(packed, block + row * rowStep, stride, firstRow + row, height, firstPanel, endPanel);
            }
        }

        // Whole rows of C without gaps that are no whole cache lines, but would better go past the caches.
        private bool StreamsStrips<TVector>(int firstPanel, int endPanel) where TVector : unmanaged, IVector<TVector> =>
            ldc == n && !transA && !accumulate && epilogue.Residual == null && firstPanel == 0 && endPanel == Panels.Count<TVector>(n)
            && Epilogue.Streams(c, (long)m * n, Panels.Width<TVector>(), k) && !Epilogue.Streams(c, (long)m * n, ldc, k);

        // Strips come to a copy in the cache first, and from there to C in whole lines.
        private void RunStreamedStrips<TVector>(float* packed, float* block, int stride, int firstRow, int rows, int strip, int endPanel)
            where TVector : unmanaged, IVector<TVector>
        {
            using var copy = Scratch.Take((long)strip * n);
            for (var row = 0; row < rows; row += strip)
            {
                var height = Math.Min(strip, rows - row);
                new Product(height, n, k, a, lda, transA, b, ldb, transB, packedB, copy.Pointer, n, false, bias, epilogue)
                    .RunStrip<TVector>(packed, block + row * (nint)stride, stride, 0, height, 0, endPanel);
                StreamedCopy<TVector>(copy.Pointer, c + (firstRow + row) * (nint)n, (long)height * n);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void StreamedCopy<TVector>(float* from, float* to, long count) where TVector : unmanaged, IVector<TVector>
        {
            long i = 0;
            for (; i < count && (nint)(to + i) % (TVector.Count * sizeof(float)) != 0; i++)
                to[i] = from[i];
            for (; i <= count - TVector.Count; i += TVector.Count)
                TVector.Load(from + i).StoreStreaming(to + i);
            for (; i < count; i++)
                to[i] = from[i];
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void RunStrip<TVector>(float* packed, float* block, int stride, int firstRow, int rows, int firstPanel, int endPanel)
            where TVector : unmanaged, IVector<TVector>
        {
            nint noOffset = 0;
            var job = new TileJob
            {
                Taps = 1, TapOffsets = &noOffset, RowStride = (nint)stride * sizeof(float), DepthStride = (nint)stride * sizeof(float),
            };
            var width = Panels.Width<TVector>();
            var depthBlock = packed == null ? UnpackedDepthBlock : DepthBlock;
            for (var depth0 = 0; depth0 == 0 || depth0 < k; depth0 += depthBlock)
            {
                job.Depth = Math.Min(depthBlock, k - depth0);
                epilogue.SetLimits(&job, isLast: depth0 + job.Depth >= k);
                job.Streams = epilogue.Residual != c && k <= depthBlock && Epilogue.Streams(c, (long)m * n, ldc, k);
                var function = depth0 + job.Depth >= k ? epilogue.Function : null;
                var left = block + (transA ? (nint)depth0 * stride : depth0);
                for (var panel = firstPanel; panel < endPanel; panel++)
                {
                    var column = panel * width;
                    var lanes = Math.Min(width, n - column);
                    var padded = Panels.PaddedWidth<TVector>(lanes);
                    var target = c + (nint)firstRow * ldc + column;
                    var panelBias = bias == null ? null : bias + column;
                    var adding = accumulate || depth0 > 0;
                    if (packed != null)
                    {
                        job.BStride = padded * sizeof(float);
                        RunTiles<TVector>(&job, rows, lanes, left, packed + (nint)column * k + (nint)depth0 * padded, panelBias, target, adding, function);
                    }
                    else if (lanes == padded)
                    {
                        job.BStride = (nint)ldb * sizeof(float);
                        RunTiles<TVector>(&job, rows, lanes, left, b + (nint)depth0 * ldb + column, panelBias, target, adding, function);
                    }
                    else
                    {
                        // The last columns of an unpacked B: a vector load would pass the end of the row.
                        using var edge = Scratch.Take((long)job.Depth * padded);
                        Panels.Pack<TVector>(0, job.Depth, lanes, b + (nint)depth0 * ldb + column, ldb, false, edge.Pointer);
                        job.BStride = padded * sizeof(float);
                        RunTiles<TVector>(&job, rows, lanes, left, edge.Pointer, panelBias, target, adding, function);
                    }
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void RunTiles<TVector>(TileJob* job, int rows, int lanes, float* left, float* panel, float* panelBias, float* target, bool adding, ILineFunction? function)
            where TVector : unmanaged, IVector<TVector>
        {
            var residual = adding ? null : epilogue.ResidualAt(c, target);
            if (transA)
                Tiles.Run<TVector, AcrossDepth>(job, rows, sizeof(float), lanes, left, panel, panelBias, target, ldc, adding, residual, function);
            else
                Tiles.Run<TVector, AlongDepth>(job, rows, job->RowStride, lanes, left, panel, panelBias, target, ldc, adding, residual, function);
        }
    }
}
