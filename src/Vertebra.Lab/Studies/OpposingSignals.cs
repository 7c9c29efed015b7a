using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Lab.Studies;

/// <summary>How <see cref="OpposingSignals"/> looks.</summary>
/// <param name="LearningRate">Rate of the steps; at the edge of stability or above it, the groups move most.</param>
public sealed record OpposingSettings(double LearningRate)
{
    /// <summary>Steps of gradient descent.</summary>
    public int Steps { get; init; } = 6;

    /// <summary>Takes half the rate, from the beginning, as long as the loss doubles or is no number: down to the edge of stability.</summary>
    public bool Shortens { get; init; }

    /// <summary>Images of one pass.</summary>
    public int BatchSize { get; init; } = 128;

    /// <summary>Share of all images whose loss rises or falls most, on each side, among which groups are looked for.</summary>
    public double Share { get; init; } = 0.02;

    /// <summary>Most pairs of groups.</summary>
    public int MostPairs { get; init; } = 6;

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="VertebraException">A value is out of range; the message names the flag.</exception>
    public void Validate()
    {
        TrainingOptions.Check(LearningRate is > 0 and < 1e6, "lr", LearningRate, "above 0");
        TrainingOptions.Check(Steps is >= 1 and <= 1000, "steps", Steps, "1 to 1000");
        TrainingOptions.Check(BatchSize is >= 1 and <= 1_000_000, "batch-size", BatchSize, "1 to 1000000");
        TrainingOptions.Check(Share is > 0 and <= 0.5, "share", Share, "above 0 and at most 0.5");
        TrainingOptions.Check(MostPairs is >= 1 and <= 100, "pairs", MostPairs, "1 to 100");
    }
}

/// <summary>Images whose loss a step has changed in the same way.</summary>
/// <param name="Label">Their class.</param>
/// <param name="Images">Their places in the data set, the largest change first.</param>
/// <param name="Change">Mean change of their loss in the step.</param>
/// <param name="Losses">Mean loss before each step, and after the last.</param>
public sealed record SignalGroup(int Label, IReadOnlyList<int> Images, double Change, IReadOnlyList<double> Losses);

/// <summary>Two groups with a signal in common that one step takes for the class of the one, to the cost of the other.</summary>
/// <param name="Falling">Those for whose class the step decided: their loss falls.</param>
/// <param name="Rising">Those against whose class it decided: their loss rises, and the probability goes to the class of the others.</param>
/// <param name="Cosine">Of the gradients of both groups' losses before the step: -1 where they pull the weights in opposite directions.</param>
/// <param name="Correlation">Of the changes of both groups' losses from step to step: -1 where what helps the one always harms the other.</param>
public sealed record OpposingPair(SignalGroup Falling, SignalGroup Rising, double Cosine, double Correlation);

/// <summary>What was found.</summary>
/// <param name="LearningRate">Rate of the steps.</param>
/// <param name="Losses">Mean loss of all images before each step, and after the last.</param>
/// <param name="Step">The step that was looked at, from 0: the one that moved losses most in both directions.</param>
/// <param name="MeanChange">Mean absolute change of the loss of an image in it.</param>
/// <param name="Pairs">The pairs of groups, the largest first.</param>
public sealed record OpposingResult(double LearningRate, IReadOnlyList<double> Losses, int Step, double MeanChange, IReadOnlyList<OpposingPair> Pairs);

/// <summary>
/// Finds groups of training images with opposing signals (Rosenfeld and Risteski, "Outliers with opposing signals have an
/// outsized effect on neural network optimization", 2024): a strong feature, as the sky's blue, that comes with several classes, so
/// that its gradients point in opposite directions. Gradient descent balances such groups in a narrow valley; when a step is
/// too long for it, the loss rises on one group and falls on the other. As in the paper, steps of gradient descent on all images
/// together are taken, and the images looked at whose loss changes most in either direction. They are grouped by where the
/// probability moved: from class a to class c, which costs those that are a and helps those that are c.
/// </summary>
/// <param name="network">Takes images [N, H, W, C], returns logits [N, classes]. It has its weights again at the end. It is run in evaluation mode: the loss is then a function of weights and image alone.</param>
/// <param name="images">Images to learn from.</param>
/// <param name="transform">How they become inputs: without augmentation.</param>
/// <param name="settings">How to look.</param>
public sealed class OpposingSignals(Module network, IImageDataset images, InputTransform transform, OpposingSettings settings)
{
    private const int LeastOutliers = 8;
    private const int LeastMembers = 2;
    private const int MostForGradient = 64;
    private const int MostHalvings = 20;
    private const double Growth = 2;

    private readonly Tensor[] _parameters = [.. network.NamedParameters().Select(p => p.Tensor).Where(t => t.RequiresGrad)];

    /// <summary>Told how far it is: passes done, of how many.</summary>
    public Action<int, int> Progress { get; init; } = (_, _) => { };

    /// <summary>Takes the steps and looks at them.</summary>
    /// <param name="cancellation">Stops between batches with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="VertebraException">The very first step leads to losses that are not finite, or no image could be read.</exception>
    public OpposingResult Find(CancellationToken cancellation = default)
    {
        settings.Validate();
        var (wasTraining, former) = (network.IsTraining, Copies());
        network.Eval();
        try
        {
            return Take(former, cancellation);
        }
        finally
        {
            PutBack(former);
            ForgetGradients();
            network.Train(wasTraining);
        }
    }

    private OpposingResult Take(Tensor[] start, CancellationToken cancellation)
    {
        var rate = settings.LearningRate;
        var walk = Walk(start, rate, cancellation);
        for (var halvings = 0; settings.Shortens && walk.IsTooLong && halvings < MostHalvings; halvings++)
        {
            rate /= 2;
            PutBack(start);
            ForgetGradients();
            walk = Walk(start, rate, cancellation);
        }
        var (passes, step) = (walk.Passes, walk.Step);
        if (passes.Count < 2)
            throw new VertebraException(FormattableString.Invariant($"the first step at a learning rate of {rate} leads to losses that are not finite: give a lower --lr"));
        PutBack(walk.Before);
        return new(rate, [.. passes.Select(p => p.Mean)], step, passes[step].MeanChange(passes[step + 1]), Pairs(passes, step, cancellation));
    }

    /// <summary>Steps from the weights as they are: the passes between them, the step that moved losses most both ways, and the weights before it.</summary>
    private (List<LossPass> Passes, int Step, Tensor[] Before, bool IsTooLong) Walk(Tensor[] start, double rate, CancellationToken cancellation)
    {
        var optimizer = new Sgd(ParameterGroup.Of(network, weightDecay: 0)) { LearningRate = rate };
        var passes = new List<LossPass> { Pass(cancellation) };
        var (step, most, weights) = (0, double.NegativeInfinity, start);
        for (var i = 0; i < settings.Steps; i++)
        {
            var before = Copies();
            optimizer.Step();
            ForgetGradients();
            Progress(i + 1, settings.Steps + 1);
            var pass = Pass(cancellation);
            var isTooLong = !(pass.Mean <= Growth * passes[0].Mean);
            if (!double.IsFinite(pass.Mean) || (isTooLong && settings.Shortens))
                return (passes, step, weights, true);
            passes.Add(pass);
            var moved = passes[i].MovedBothWays(pass);
            if (moved > most)
                (step, most, weights) = (i, moved, before);
        }
        return (passes, step, weights, false);
    }

    private Tensor[] Copies() => [.. _parameters.Select(p => p.Clone())];

    private void PutBack(Tensor[] copies)
    {
        for (var i = 0; i < copies.Length; i++)
            _parameters[i].CopyFrom(copies[i]);
    }

    private void ForgetGradients() => Array.ForEach(_parameters, p => p.Grad = null);

    // ---------------------------------------------------------------- passes

    /// <summary>Losses and probabilities of all images, and the gradient of their mean loss.</summary>
    private LossPass Pass(CancellationToken cancellation)
    {
        var pass = new LossPass(images.Count);
        Differentiate(images, (batch, logits) => pass.Add(batch, logits), cancellation);
        return pass.Count > 0 ? pass : throw new VertebraException($"{images.Identity}: not one image could be read");
    }

    /// <summary>Adds the gradient of the mean loss of some images to those of the parameters.</summary>
    private void Differentiate(IImageDataset some, Action<Batch, Tensor> seen, CancellationToken cancellation)
    {
        var loader = new BatchLoader(some, transform, LoaderOptions.ForEvaluation(settings.BatchSize) with { CacheBytes = 0 });
        foreach (var batch in loader.Epoch(0, 0, cancellation))
        {
            var logits = network.Forward(batch.Images);
            seen(batch, logits);
            (logits.CrossEntropy(batch.Labels, reduction: LossReduction.Sum) * (1f / some.Count)).Backward();
        }
    }

    // ---------------------------------------------------------------- groups

    private List<OpposingPair> Pairs(List<LossPass> passes, int step, CancellationToken cancellation)
    {
        var (before, after) = (passes[step], passes[step + 1]);
        var order = Enumerable.Range(0, images.Count).Where(i => before.Has(i) && after.Has(i)).OrderBy(i => after.Loss(i) - before.Loss(i)).ToArray();
        var outliers = Math.Min(order.Length / 2, Math.Max(LeastOutliers, (int)(settings.Share * order.Length)));
        // A loss falls where the probability moved to the image's class, and rises where it moved away from it.
        var falling = Groups(order.Take(outliers), before, after, flow => flow.To);
        var rising = Groups(order.Reverse().Take(outliers), before, after, flow => flow.From);
        return
        [
            .. rising.Where(g => falling.ContainsKey(g.Key))
                .Select(g => (Rising: g.Value, Falling: falling[g.Key]))
                .Where(p => p.Rising.Length >= LeastMembers && p.Falling.Length >= LeastMembers)
                .OrderByDescending(p => Math.Min(Moved(p.Rising, before, after), Moved(p.Falling, before, after)))
                .Take(settings.MostPairs)
                .Select(p => Pair(p.Falling, p.Rising, passes, step, cancellation)),
        ];
    }

    private Dictionary<(int From, int To), int[]> Groups(IEnumerable<int> some, LossPass before, LossPass after, Func<(int From, int To), int> own) =>
        some.Select(i => (Image: i, Flow: before.Flow(after, i))).Where(i => own(i.Flow) == images.Label(i.Image)).GroupBy(i => i.Flow, i => i.Image).ToDictionary(g => g.Key, g => g.ToArray());

    private static double Moved(int[] some, LossPass before, LossPass after) => some.Sum(i => Math.Abs(after.Loss(i) - before.Loss(i)));

    private OpposingPair Pair(int[] falling, int[] rising, List<LossPass> passes, int step, CancellationToken cancellation)
    {
        var (a, b) = (Group(falling, passes, step), Group(rising, passes, step));
        return new(a, b, Cosine(GradientOf(falling, cancellation), GradientOf(rising, cancellation)), Correlation(Changes(a.Losses), Changes(b.Losses)));
    }

    private SignalGroup Group(int[] members, List<LossPass> passes, int step)
    {
        var losses = passes.Select(p => members.Where(p.Has).Average(p.Loss)).ToArray();
        return new(images.Label(members[0]), members, losses[step + 1] - losses[step], losses);
    }

    private Tensor?[] GradientOf(int[] members, CancellationToken cancellation)
    {
        ForgetGradients();
        Differentiate(new SubsetDataset(images, [.. members.Take(MostForGradient)]), (_, _) => { }, cancellation);
        return [.. _parameters.Select(p => p.Grad)];
    }

    private static double Cosine(Tensor?[] a, Tensor?[] b)
    {
        double product = 0, squaresA = 0, squaresB = 0;
        foreach (var (x, y) in a.Zip(b).Where(p => p is { First: not null, Second: not null }))
        {
            var u = x!.AsSpan<float>();
            var v = y!.AsSpan<float>();
            for (var i = 0; i < u.Length; i++)
            {
                product += (double)u[i] * v[i];
                squaresA += (double)u[i] * u[i];
                squaresB += (double)v[i] * v[i];
            }
        }
        GC.KeepAlive(a);
        GC.KeepAlive(b);
        return product / Math.Sqrt(squaresA * squaresB);
    }

    private static double[] Changes(IReadOnlyList<double> losses) => [.. losses.Zip(losses.Skip(1), (l, next) => next - l)];

    private static double Correlation(double[] a, double[] b)
    {
        var (meanA, meanB) = (a.Average(), b.Average());
        var product = a.Zip(b, (x, y) => (x - meanA) * (y - meanB)).Sum();
        return product / Math.Sqrt(a.Sum(x => (x - meanA) * (x - meanA)) * b.Sum(y => (y - meanB) * (y - meanB)));
    }
}
