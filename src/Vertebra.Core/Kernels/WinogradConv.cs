using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// A 3 × 3 convolution of stride 1 by one of Winograd's schemes. The output is cut into squares; squares are taken in blocks, and of
/// a block the inputs are transformed, multiplied by the transformed filters (a matrix product for each of the products of a square),
/// and the products transformed to results while all of it is in the second-level cache. The bits of a result depend on neither
/// blocks nor threads: every product is one chain of multiply-adds over the channels.
/// </summary>
internal unsafe struct WinogradConv
{
    // The transformed inputs of a block; beside them the products of one panel and its filters are in the cache.
    private const int BlockBytes = 512 << 10;

    // With fewer blocks the threads share out the panels of filters instead.
    private const int FewBlocks = 4;
    private const int MostParts = 64;
    private const int SquaresPerPart = 8;

    // Rows a multiple of 4096 bytes apart drive each other out of the first-level cache.
    private const int Gap = 16;
    private const int PanelWidth = 32;
    private const int LargestSide = 6;

    public float* X;
    public int N, H, W, C;

    public float* Y;
    public int OutH, OutW, OC;

    /// <summary>The row and column of the input at which the window of output (0, 0) begins; what is outside the image is zero.</summary>
    public int FirstRow, FirstColumn;

    /// <summary>Filters as <see cref="WinogradPacking"/> makes them.</summary>
    public float* Weights;

    /// <summary>Null, or OC numbers.</summary>
    public float* Bias;
    public Epilogue Epilogue;

    public readonly void Run(ConvMethod method)
    {
        switch (ConvPacking.LevelFor(OC))
        {
            case SimdLevel.Vector512: Run<V512>(method); break;
            case SimdLevel.Vector256: Run<V256>(method); break;
            case SimdLevel.Vector128: Run<V128>(method); break;
            default: Run<V1>(method); break;
        }
    }

    private readonly void Run<TVector>(ConvMethod method) where TVector : unmanaged, IVector<TVector>
    {
        if (method == ConvMethod.Winograd4)
            Run<TVector, WinogradF4>();
        else
            Run<TVector, WinogradF2>();
    }

    // Squares down and across an image, the blocks they are cut into, and the sizes of a block: numbers from square to square of the
    // transformed inputs, and from product to product of inputs and results.
    internal readonly record struct Partition(int Down, int Across, int Squares, int Blocks, int Panels, nint RowStride)
    {
        public int BlockSquares => (Squares + Blocks - 1) / Blocks;

        public nint PlaneOf(int squares) => squares * RowStride + Gap;

        public static nint ProductPlaneOf(int squares) => (nint)squares * PanelWidth + Gap;

        public (int First, int End) Block(int block) => ((int)((long)Squares * block / Blocks), (int)((long)Squares * (block + 1) / Blocks));
    }

    internal readonly Partition Plan<TVector, TScheme>()
        where TVector : unmanaged, IVector<TVector>
        where TScheme : IWinogradScheme
    {
        var (down, across) = ((OutH + TScheme.Results - 1) / TScheme.Results, (OutW + TScheme.Results - 1) / TScheme.Results);
        var squares = checked(N * down * across);
        var rowStride = (nint)Panels.PaddedColumns<TVector>(C) + Gap;
        var tile = TileKernel.MaxRows<TVector>(2);
        var fitting = (int)(BlockBytes / (TScheme.Side * TScheme.Side * rowStride * sizeof(float)) / tile * tile);
        var blockSquares = Math.Clamp(fitting, 2 * tile, 56 / tile * tile);
        var blocks = (squares + blockSquares - 1) / blockSquares;
        // An even number leaves no core of two without work.
        if (blocks is > 1 and < 16)
            blocks += blocks % 2;
        var panels = Panels.Count<TVector>(OC);
        // Neither many blocks nor many panels: every thread is given a block, even if it is small.
        if (panels < FewBlocks)
            blocks = Math.Max(blocks, squares >= FewBlocks * tile ? FewBlocks : 2);
        return new(down, across, squares, Math.Min(blocks, squares), panels, rowStride);
    }

    private readonly void Run<TVector, TScheme>()
        where TVector : unmanaged, IVector<TVector>
        where TScheme : IWinogradScheme
    {
        var plan = Plan<TVector, TScheme>();
        if (plan.Squares == 0)
            return;
        var self = this;
        if (plan.Blocks >= FewBlocks || plan.Panels < FewBlocks)
        {
            Workers.Run(Math.Min(plan.Blocks, MostParts), (Conv: self, plan), static (in job, part) => job.Conv.RunBlocks<TVector, TScheme>(job.plan, part));
            return;
        }
        using var transformed = Scratch.Take(TScheme.Side * TScheme.Side * plan.PlaneOf(plan.Squares));
        var inputs = (nint)transformed.Pointer;
        Workers.Run((plan.Squares + SquaresPerPart - 1) / SquaresPerPart, (Conv: self, plan, inputs), static (in job, part) =>
            job.Conv.TransformInputs<TVector, TScheme>(
                job.plan, part * SquaresPerPart, Math.Min(job.plan.Squares, (part + 1) * SquaresPerPart),
                (float*)job.inputs + part * SquaresPerPart * job.plan.RowStride, job.plan.PlaneOf(job.plan.Squares)));
        Workers.Run(plan.Panels, (Conv: self, plan, inputs), static (in job, panel) =>
        {
            using var products = Scratch.Take(TScheme.Side * TScheme.Side * Partition.ProductPlaneOf(job.plan.BlockSquares));
            for (var block = 0; block < job.plan.Blocks; block++)
            {
                var (first, end) = job.plan.Block(block);
                job.Conv.RunPanel<TVector, TScheme>(
                    job.plan, panel, first, end, (float*)job.inputs + first * job.plan.RowStride, job.plan.PlaneOf(job.plan.Squares), products.Pointer);
                job.Conv.Finish<TScheme>(job.plan, first, end, panel * Panels.Width<TVector>(), Panels.Width<TVector>());
            }
        });
    }

    private readonly void RunBlocks<TVector, TScheme>(in Partition plan, int part)
        where TVector : unmanaged, IVector<TVector>
        where TScheme : IWinogradScheme
    {
        var parts = Math.Min(plan.Blocks, MostParts);
        var products = TScheme.Side * TScheme.Side;
        using var inputs = Scratch.Take(products * plan.PlaneOf(plan.BlockSquares));
        using var results = Scratch.Take(products * Partition.ProductPlaneOf(plan.BlockSquares));
        var endBlock = (int)((long)plan.Blocks * (part + 1) / parts);
        for (var block = (int)((long)plan.Blocks * part / parts); block < endBlock; block++)
        {
            var (first, end) = plan.Block(block);
            var plane = plan.PlaneOf(end - first);
            TransformInputs<TVector, TScheme>(plan, first, end, inputs.Pointer, plane);
            for (var panel = 0; panel < plan.Panels; panel++)
                RunPanel<TVector, TScheme>(plan, panel, first, end, inputs.Pointer, plane, results.Pointer);
            Finish<TScheme>(plan, first, end, 0, OC);
        }
    }

    /// <summary>The place of a square: its image, and its first row and column of the output.</summary>
    internal static (int Image, int Row, int Column) Place<TScheme>(in Partition plan, int square) where TScheme : IWinogradScheme
    {
        var (line, column) = (square / plan.Across, square % plan.Across);
        return (line / plan.Down, line % plan.Down * TScheme.Results, column * TScheme.Results);
    }

    // Squares first to end; to is the place of the first, planes lie between the products of a square.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    internal readonly void TransformInputs<TVector, TScheme>(in Partition plan, int first, int end, float* to, nint plane)
        where TVector : unmanaged, IVector<TVector>
        where TScheme : IWinogradScheme
    {
        var room = stackalloc float[(LargestSide * LargestSide + 1) * 16];
        var scratch = Aligned(room);
        for (var square = first; square < end; square++, to += plan.RowStride)
        {
            var (image, outRow, outColumn) = Place<TScheme>(plan, square);
            var (row, column) = (outRow + FirstRow, outColumn + FirstColumn);
            var window = new Window
            {
                First = X + (((nint)image * H + row) * W + column) * C,
                RowStride = (nint)W * C,
                ColumnStride = C,
                FirstRow = Math.Max(0, -row),
                EndRow = Math.Min(TScheme.Side, H - row),
                FirstColumn = Math.Max(0, -column),
                EndColumn = Math.Min(TScheme.Side, W - column),
            };
            var isInside = window.FirstColumn == 0 && window.EndColumn == TScheme.Side;
            var channel = 0;
            for (; channel <= C - TVector.Count; channel += TVector.Count)
            {
                if (isInside)
                    TransformInput<TVector, TScheme, N0>(window, channel, TVector.Count, scratch, to + channel, plane);
                else
                    TransformInput<TVector, TScheme, N1>(window, channel, TVector.Count, scratch, to + channel, plane);
            }
            if (channel < C)
                TransformInput<TVector, TScheme, N1>(window, channel, C - channel, scratch, to + channel, plane);
        }
    }

    /// <summary>The inputs of a square, and those of its rows and columns that are in the image.</summary>
    private struct Window
    {
        public float* First;
        public nint RowStride, ColumnStride;
        public int FirstRow, EndRow, FirstColumn, EndColumn;
    }

    // One vector of channels of a square. At an edge (TEdge), columns may be outside and the vector may be cut off.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransformInput<TVector, TScheme, TEdge>(in Window window, int channel, int count, float* scratch, float* to, nint plane)
        where TVector : unmanaged, IVector<TVector>
        where TScheme : IWinogradScheme
        where TEdge : IConstant
    {
        var side = TScheme.Side;
        var (columns, step, next) = (window.ColumnStride, TVector.Count, side * TVector.Count);
        for (var row = 0; row < side; row++)
        {
            var target = scratch + row * next;
            if (row < window.FirstRow || row >= window.EndRow)
            {
                for (var column = 0; column < side; column++)
                    TVector.Zero.Store(target + column * step);
                continue;
            }
            var x = window.First + row * window.RowStride + channel;
            if (TEdge.Value == 0)
            {
                TScheme.Input(
                    TVector.Load(x), TVector.Load(x + columns), TVector.Load(x + 2 * columns), TVector.Load(x + 3 * columns),
                    side > 4 ? TVector.Load(x + 4 * columns) : default, side > 4 ? TVector.Load(x + 5 * columns) : default, target, step);
            }
            else
            {
                TScheme.Input(
                    At<TVector>(window, x, 0, count), At<TVector>(window, x, 1, count), At<TVector>(window, x, 2, count), At<TVector>(window, x, 3, count),
                    side > 4 ? At<TVector>(window, x, 4, count) : default, side > 4 ? At<TVector>(window, x, 5, count) : default, target, step);
            }
        }
        for (var column = 0; column < side; column++)
        {
            var x = scratch + column * step;
            TScheme.Input(
                TVector.Load(x), TVector.Load(x + next), TVector.Load(x + 2 * next), TVector.Load(x + 3 * next),
                side > 4 ? TVector.Load(x + 4 * next) : default, side > 4 ? TVector.Load(x + 5 * next) : default, to + column * plane, side * plane);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector At<TVector>(in Window window, float* row, int column, int count) where TVector : unmanaged, IVector<TVector>
    {
        if (column < window.FirstColumn || column >= window.EndColumn)
            return TVector.Zero;
        return count == TVector.Count ? TVector.Load(row + column * window.ColumnStride) : TVector.LoadFirst(row + column * window.ColumnStride, count);
    }

    // The products of one panel's filters with a block, and what they come to.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void RunPanel<TVector, TScheme>(in Partition plan, int panel, int first, int end, float* inputs, nint plane, float* products)
        where TVector : unmanaged, IVector<TVector>
        where TScheme : IWinogradScheme
    {
        nint noOffset = 0;
        var lane = panel * Panels.Width<TVector>();
        var lanes = Math.Min(Panels.Width<TVector>(), OC - lane);
        var width = Panels.PaddedWidth<TVector>(lanes);
        var job = new TileJob { Taps = 1, TapOffsets = &noOffset, Depth = C, RowStride = plan.RowStride * sizeof(float), BStride = width * sizeof(float) };
        var filters = Weights + (nint)lane * TScheme.Side * TScheme.Side * C;
        var productPlane = Partition.ProductPlaneOf(end - first);
        for (var product = 0; product < TScheme.Side * TScheme.Side; product++, filters += (nint)width * C)
            Tiles.Run<TVector, AlongDepth>(&job, end - first, job.RowStride, width, inputs + product * plane, filters, null, products + product * productPlane, PanelWidth, false);
        for (var vector = 0; vector < lanes; vector += TVector.Count)
            TransformProducts<TVector, TScheme>(plan, first, end, lane + vector, products + vector, productPlane);
    }

    // One vector of output channels of a block.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private readonly void TransformProducts<TVector, TScheme>(in Partition plan, int first, int end, int channel, float* products, nint plane)
        where TVector : unmanaged, IVector<TVector>
        where TScheme : IWinogradScheme
    {
        var room = stackalloc float[(LargestSide * LargestSide + 1) * 16];
        var scratch = Aligned(room);
        var (side, results, step) = (TScheme.Side, TScheme.Results, TVector.Count);
        var next = side * TVector.Count;
        var count = Math.Min(TVector.Count, OC - channel);
        var bias = Bias == null ? TVector.Zero : Some<TVector>(Bias + channel, count);
        for (var square = first; square < end; square++, products += PanelWidth)
        {
            for (var column = 0; column < side; column++)
            {
                var p = products + column * plane;
                var down = side * plane;
                TScheme.Output(
                    TVector.Load(p), TVector.Load(p + down), TVector.Load(p + 2 * down), TVector.Load(p + 3 * down),
                    side > 4 ? TVector.Load(p + 4 * down) : default, side > 4 ? TVector.Load(p + 5 * down) : default, scratch + column * step, next);
            }
            var (image, row, left) = Place<TScheme>(plan, square);
            var y = Y + (((nint)image * OutH + row) * OutW + left) * OC + channel;
            var columns = Math.Min(results, OutW - left);
            var rows = Math.Min(results, OutH - row);
            for (var i = 0; i < rows; i++, y += (nint)OutW * OC)
            {
                var p = scratch + i * next;
                // Over the row it has read.
                TScheme.Output(
                    TVector.Load(p), TVector.Load(p + step), TVector.Load(p + 2 * step), TVector.Load(p + 3 * step),
                    side > 4 ? TVector.Load(p + 4 * step) : default, side > 4 ? TVector.Load(p + 5 * step) : default, p, step);
                StoreRow(p, y, columns, count, bias);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void StoreRow<TVector>(float* results, float* y, int columns, int count, TVector bias) where TVector : unmanaged, IVector<TVector>
    {
        var residual = Epilogue.ResidualAt(Y, y);
        var (low, high) = (TVector.Create(Epilogue.Low), TVector.Create(Epilogue.High));
        for (var column = 0; column < columns; column++, y += OC, results += TVector.Count)
        {
            var sum = TVector.Load(results) + bias;
            if (residual != null)
                sum += Some<TVector>(residual + (nint)column * OC, count);
            if (Epilogue.Clamps)
                sum = TVector.AtMost(high, TVector.AtLeast(low, sum));
            if (count == TVector.Count)
                sum.Store(y);
            else
                sum.StoreFirst(y, count);
        }
    }

    // Applies the function that comes last to some channels of a block.
    private readonly void Finish<TScheme>(in Partition plan, int first, int end, int channel, int channels) where TScheme : IWinogradScheme
    {
        if (Epilogue.Function is null)
            return;
        for (var square = first; square < end; square++)
        {
            var (image, row, left) = Place<TScheme>(plan, square);
            var columns = Math.Min(TScheme.Results, OutW - left);
            var endRow = Math.Min(OutH, row + TScheme.Results);
            for (; row < endRow; row++)
                Epilogue.Finish(Y + (((nint)image * OutH + row) * OutW + left) * OC + channel, columns, OC, Math.Min(channels, OC - channel));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Some<TVector>(float* source, int count) where TVector : unmanaged, IVector<TVector> =>
        count == TVector.Count ? TVector.Load(source) : TVector.LoadFirst(source, count);

    // To a cache line: a vector of 64 bytes that lies on two is two accesses.
    private static float* Aligned(float* room) => (float*)(((nint)room + 63) & ~63);
}
