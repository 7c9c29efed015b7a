using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Attention and its gradient against the formula in float64.</summary>
public sealed class AttentionOpCases : IOpCases
{
    private sealed record Sizes(int Batch, int Heads, int Tokens, int Keys, int Width, int ValueWidth)
    {
        public Shape Q => [Batch, Heads, Tokens, Width];
        public Shape K => [Batch, Heads, Keys, Width];
        public Shape V => [Batch, Heads, Keys, ValueWidth];
        public Shape Output => [Batch, Heads, Tokens, ValueWidth];
        public Shape Scores => [Batch, Heads, Tokens, Keys];
    }

    public static IEnumerable<OpCase> All()
    {
        Sizes[] cases =
        [
            new(1, 1, 1, 1, 1, 1), new(1, 1, 2, 3, 4, 5), new(2, 2, 3, 3, 4, 4), new(1, 2, 5, 17, 3, 2), new(1, 1, 16, 16, 4, 4), new(2, 1, 3, 33, 2, 1), new(1, 3, 15, 7, 3, 3),
            new(0, 2, 3, 3, 2, 2), new(1, 2, 0, 3, 2, 2), new(1, 2, 3, 0, 2, 2), new(1, 1, 2, 3, 4, 0),
            // Several groups of rows; many heads; many keys, so that blocks are low.
            new(1, 2, 450, 65, 8, 16), new(3, 7, 50, 49, 17, 33), new(1, 1, 40, 1000, 8, 8),
        ];
        foreach (var s in cases)
        {
            Tensor[] qkv = [OpCases.Uniform(s.Q, 1), OpCases.Uniform(s.K, 2), OpCases.Uniform(s.V, 3)];
            yield return Forward(s, 0.7f, qkv);
            yield return Backward(s, 0.7f, qkv);
            if (s.Keys == 0)
                continue;
            Shape[] masks = [s.Scores, [1, s.Heads, s.Tokens, s.Keys], [s.Batch, 1, 1, s.Keys], [s.Tokens, s.Keys], [s.Keys]];
            foreach (var shape in masks)
            {
                yield return Forward(s, 0.7f, [.. qkv, OpCases.Uniform(shape, 4)]);
                yield return Backward(s, 0.7f, [.. qkv, OpCases.Uniform(shape, 4)]);
            }
            // About a third of the keys masked out, and in the first row all of them.
            Shape some = [1, s.Heads, s.Tokens, s.Keys];
            var keep = Tensor.From(Array.ConvertAll(OpCases.Indices(some, 3, 5).ToArray<long>(), i => i > 0), some);
            if (some.ElementCount > 0)
                keep.AsSpan<bool>()[..s.Keys].Clear();
            yield return Forward(s, 0.7f, [.. qkv, keep]);
            yield return Backward(s, 0.7f, [.. qkv, keep]);
        }
        foreach (var c in Joint())
            yield return c;
        // Scores far apart: e^score alone would overflow.
        yield return Forward(new(1, 1, 3, 5, 2, 2), 300, [OpCases.Uniform([1, 1, 3, 2], 1), OpCases.Uniform([1, 1, 5, 2], 2), OpCases.Uniform([1, 1, 5, 2], 3)]) with { CheckGradient = false };
    }

    // Tokens to each other, of one operand; a mask of two batches begins again for the third and fourth.
    private static IEnumerable<OpCase> Joint()
    {
        foreach (var (batch, heads, tokens, width) in ((int, int, int, int)[])[(1, 1, 1, 1), (2, 2, 3, 4), (0, 2, 3, 2), (1, 2, 0, 3), (1, 3, 17, 5), (1, 2, 450, 8), (4, 3, 49, 8)])
        {
            var s = new Sizes(batch, heads, tokens, tokens, width, width);
            var joint = OpCases.Uniform([batch, tokens, 3 * heads * width], 1);
            yield return JointForward(s, joint, null);
            yield return JointBackward(s, joint, null);
            Shape[] masks = tokens == 0 ? [] : [[heads, tokens, tokens], [tokens], [Math.Max(1, batch / 2), heads, tokens, tokens]];
            foreach (var mask in masks.Select((shape, i) => OpCases.Uniform(shape, 4 + i)))
            {
                yield return JointForward(s, joint, mask);
                yield return JointBackward(s, joint, mask);
            }
        }
    }

    private static OpCase JointForward(Sizes s, Tensor joint, Tensor? mask) => new(new JointAttention(s.Heads, 0.7f), mask is null ? [joint] : [joint, mask], x =>
    {
        var parts = Apart(s, x[0], 3);
        var (p, _) = Probabilities(s, 0.7f, [.. parts, .. Whole(s, mask, x[1..])], mask is null ? null : Tensor.Zeros(s.Scores));
        return [Joined(s, [Output(s, p, parts[2])])];
    });

    private static OpCase JointBackward(Sizes s, Tensor joint, Tensor? mask)
    {
        double[][] Split(Tensor x) => Apart(s, OpCases.ToDouble(x), 3);
        Tensor Made(double[] values, Shape shape) => Tensor.From(Array.ConvertAll(values, v => (float)v), shape);
        var whole = mask is null ? Array.Empty<Tensor>() : [Made(Whole(s, mask, [OpCases.ToDouble(mask)])[0], s.Scores)];
        var (q, k, v) = (Split(joint)[0], Split(joint)[1], Split(joint)[2]);
        var apart = Backward(s, 0.7f, [Made(q, s.Q), Made(k, s.K), Made(v, s.V), .. whole]);
        Tensor[] operands = [OpCases.Uniform([s.Batch, s.Tokens, s.Heads * s.Width], 9), joint, apart.Inputs[4], .. mask is null ? Array.Empty<Tensor>() : [mask]];
        return new(new JointAttentionGradient(s.Heads, 0.7f, mask is not null), operands, x =>
        {
            var results = apart.Reference([.. Apart(s, x[0], 1), .. Apart(s, x[1], 3), x[2], .. Whole(s, mask, x[3..])]);
            return [Joined(s, results[..3]), .. results[3..]];
        })
        { CheckGradient = false };
    }

    // Parts side by side in [batch, tokens, parts · heads · width] as [batch, heads, tokens, width] each, and back.
    private static double[][] Apart(Sizes s, double[] x, int parts) => [.. Enumerable.Range(0, parts).Select(part => Naive.Positions(s.Q).Select(at =>
        x[Naive.Offset([s.Batch, s.Tokens, parts, s.Heads, s.Width], [at[0], at[2], part, at[1], at[3]])]).ToArray())];

    private static double[] Joined(Sizes s, double[][] parts) => [.. Naive.Positions([s.Batch, s.Tokens, parts.Length, s.Heads, s.Width]).Select(at =>
        parts[at[2]][Naive.Offset(s.Q, [at[0], at[3], at[1], at[4]])])];

    private static double[][] Whole(Sizes s, Tensor? mask, double[][] values) => mask is null ? [] : [[.. Naive.Positions(s.Scores).Select(at =>
    {
        var own = at[(4 - mask.Rank)..];
        for (var axis = 0; axis < own.Length; axis++)
            own[axis] %= mask.Shape[axis];
        return values[0][Naive.Offset(mask.Shape, own)];
    })]];

    private static OpCase Forward(Sizes s, float scale, Tensor[] inputs) => new(new Attention(scale), inputs, x =>
    {
        var (p, _) = Probabilities(s, scale, x, inputs.Length > 3 ? inputs[3] : null);
        return [Output(s, p, x[2])];
    });

    private static OpCase Backward(Sizes s, float scale, Tensor[] inputs)
    {
        var mask = inputs.Length > 3 ? inputs[3] : null;
        var wantsMask = mask?.DType == DType.Float32;
        var logSums = Probabilities(s, scale, Array.ConvertAll(inputs, OpCases.ToDouble), mask).LogSums;
        var saved = Tensor.From(Array.ConvertAll(logSums, v => (float)v), s.Output.Span[..3].ToArray());
        Tensor[] all = [OpCases.Uniform(s.Output, 9), .. inputs[..3], saved, .. inputs[3..]];
        return new(new AttentionGradient(scale, wantsMask), all, x =>
        {
            var (q, k, v) = (x[1], x[2], x[3]);
            var (p, _) = Probabilities(s, scale, [q, k, v, .. x[5..]], mask);
            var dScores = new double[s.Scores.ElementCount];
            var (dq, dk, dv) = (new double[q.Length], new double[k.Length], new double[v.Length]);
            for (var head = 0; head < s.Batch * s.Heads; head++)
            {
                for (var i = 0; i < s.Tokens; i++)
                {
                    var row = (head * s.Tokens) + i;
                    double DotProbability(int j) => Enumerable.Range(0, s.ValueWidth).Sum(e => x[0][(row * s.ValueWidth) + e] * v[(((head * s.Keys) + j) * s.ValueWidth) + e]);
                    var dp = Enumerable.Range(0, s.Keys).Select(DotProbability).ToArray();
                    var mean = dp.Select((d, j) => d * p[(row * s.Keys) + j]).Sum();
                    for (var j = 0; j < s.Keys; j++)
                    {
                        var key = (head * s.Keys) + j;
                        var probability = p[(row * s.Keys) + j];
                        var d = dScores[(row * s.Keys) + j] = probability * (dp[j] - mean);
                        for (var c = 0; c < s.Width; c++)
                        {
                            dq[(row * s.Width) + c] += scale * d * k[(key * s.Width) + c];
                            dk[(key * s.Width) + c] += scale * d * q[(row * s.Width) + c];
                        }
                        for (var e = 0; e < s.ValueWidth; e++)
                            dv[(key * s.ValueWidth) + e] += probability * x[0][(row * s.ValueWidth) + e];
                    }
                }
            }
            return wantsMask ? [dq, dk, dv, dScores] : [dq, dk, dv];
        })
        { CheckGradient = false };
    }

    private static double[] Output(Sizes s, double[] p, double[] v) => [.. Naive.Positions(s.Output).Select(at =>
    {
        var head = (at[0] * s.Heads) + at[1];
        return Enumerable.Range(0, s.Keys).Sum(j => p[(((head * s.Tokens) + at[2]) * s.Keys) + j] * v[(((head * s.Keys) + j) * s.ValueWidth) + at[3]]);
    })];

    private static (double[] P, double[] LogSums) Probabilities(Sizes s, double scale, double[][] x, Tensor? mask)
    {
        var p = new double[s.Scores.ElementCount];
        var logSums = new double[s.Batch * s.Heads * s.Tokens];
        var values = x.Length > 3 ? x[3] : null;
        for (var row = 0; row < logSums.Length; row++)
        {
            var (head, token) = Math.DivRem(row, Math.Max(1, s.Tokens));
            double Score(int j)
            {
                var score = scale * Enumerable.Range(0, s.Width).Sum(c => x[0][(row * s.Width) + c] * x[1][(((head * s.Keys) + j) * s.Width) + c]);
                if (values is null)
                    return score;
                int[] position = [head / s.Heads, head % s.Heads, token, j];
                var own = position[(4 - mask!.Rank)..].Select((at, axis) => mask.Shape[axis] == 1 ? 0 : at).ToArray();
                var m = values[Naive.Offset(mask.Shape, own)];
                return mask.DType == DType.Bool ? (m != 0 ? score : double.NegativeInfinity) : score + m;
            }
            var scores = Enumerable.Range(0, s.Keys).Select(Score).ToArray();
            var max = scores.Append(double.NegativeInfinity).Max();
            var sum = double.IsNegativeInfinity(max) ? 0 : scores.Sum(score => Math.Exp(score - max));
            logSums[row] = sum == 0 ? double.PositiveInfinity : max + Math.Log(sum);
            for (var j = 0; j < s.Keys; j++)
                p[(row * s.Keys) + j] = sum == 0 ? 0 : Math.Exp(scores[j] - max) / sum;
        }
        return (p, logSums);
    }
}
