using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Ops;

namespace Vertebra.Lab.Probing;

/// <summary>
/// Multinomial logistic regression on standardised features: mean cross-entropy plus l2 / 2 times the squared norm of the
/// weights (not of the biases), minimised by L-BFGS. It is convex, so that the result says what the features hold and not how
/// training went.
/// </summary>
public sealed class LinearProbe
{
    private const int Iterations = 1000;
    private const double Tolerance = 1e-5;
    private const double HeldBack = 0.2;

    private readonly float[] _mean;
    private readonly float[] _scale;

    private LinearProbe(float[] mean, float[] scale, Tensor weight, Tensor bias, double l2, double loss) =>
        (_mean, _scale, Weight, Bias, L2, Loss) = (mean, scale, weight, bias, l2, loss);

    /// <summary>The strengths of which <see cref="FitChoosing"/> takes one, strongest first.</summary>
    public static IReadOnlyList<double> Strengths { get; } = [1, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

    /// <summary>float32 [classes, dimensions], for standardised features.</summary>
    public Tensor Weight { get; }

    /// <summary>float32 [classes].</summary>
    public Tensor Bias { get; }

    /// <summary>The regularisation.</summary>
    public double L2 { get; }

    /// <summary>What was minimised, at its minimum.</summary>
    public double Loss { get; }

    /// <summary>Fits the classifier.</summary>
    /// <param name="training">Features and classes.</param>
    /// <param name="classCount">Number of classes.</param>
    /// <param name="l2">Strength of the regularisation, at least 0.</param>
    /// <param name="cancellation">Stops between evaluations with <see cref="OperationCanceledException"/>.</param>
    public static LinearProbe Fit(FeatureSet training, int classCount, double l2, CancellationToken cancellation = default) =>
        Fit(training, classCount, l2, new double[classCount * (training.Dimensions + 1)], cancellation);

    /// <summary>Fits the classifier with the regularisation of <see cref="Strengths"/> that names most images of a held-back fifth right; the stronger of equals.</summary>
    /// <param name="training">Features and classes.</param>
    /// <param name="classCount">Number of classes.</param>
    /// <param name="seed">Draws the fifth, of each class.</param>
    /// <param name="cancellation">Stops between evaluations with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="VertebraException">There is no class with two images.</exception>
    public static LinearProbe FitChoosing(FeatureSet training, int classCount, ulong seed = 42, CancellationToken cancellation = default)
    {
        string[] names = [.. Enumerable.Range(0, classCount).Select(c => $"{c}")];
        int[] Part(bool heldBack) => HeldBackShare.Draw(Enumerable.Range(0, training.Count), i => training.Labels[i], names, HeldBack, seed, heldBack);
        var (rest, held) = (Part(heldBack: false), Part(heldBack: true));
        if (held.Length == 0)
            throw new VertebraException("no class has two images, so none can be held back to choose the regularisation by; give --l2");
        var (fitted, judged) = (training.Select(rest), training.Select(held));
        // Each begins where the stronger one ended, which lies near.
        var start = new double[classCount * (training.Dimensions + 1)];
        var best = Strengths.Select(l2 => (L2: l2, Fit(fitted, classCount, l2, start, cancellation).Run(judged).Top1)).MaxBy(r => r.Top1);
        return Fit(training, classCount, best.L2, cancellation);
    }

    /// <summary>Scores of images: float32 [images, classes].</summary>
    public Tensor Scores(FeatureSet images) => Tensor.From(Standardised(images, _mean, _scale), images.Values.Shape).Linear(Weight, Bias);

    /// <summary>Accuracy on labelled images.</summary>
    public EvaluationResult Run(FeatureSet images)
    {
        using var off = GradMode.Off();
        return images.Judge(Scores(images));
    }

    private static LinearProbe Fit(FeatureSet training, int classCount, double l2, double[] solution, CancellationToken cancellation)
    {
        var (mean, scale) = Statistics(training);
        var features = Tensor.From(Standardised(training, mean, scale), training.Values.Shape);
        var labels = Tensor.From(Array.ConvertAll(training.Labels, l => (long)l), [training.Count]);
        var weights = classCount * training.Dimensions;
        var loss = Lbfgs.Minimise(solution, Function, Iterations, Tolerance);
        return new(mean, scale, WeightOf(solution), BiasOf(solution), l2, loss);

        double Function(double[] x, double[] gradient)
        {
            cancellation.ThrowIfCancellationRequested();
            var (weight, bias) = (WeightOf(x), BiasOf(x));
            (weight.RequiresGrad, bias.RequiresGrad) = (true, true);
            var entropy = features.Linear(weight, bias).CrossEntropy(labels);
            entropy.Backward();
            var (weightGradient, biasGradient) = (weight.Grad!.ToArray<float>(), bias.Grad!.ToArray<float>());
            double norm = 0;
            for (var i = 0; i < weights; i++)
            {
                gradient[i] = weightGradient[i] + (l2 * x[i]);
                norm += x[i] * x[i];
            }
            for (var i = weights; i < x.Length; i++)
                gradient[i] = biasGradient[i - weights];
            return entropy.ToScalar() + (l2 / 2 * norm);
        }

        Tensor WeightOf(double[] x) => Tensor.From([.. x.Take(weights).Select(v => (float)v)], [classCount, training.Dimensions]);
        Tensor BiasOf(double[] x) => Tensor.From([.. x.Skip(weights).Select(v => (float)v)], [classCount]);
    }

    /// <summary>Mean of each feature, and one over its deviation; features that do not vary stay 0.</summary>
    private static (float[] Mean, float[] Scale) Statistics(FeatureSet set)
    {
        var values = set.Values.ToArray<float>();
        var (sums, squares) = (new double[set.Dimensions], new double[set.Dimensions]);
        for (var i = 0; i < values.Length; i++)
            sums[i % set.Dimensions] += values[i];
        var mean = Array.ConvertAll(sums, s => s / set.Count);
        for (var i = 0; i < values.Length; i++)
            squares[i % set.Dimensions] += Math.Pow(values[i] - mean[i % set.Dimensions], 2);
        return (Array.ConvertAll(mean, m => (float)m), Array.ConvertAll(squares, s => s > 0 ? (float)(1 / Math.Sqrt(s / set.Count)) : 0));
    }

    private static float[] Standardised(FeatureSet set, float[] mean, float[] scale)
    {
        var values = set.Values.ToArray<float>();
        for (var i = 0; i < values.Length; i++)
            values[i] = (values[i] - mean[i % mean.Length]) * scale[i % scale.Length];
        return values;
    }
}
