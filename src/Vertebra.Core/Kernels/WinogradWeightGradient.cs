using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// The weight gradient of a 3 × 3 convolution of stride 1 by Winograd's F(4 × 4, 3 × 3): the transpose of <see cref="WinogradConv"/> with
/// respect to the filters, Gᵀ[Σ (A y Aᵀ) ∘ (Bᵀ d B)]G over all squares of results' gradients y and inputs d. For each of the 36 products
/// that is a matrix product over the squares. They are taken in blocks by the shape alone, whose sums follow each other in order.
/// </summary>
internal readonly unsafe struct WinogradWeightGradient(ConvShape shape, float* x, float* dy, float* dw) : IKernel
{
    private const int Side = 6;
    private const int Products = Side * Side;
    private const int Results = 4;
    private const int SquaresPerPart = 8;

    // Transformed numbers of a block: they should come back from the last cache, and weigh more than the sums that each block goes over.
    private const long BlockBytes = 8 << 20;
    private const int Gap = 16;

    private readonly ConvShape _shape = shape;
    private readonly int _oh = shape.OH;
    private readonly int _ow = shape.OW;
    private readonly float* _dy = dy;
    private readonly float* _dw = dw;
    private readonly WinogradConv _conv = new()
    {
        X = x, N = shape.N, H = shape.H, W = shape.W, C = shape.C, OutH = shape.OH, OutW = shape.OW, OC = shape.OC,
        FirstRow = -shape.PadTop, FirstColumn = -shape.PadLeft,
    };

    /// <summary>
    /// Whether it is faster than <see cref="TransposedProduct"/>, by an estimate in multiply-adds: a transformed number takes as long as 32,
    /// a sum as long as 24.
    /// </summary>
    public static bool IsFaster(in ConvShape shape)
    {
        const double Transform = 32, Sum = 24, Gain = 1.2;
        if (!ConvMethods.HasWinograd(shape) || shape.C < 16 || shape.OC < 16)
            return false;
        var squares = (double)shape.N * ((shape.OH + Results - 1) / Results) * ((shape.OW + Results - 1) / Results);
        var filter = (double)shape.C * shape.OC;
        return Gain * Products * (squares * (filter + Transform * (shape.C + shape.OC)) + Sum * filter) < shape.MultiplyAccumulates;
    }

    /// <summary>Writes the gradient [OC, C, 3, 3].</summary>
    public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
    {
        var plan = _conv.Plan<TVector, WinogradF4>();
        nint inputRow = plan.RowStride, gradientRow = Panels.PaddedColumns<TVector>(_shape.OC) + Gap;
        var sumBytes = (long)Products * _shape.C * _shape.OC * sizeof(float);
        var most = Math.Max(BlockBytes, 2 * sumBytes) / (Products * (inputRow + gradientRow) * sizeof(float));
        var blocks = (int)((plan.Squares + most - 1) / most);
        var blockSquares = (plan.Squares + blocks - 1) / blocks;
        nint inputPlane = blockSquares * inputRow + Gap, gradientPlane = blockSquares * gradientRow + Gap;
        using var inputs = Scratch.Take(Products * inputPlane);
        using var gradients = Scratch.Take(Products * gradientPlane);
        using var sums = Scratch.Take(sumBytes / sizeof(float));
        for (var block = 0; block < blocks; block++)
        {
            var (first, end) = ((int)((long)plan.Squares * block / blocks), (int)((long)plan.Squares * (block + 1) / blocks));
            Transform<TVector>(plan, first, end, new(inputs.Pointer, inputRow, inputPlane), new(gradients.Pointer, gradientRow, gradientPlane));
            new TransposedProduct
            {
                M = _shape.OC, N = _shape.C, K = end - first, A = gradients.Pointer, Lda = (int)gradientRow, B = new(inputs.Pointer, inputRow),
                C = sums.Pointer, Ldc = _shape.C, Accumulate = block > 0,
                Batch = Products, StrideA = gradientPlane, StrideB = inputPlane, StrideC = (nint)_shape.C * _shape.OC,
            }.Run<TVector>();
        }
        Workers.Run(_shape.OC, (Gradient: this, Sums: (nint)sums.Pointer), static (in job, row) =>
            job.Gradient.FinishRow<TVector>((float*)job.Sums, row));
    }

    // Transformed squares: numbers from square to square, and from product to product.
    private readonly record struct Planes(nint Start, nint Row, nint Plane)
    {
        public Planes(float* start, nint row, nint plane) : this((nint)start, row, plane)
        {
        }

        public float* At(int square) => (float*)Start + square * Row;
    }

    private void Transform<TVector>(in WinogradConv.Partition plan, int first, int end, Planes inputs, Planes gradients)
        where TVector : unmanaged, IVector<TVector>
    {
        var job = (Gradient: this, plan, first, end, inputs, gradients);
        Workers.Run((end - first + SquaresPerPart - 1) / SquaresPerPart, job, static (in job, part) =>
        {
            var square = part * SquaresPerPart;
            var (from, to) = (job.first + square, Math.Min(job.end, job.first + square + SquaresPerPart));
            job.Gradient._conv.TransformInputs<TVector, WinogradF4>(job.plan, from, to, job.inputs.At(square), job.inputs.Plane);
            for (; from < to; from++, square++)
                job.Gradient.TransformGradient<TVector>(job.plan, from, job.gradients.At(square), job.gradients.Plane);
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private void TransformGradient<TVector>(in WinogradConv.Partition plan, int square, float* to, nint plane) where TVector : unmanaged, IVector<TVector>
    {
        var room = stackalloc float[(Results * Side + 1) * 16];
        var scratch = (float*)(((nint)room + 63) & ~63);
        var (image, row, column) = WinogradConv.Place<WinogradF4>(plan, square);
        var (rows, columns) = (Math.Min(Results, _oh - row), Math.Min(Results, _ow - column));
        var from = _dy + (((nint)image * _oh + row) * _ow + column) * _shape.OC;
        var next = Side * TVector.Count;
        new Span<float>(scratch + rows * next, (Results - rows) * next).Clear();
        for (var channel = 0; channel < _shape.OC; channel += TVector.Count, from += TVector.Count, to += TVector.Count)
        {
            var count = Math.Min(TVector.Count, _shape.OC - channel);
            for (var i = 0; i < rows; i++)
            {
                var y = from + (nint)i * _ow * _shape.OC;
                WinogradF4.OutputGradient(
                    Some<TVector>(y, count), At<TVector>(y, 1, columns, count), At<TVector>(y, 2, columns, count), At<TVector>(y, 3, columns, count),
                    scratch + i * next, TVector.Count);
            }
            for (var i = 0; i < Side; i++)
            {
                var y = scratch + i * TVector.Count;
                WinogradF4.OutputGradient(
                    TVector.Load(y), TVector.Load(y + next), TVector.Load(y + 2 * next), TVector.Load(y + 3 * next), to + i * plane, Side * plane);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TVector At<TVector>(float* row, int column, int columns, int count) where TVector : unmanaged, IVector<TVector> =>
        column < columns ? Some<TVector>(row + (nint)column * _shape.OC, count) : TVector.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Some<TVector>(float* source, int count) where TVector : unmanaged, IVector<TVector> =>
        count == TVector.Count ? TVector.Load(source) : TVector.LoadFirst(source, count);

    // The filters of one output channel.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private void FinishRow<TVector>(float* sums, int row) where TVector : unmanaged, IVector<TVector>
    {
        var rows = stackalloc float[3 * Side * 16];
        var taps = stackalloc float[9 * 16];
        var plane = (nint)_shape.C * _shape.OC;
        var next = Side * TVector.Count;
        sums += (nint)row * _shape.C;
        var target = _dw + (nint)row * _shape.C * 9;
        for (var channel = 0; channel < _shape.C; channel += TVector.Count, sums += TVector.Count, target += 9 * TVector.Count)
        {
            var count = Math.Min(TVector.Count, _shape.C - channel);
            for (var column = 0; column < Side; column++)
            {
                var u = sums + column * plane;
                var down = Side * plane;
                WinogradF4.FilterGradient(
                    Some<TVector>(u, count), Some<TVector>(u + down, count), Some<TVector>(u + 2 * down, count), Some<TVector>(u + 3 * down, count),
                    Some<TVector>(u + 4 * down, count), Some<TVector>(u + 5 * down, count), rows + column * TVector.Count, next);
            }
            for (var i = 0; i < 3; i++)
            {
                var u = rows + i * next;
                WinogradF4.FilterGradient(
                    TVector.Load(u), TVector.Load(u + TVector.Count), TVector.Load(u + 2 * TVector.Count), TVector.Load(u + 3 * TVector.Count),
                    TVector.Load(u + 4 * TVector.Count), TVector.Load(u + 5 * TVector.Count), taps + 3 * i * TVector.Count, TVector.Count);
            }
            Transpose.Run(9, count, taps, TVector.Count, target, 9);
        }
    }
}
