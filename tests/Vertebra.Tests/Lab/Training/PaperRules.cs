using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

/// <summary>An optimiser beside a rule written out in float64.</summary>
internal static class PaperRules
{
    /// <summary>30 steps from the same weights with prescribed gradients, so that both sides see the same numbers.</summary>
    /// <param name="shape">Of the one parameter.</param>
    /// <param name="decay">Its weight decay.</param>
    /// <param name="make">Makes the optimiser.</param>
    /// <param name="rule">Takes step (from 1), weights and gradient, and updates the weights.</param>
    /// <param name="rate">Learning rate of a step.</param>
    /// <param name="bound">Largest difference of a weight at the end.</param>
    /// <param name="steps">Number of steps.</param>
    public static void Compare(
        Shape shape, double decay, Func<ParameterGroup[], Optimizer> make, Action<int, double[], double[]> rule, Func<int, double> rate, double bound = 1e-5, int steps = 30)
    {
        var count = (int)shape.ElementCount;
        var truth = Enumerable.Range(0, count).Select(i => (((i * 29) % 64) - 32) / 16.0).ToArray();
        var weight = Tensor.From(Array.ConvertAll(truth, v => (float)v), shape);
        weight.RequiresGrad = true;
        var optimizer = make([new([new("w", weight)], decay)]);
        for (var step = 1; step <= steps; step++)
        {
            var gradient = Gradient(count, step);
            weight.Grad = Tensor.From(Array.ConvertAll(gradient, v => (float)v), shape);
            optimizer.LearningRate = rate(step);
            optimizer.Step();
            rule(step, truth, gradient);
        }
        var actual = weight.ToArray<float>();
        for (var i = 0; i < count; i++)
            Assert.True(Math.Abs(actual[i] - truth[i]) < bound, $"weight {i} is {actual[i]}, the rule gives {truth[i]}");
    }

    /// <summary>Multiples of 1/64 that float32 holds exactly.</summary>
    public static double[] Gradient(int count, int step) =>
        [.. Enumerable.Range(0, count).Select(i => ((((i * 37) + (i * i % 91) + (step * 101)) % 211) - 105) / 64.0)];

    public static double Norm(IEnumerable<double> values) => Math.Sqrt(values.Sum(v => v * v));
}
