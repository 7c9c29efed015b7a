using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>The gradients of <see cref="FusedAttention"/>: the probabilities of a block of rows are computed again, from the saved log-sums.</summary>
internal static unsafe class FusedAttentionGradient
{
    /// <param name="x">Sizes and operands of the forward pass.</param>
    /// <param name="logSums">[heads, tokens], from the forward pass.</param>
    /// <param name="dOutput">Gradient of the result.</param>
    /// <param name="dq">Gradient of q.</param>
    /// <param name="dk">Gradient of k.</param>
    /// <param name="dv">Gradient of v.</param>
    /// <param name="dScores">Gradient of the masked scores [heads, tokens, keys], or null if nobody wants it.</param>
    public static void Run(AttentionOperands x, float* logSums, HeadRows dOutput, HeadRows dq, HeadRows dk, HeadRows dv, float* dScores)
    {
        // Whole heads: the rows of one head add up in dk and dv.
        Workers.Run(x.Heads, head =>
        {
            switch (Simd.Level)
            {
                case SimdLevel.Vector512: Head<V512>(x, head, logSums, dOutput, dq, dk, dv, dScores); break;
                case SimdLevel.Vector256: Head<V256>(x, head, logSums, dOutput, dq, dk, dv, dScores); break;
                case SimdLevel.Vector128: Head<V128>(x, head, logSums, dOutput, dq, dk, dv, dScores); break;
                default: Head<V1>(x, head, logSums, dOutput, dq, dk, dv, dScores); break;
            }
        });
    }

    private static void Head<TVector>(AttentionOperands x, int part, float* logSums, HeadRows dOutput, HeadRows dq, HeadRows dk, HeadRows dv, float* dScores)
        where TVector : unmanaged, IVector<TVector>
    {
        var (tokens, keys, width, valueWidth) = (x.Tokens, x.Keys, x.Width, x.ValueWidth);
        var (batch, head) = Math.DivRem(part, x.HeadsPerBatch);
        float* q = x.Q.At(batch, head), k = x.K.At(batch, head), v = x.V.At(batch, head), mask = x.Mask.At(batch, head);
        float* dOut = dOutput.At(batch, head), dQuery = dq.At(batch, head), dKey = dk.At(batch, head), dValue = dv.At(batch, head);
        var stride = Panels.PaddedColumns<TVector>(keys);
        var blockRows = FusedAttention.BlockRows(keys);
        using var scratch = Scratch.Take(((width + valueWidth + (2L * blockRows)) * stride) + ((long)keys * Panels.PaddedColumns<TVector>(width)));
        var keysAcross = scratch.Pointer;                              // kᵀ [width, keys]
        var valuesAcross = keysAcross + ((long)width * stride);        // vᵀ [value width, keys]
        var keysAlong = valuesAcross + ((long)valueWidth * stride);    // k [keys, width]
        var scores = keysAlong + ((long)keys * Panels.PaddedColumns<TVector>(width));
        var dProbabilities = scores + ((long)blockRows * stride);
        Panels.PackAll<TVector>(width, keys, k, x.K.RowStride, transposed: true, keysAcross);
        Panels.PackAll<TVector>(valueWidth, keys, v, x.V.RowStride, transposed: true, valuesAcross);
        Panels.PackAll<TVector>(keys, width, k, x.K.RowStride, transposed: false, keysAlong);
        for (var key = 0; key < keys && tokens == 0; key++)
        {
            new Span<float>(dKey + ((long)key * dk.RowStride), width).Clear();
            new Span<float>(dValue + ((long)key * dv.RowStride), valueWidth).Clear();
        }
        for (var row = 0; row < tokens; row += blockRows)
        {
            var rows = Math.Min(blockRows, tokens - row);
            var at = ((long)part * tokens) + row;
            var queries = q + ((long)row * x.Q.RowStride);
            var gradient = dOut + ((long)row * dOutput.RowStride);
            MatMul.RunPacked(rows, keys, width, queries, x.Q.RowStride, false, keysAcross, scores, stride);
            MatMul.RunPacked(rows, keys, valueWidth, gradient, dOutput.RowStride, false, valuesAcross, dProbabilities, stride);
            for (var i = 0; i < rows; i++)
            {
                var line = scores + ((long)i * stride);
                FusedAttention.ScaleAndMask<TVector>(line, keys, x.Scale, mask is null ? null : mask + ((row + i) * x.Mask.RowStride));
                Row<TVector>(line, dProbabilities + ((long)i * stride), keys, logSums[at + i], x.Scale, dScores is null ? null : dScores + ((at + i) * keys));
            }
            MatMul.Run(keys, valueWidth, rows, scores, stride, true, gradient, dOutput.RowStride, false, dValue, dv.RowStride, accumulate: row > 0);
            MatMul.RunPacked(rows, width, keys, dProbabilities, stride, false, keysAlong, dQuery + ((long)row * dq.RowStride), dq.RowStride);
            MatMul.Run(keys, width, rows, dProbabilities, stride, true, queries, x.Q.RowStride, false, dKey, dk.RowStride, accumulate: row > 0);
        }
    }

    /// <summary>
    /// scores becomes p = e^(score - logSum), gradient becomes scale · p · (gradient - Σ gradient · p); dScores, without the scale,
    /// is stored where it is wanted.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row<TVector>(float* scores, float* gradient, int count, float logSum, float scale, float* dScores)
        where TVector : unmanaged, IVector<TVector>
    {
        // The gradient's numbers beyond the keys are undefined, and 0 · NaN is not 0.
        var padded = Panels.PaddedColumns<TVector>(count);
        new Span<float>(gradient + count, padded - count).Clear();
        var shift = TVector.Create(logSum);
        var sum = TVector.Zero;
        for (var i = 0; i < padded; i += TVector.Count)
        {
            var p = VectorMath.ExpFlushed(TVector.Load(scores + i) - shift);
            p.Store(scores + i);
            sum = TVector.Fma(p, TVector.Load(gradient + i), sum);
        }
        var dot = TVector.Create(TVector.Sum(sum));
        var factor = TVector.Create(scale);
        for (var i = 0; i < padded; i += TVector.Count)
        {
            var d = TVector.Load(scores + i) * (TVector.Load(gradient + i) - dot);
            (d * factor).Store(gradient + i);
            if (dScores is null)
                continue;
            if (i <= count - TVector.Count)
                d.Store(dScores + i);
            else
                d.StoreFirst(dScores + i, count - i);
        }
    }
}
