using Vertebra.Ops;

namespace Vertebra.Autograd;

/// <summary>Compares gradients with finite differences.</summary>
public static class GradientCheck
{
    /// <summary>
    /// The largest difference between the gradients of <paramref name="function"/> and its central differences, relative to
    /// the largest gradient element of the input in question (at least 1e-2). The outputs are first reduced to one number by
    /// fixed random weights, summed in float64; the differences use the five-point stencil, whose own error is
    /// O(step⁴), so that float32 evaluation reaches about 1e-4.
    /// </summary>
    /// <param name="function">A differentiable function; called 4 times for every input element, so keep inputs small.</param>
    /// <param name="inputs">The point; float inputs are checked, others held fixed.</param>
    /// <param name="step">Finite-difference step.</param>
    public static double LargestError(Func<Tensor[], Tensor[]> function, Tensor[] inputs, float step = 1e-2f)
    {
        var leaves = Array.ConvertAll(inputs, t => t.Clone());
        foreach (var leaf in leaves)
            leaf.RequiresGrad = leaf.DType == DType.Float32;
        var outputs = function(leaves);
        var weights = Array.ConvertAll(outputs, Weights);
        Tensor? loss = null;
        for (var i = 0; i < outputs.Length; i++)
        {
            if (!outputs[i].RequiresGrad)
                continue;
            var part = (outputs[i] * weights[i]).Sum();
            loss = loss is null ? part : loss + part;
        }
        var active = leaves.Where(l => l.RequiresGrad).ToArray();
        var gradients = (loss ?? throw new VertebraException("no output depends on an input that requires a gradient")).Gradients(active);
        double worst = 0;
        for (var i = 0; i < active.Length; i++)
            worst = Math.Max(worst, ErrorOf(function, leaves, active[i], gradients[i].ToArray<float>(), weights, step));
        return worst;
    }

    private static double ErrorOf(Func<Tensor[], Tensor[]> function, Tensor[] leaves, Tensor leaf, float[] gradient, Tensor[] weights, float step)
    {
        using var off = GradMode.Off();
        var scale = Math.Max(1e-2, gradient.Length == 0 ? 0 : gradient.Max(MathF.Abs));
        double worst = 0;
        for (var i = 0; i < gradient.Length; i++)
        {
            var origin = leaf.ToArray<float>();
            double At(float offset)
            {
                var moved = (float[])origin.Clone();
                moved[i] += offset;
                leaf.CopyFrom<float>(moved);
                return Evaluate(function(leaves), weights);
            }
            // The steps as float32 really takes them.
            var actual = (double)(origin[i] + step) - origin[i];
            var numeric = ((8 * (At(step) - At(-step))) - (At(2 * step) - At(-2 * step))) / (12 * actual);
            leaf.CopyFrom<float>(origin);
            worst = Math.Max(worst, Math.Abs(numeric - gradient[i]) / scale);
        }
        return worst;
    }

    private static double Evaluate(Tensor[] outputs, Tensor[] weights)
    {
        double sum = 0;
        for (var i = 0; i < outputs.Length; i++)
        {
            if (outputs[i].DType != DType.Float32)
                continue;
            var (values, factors) = (outputs[i].ToArray<float>(), weights[i].ToArray<float>());
            for (var j = 0; j < values.Length; j++)
                sum += (double)values[j] * factors[j];
        }
        return sum;
    }

    private static Tensor Weights(Tensor output)
    {
        var random = new Philox(0x6A09E667, 1);
        var values = new float[output.ElementCount];
        for (var i = 0; i < values.Length; i++)
            values[i] = (2 * random.Uniform((ulong)i)) - 1;
        return Tensor.From(values, output.Shape);
    }
}
