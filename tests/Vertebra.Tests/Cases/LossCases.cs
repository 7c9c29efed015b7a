using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Losses against their definitions.</summary>
public sealed class LossCases : IOpCases
{
    public static IEnumerable<OpCase> All()
    {
        foreach (var classes in OpCases.Lengths.Where(n => n > 0))
        {
            yield return Entropy(new(0, LossReduction.Mean, -100), [3], classes, weighted: false);
            yield return EntropyGradient(new(0.1f, LossReduction.Mean, -100), classes, weighted: false);
            yield return EntropyGradient(new(0.1f, LossReduction.None, 0), classes, weighted: true);
        }
        foreach (var n in OpCases.Lengths)
        {
            yield return new(new BinaryCrossEntropyWithLogits(), [OpCases.Uniform([n], 1, -4, 4), OpCases.Uniform([n], 2, 0, 1)],
                x => [x[0].Zip(x[1], (l, t) => -(t * Math.Log(1 / (1 + Math.Exp(-l)))) - ((1 - t) * Math.Log(1 / (1 + Math.Exp(l))))).ToArray()])
            {
                CheckSecondDerivative = n is > 0 and < 9,
            };
        }
        var sure = Tensor.From(200f, -200, 200, -200, 30, -30);
        yield return new(new BinaryCrossEntropyWithLogits(), [sure, Tensor.From(1f, 0, 0, 1, 1, 0)], _ => [[0, 0, 200, 200, 9.357622968839299e-14, 9.357622968839299e-14]]) { CheckGradient = false };
        foreach (var c in Soft([3], 5, LossReduction.Mean).Concat(Soft([2, 3], 4, LossReduction.Sum)).Concat(Soft([2, 2], 17, LossReduction.None)).Concat(Soft([], 1, LossReduction.Mean)))
            yield return c;
        foreach (var reduction in Enum.GetValues<LossReduction>())
        {
            foreach (var weighted in new[] { false, true })
            {
                yield return Entropy(new(0, reduction, -100), [4], 5, weighted);
                yield return Entropy(new(0.1f, reduction, -100), [4], 5, weighted);
                yield return Entropy(new(0.1f, reduction, 2), [2, 3], 5, weighted);
                yield return Entropy(new(1, reduction, -100), [], 3, weighted);
            }
        }
        yield return Entropy(new(0.1f, LossReduction.Mean, 7), [200], 300, weighted: true) with { CheckGradient = false };
    }

    private static IEnumerable<OpCase> Soft(Shape samples, int classes, LossReduction reduction)
    {
        Shape shape = [.. samples.Span, classes];
        var (x, t) = (OpCases.Uniform(shape, 1, -3, 3), OpCases.Uniform(shape, 2, 0, 1));
        double[] Reference(double[][] v)
        {
            var losses = new double[samples.ElementCount];
            for (var s = 0; s < losses.Length; s++)
            {
                var logits = v[0][(s * classes)..((s + 1) * classes)];
                var logSum = Math.Log(logits.Sum(Math.Exp));
                for (var c = 0; c < classes; c++)
                    losses[s] += v[1][(s * classes) + c] * (logSum - logits[c]);
            }
            return reduction switch { LossReduction.None => losses, LossReduction.Sum => [losses.Sum()], _ => [losses.Average()] };
        }
        var op = new SoftCrossEntropy(reduction);
        yield return new(op, [x, t], v => [Reference(v)]) { CheckSecondDerivative = true };
        var outputs = op.ApplyAll(x, t);
        yield return new(new SoftCrossEntropyGradient(reduction), [OpCases.Uniform(outputs[0].Shape, 4), x, t, outputs[1]],
            v => [[.. v[1].Select((_, i) => Slope(logits => Reference([logits, v[2]]).Zip(v[0], (loss, g) => loss * g).Sum(), v[1], i))]]) { CheckGradient = false };
    }

    /// <summary>Central difference with respect to one element.</summary>
    private static double Slope(Func<double[], double> f, double[] x, int i)
    {
        double At(double offset)
        {
            double[] moved = [.. x];
            moved[i] += offset;
            return f(moved);
        }
        return (At(1e-4) - At(-1e-4)) / 2e-4;
    }

    private static OpCase Entropy(CrossEntropy op, Shape samples, int classes, bool weighted)
    {
        Shape shape = [.. samples.Span, classes];
        Tensor[] inputs = [OpCases.Uniform(shape, 1, -3, 3), OpCases.Indices(samples, classes, 2)];
        if (weighted)
            inputs = [.. inputs, OpCases.Uniform([classes], 3, 0.5f, 2)];
        // The weights carry no gradient, so the check sees them as constants only when there are none.
        return new(op, inputs, x => [Entropy(op, x, classes)]) { CheckGradient = !weighted, CheckSecondDerivative = !weighted && classes is > 1 and < 8 };
    }

    private static OpCase EntropyGradient(CrossEntropy op, int classes, bool weighted)
    {
        Tensor[] inputs = [OpCases.Uniform([3, classes], 1, -3, 3), OpCases.Indices([3], classes, 2), .. weighted ? [OpCases.Uniform([classes], 3, 0.5f, 2)] : Array.Empty<Tensor>()];
        var outputs = op.ApplyAll(inputs);
        var dy = OpCases.Uniform(outputs[0].Shape, 4);
        return new(new CrossEntropyGradient(op), [dy, inputs[0], inputs[1], outputs[1], .. inputs[2..]], x =>
        {
            // The slope of each line's loss by central differences of the definition.
            double[][] others = [x[2], .. x[4..]];
            return [[.. x[1].Select((_, i) => Slope(logits => Entropy(op, [logits, .. others], classes).Zip(x[0], (loss, g) => loss * g).Sum(), x[1], i))]];
        }) { CheckGradient = false };
    }

    private static double[] Entropy(CrossEntropy op, double[][] x, int classes)
    {
        var (losses, weightSum) = (new double[x[1].Length], 0.0);
        for (var s = 0; s < losses.Length; s++)
        {
            var target = (int)x[1][s];
            if (target == op.IgnoreIndex)
                continue;
            var logits = x[0][(s * classes)..((s + 1) * classes)];
            var logSum = Math.Log(logits.Sum(Math.Exp));
            double Weight(int c) => x.Length > 2 ? x[2][c] : 1;
            for (var c = 0; c < classes; c++)
                losses[s] += ((c == target ? 1 - (double)op.LabelSmoothing : 0) + ((double)op.LabelSmoothing / classes)) * Weight(c) * (logSum - logits[c]);
            weightSum += Weight(target);
        }
        return op.Reduction switch
        {
            LossReduction.None => losses,
            LossReduction.Sum => [losses.Sum()],
            _ => [losses.Sum() / weightSum],
        };
    }
}
