using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>While training, sets elements to zero with probability p and scales the others by 1 / (1 - p); in evaluation returns its input.</summary>
public sealed class Dropout(float probability) : Module
{
    /// <summary>Share of elements dropped, in [0, 1).</summary>
    public float Probability { get; } = probability;

    protected override Tensor OnForward(Tensor x) => Dropping.Apply(new(Probability, WholeImages: false), x, IsTraining);
}

/// <summary>
/// Stochastic depth (Huang et al. 2016): while training, zeroes the whole branch of an image with probability p and scales the
/// others by 1 / (1 - p); in evaluation returns its input.
/// </summary>
public sealed class DropPath(float probability) : Module
{
    /// <summary>Share of images whose branch is dropped, in [0, 1).</summary>
    public float Probability { get; } = probability;

    /// <summary>Whether it has to be applied now: in training, and while a trace is taken, which keeps its place. Otherwise a block may go around it.</summary>
    public bool IsInPlace => Probability > 0 && (IsTraining || OpRecording.Current is not null);

    protected override Tensor OnForward(Tensor x) => Dropping.Apply(new(Probability, WholeImages: true), x, IsTraining);
}

/// <summary>What all dropouts do.</summary>
internal static class Dropping
{
    /// <summary>Drops in training, and otherwise does nothing; a trace keeps the place.</summary>
    public static Tensor Apply(DropInTraining op, Tensor x, bool isTraining)
    {
        if (op.P == 0)
            return x;
        if (!isTraining)
            return OpRecording.Current is null ? x : op.Apply(x);
        var (seed, stream) = TrainingRandom.Next();
        return op.Dropping(seed, stream).Apply(x);
    }
}
