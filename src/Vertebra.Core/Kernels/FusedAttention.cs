using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>The rows of every head of a batch, wherever the strides, in numbers, say that they lie.</summary>
internal readonly unsafe struct HeadRows(float* data, long batchStride, long headStride, int rowStride)
{
    /// <summary>From a row of a head to the next.</summary>
    public int RowStride => rowStride;

    /// <summary>The first row of a head.</summary>
    public float* At(int batch, int head) => data + (batch * batchStride) + (head * headStride);

    /// <summary>Of a tensor [batch, heads, rows, width].</summary>
    public static HeadRows Apart(float* data, int heads, int rows, int width) => new(data, (long)heads * rows * width, (long)rows * width, width);

    /// <summary>Of a tensor [batch, rows, channels] the heads that lie side by side from <paramref name="data"/> on.</summary>
    public static HeadRows SideBySide(float* data, int rows, int channels, int width) => new(data, (long)rows * channels, width, channels);
}

/// <summary>Numbers that are added to scores; the default adds nothing. Strides are in numbers, 0 where it broadcasts; the last axis is the keys.</summary>
internal readonly unsafe struct AttentionMask(float* data, int batches, long batchStride, long headStride, long rowStride)
{
    public long RowStride => rowStride;

    /// <summary>A head's first row; null for none. After so many batches the mask begins again.</summary>
    public float* At(int batch, int head) => data == null ? null : data + (batch % batches * batchStride) + (head * headStride);
}

/// <summary>Sizes and operands of scaled dot-product attention: <see cref="Heads"/> times q [Tokens, Width] against k [Keys, Width] and v [Keys, ValueWidth].</summary>
internal readonly unsafe struct AttentionOperands
{
    public required int Batch { get; init; }
    public required int HeadsPerBatch { get; init; }
    public required int Tokens { get; init; }
    public required int Keys { get; init; }
    public required int Width { get; init; }
    public required int ValueWidth { get; init; }
    public required float Scale { get; init; }
    public required HeadRows Q { get; init; }
    public required HeadRows K { get; init; }
    public required HeadRows V { get; init; }

    /// <summary>Added to the scores.</summary>
    public AttentionMask Mask { get; init; }

    public int Heads => Batch * HeadsPerBatch;
}

/// <summary>
/// softmax(scale · q · kᵀ + mask) · v, a block of query rows at a time: the scores of one block are all that is ever kept.
/// </summary>
internal static unsafe class FusedAttention
{
    // The scores of a block stay in the second-level cache; its rows are a multiple of the tile's 14.
    private const int BlockScores = 1 << 15;
    private const int TileRows = 14;
    private const int MostTiles = 8;

    // With fewer heads than this, the rows of one head are shared out too, in groups that are worth packing k and v for.
    private const int EnoughHeads = 16;
    private const int GroupRows = 2 * TileRows * MostTiles;

    /// <param name="x">Sizes and operands.</param>
    /// <param name="output">Tokens of value width.</param>
    /// <param name="logSums">[heads, tokens]: log Σ e^score of each row, +∞ where every key is masked out; what the gradient needs.</param>
    public static void Run(AttentionOperands x, HeadRows output, float* logSums)
    {
        switch (Simd.Level)
        {
            case SimdLevel.Vector512: Run<V512>(x, output, logSums); break;
            case SimdLevel.Vector256: Run<V256>(x, output, logSums); break;
            case SimdLevel.Vector128: Run<V128>(x, output, logSums); break;
            default: Run<V1>(x, output, logSums); break;
        }
    }

    /// <summary>Query rows per block for so many keys.</summary>
    public static int BlockRows(int keys) => Math.Clamp(BlockScores / Math.Max(1, keys) / TileRows, 1, MostTiles) * TileRows;

    private static void Run<TVector>(AttentionOperands x, HeadRows output, float* logSums) where TVector : unmanaged, IVector<TVector>
    {
        if (x.Tokens == 0)
            return;
        var rows = x.Heads >= EnoughHeads ? x.Tokens : GroupRows;
        var groups = (x.Tokens + rows - 1) / rows;
        Workers.Run(x.Heads * groups, (Operands: x, rows, groups, Output: output, LogSums: (nint)logSums), static (in job, part) =>
        {
            var (head, group) = Math.DivRem(part, job.groups);
            Group<TVector>(job.Operands, head, group * job.rows, Math.Min(job.Operands.Tokens, (group + 1) * job.rows), job.Output, (float*)job.LogSums);
        });
    }

    private static void Group<TVector>(AttentionOperands x, int part, int firstRow, int endRow, HeadRows output, float* logSums)
        where TVector : unmanaged, IVector<TVector>
    {
        var (batch, head) = Math.DivRem(part, x.HeadsPerBatch);
        var stride = Panels.PaddedColumns<TVector>(x.Keys);
        var blockRows = BlockRows(x.Keys);
        using var scratch = Scratch.Take(((long)(x.Width + blockRows) * stride) + ((long)x.Keys * Panels.PaddedColumns<TVector>(x.ValueWidth)));
        var keys = scratch.Pointer;
        var scores = keys + ((long)x.Width * stride);
        var values = scores + ((long)blockRows * stride);
        Panels.PackAll<TVector>(x.Width, x.Keys, x.K.At(batch, head), x.K.RowStride, transposed: true, keys);
        Panels.PackAll<TVector>(x.Keys, x.ValueWidth, x.V.At(batch, head), x.V.RowStride, transposed: false, values);
        var q = x.Q.At(batch, head);
        var target = output.At(batch, head);
        var mask = x.Mask.At(batch, head);
        logSums += (long)part * x.Tokens;
        for (var row = firstRow; row < endRow; row += blockRows)
        {
            var rows = Math.Min(blockRows, endRow - row);
            MatMul.RunPacked(rows, x.Keys, x.Width, q + ((long)row * x.Q.RowStride), x.Q.RowStride, false, keys, scores, stride);
            for (var i = 0; i < rows; i++)
            {
                var line = scores + ((long)i * stride);
                var max = ScaleAndMask<TVector>(line, x.Keys, x.Scale, mask is null ? null : mask + ((row + i) * x.Mask.RowStride));
                var sum = Exponentials<TVector>(line, stride, max);
                logSums[row + i] = sum == 0 ? float.PositiveInfinity : max + MathF.Log(sum);
                // Dividing the probabilities here, not the result below, gives rows that add up to 1 as Softmax does.
                Multiply<TVector>(line, stride, sum == 0 ? 0 : 1 / sum);
            }
            MatMul.RunPacked(rows, x.ValueWidth, x.Keys, scores, stride, false, values, target + ((long)row * output.RowStride), output.RowStride);
        }
    }

    /// <summary>
    /// line = scale · line + mask over <paramref name="count"/> numbers, -∞ from there to the end of the last vector, so that loops over
    /// the line need no tail. Returns the largest.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float ScaleAndMask<TVector>(float* line, int count, float scale, float* mask) where TVector : unmanaged, IVector<TVector>
    {
        var factor = TVector.Create(scale);
        var max = TVector.Create(float.NegativeInfinity);
        var i = 0;
        for (; i <= count - TVector.Count; i += TVector.Count)
        {
            var x = TVector.Load(line + i) * factor;
            if (mask is not null)
                x += TVector.Load(mask + i);
            x.Store(line + i);
            max = TVector.Max(max, x);
        }
        if (i < count)
        {
            // The line reaches to the end of this vector; what it holds beyond count is undefined.
            var x = TVector.Load(line + i) * factor;
            if (mask is not null)
                x += TVector.LoadFirst(mask + i, count - i);
            x = TVector.Select(LaneMasks.First<TVector>(count - i), x, TVector.Create(float.NegativeInfinity));
            x.Store(line + i);
            max = TVector.Max(max, x);
        }
        return TVector.HorizontalMax(max);
    }

    /// <summary>line = e^(line - max); returns the sum. A line without any finite number becomes zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Exponentials<TVector>(float* line, int stride, float max) where TVector : unmanaged, IVector<TVector>
    {
        // Every key masked out: -∞ minus -∞ would be NaN.
        var shift = TVector.Create(float.IsNegativeInfinity(max) ? 0 : max);
        var sum = TVector.Zero;
        for (var i = 0; i < stride; i += TVector.Count)
        {
            var e = VectorMath.ExpFlushed(TVector.Load(line + i) - shift);
            e.Store(line + i);
            sum += e;
        }
        return TVector.Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TVector>(float* line, int stride, float factor) where TVector : unmanaged, IVector<TVector>
    {
        var factors = TVector.Create(factor);
        for (var i = 0; i < stride; i += TVector.Count)
            (TVector.Load(line + i) * factors).Store(line + i);
    }
}
