using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>While training, sets elements to zero with probability p and scales the others by 1 / (1 - p); in evaluation returns its input.</summary>
public sealed class Dropout(float probability) : Module
{
    /// <summary>Share of elements dropped, in [0, 1).</summary>
    public float Probability { get; } = probability;

    protected override Tensor OnForward(Tensor x)
    {
        if (!IsTraining || Probability == 0)
            return x;
        var (seed, stream) = TrainingRandom.Next();
        return x.Dropout(Probability, seed, stream);
    }
}

/// <summary>
/// Stochastic depth (Huang et al. 2016): while training, zeroes the whole branch of an image with probability p and scales the
/// others by 1 / (1 - p); in evaluation returns its input.
/// </summary>
public sealed class DropPath(float probability) : Module
{
    /// <summary>Share of images whose branch is dropped, in [0, 1).</summary>
    public float Probability { get; } = probability;

    protected override Tensor OnForward(Tensor x)
    {
        if (!IsTraining || Probability == 0)
            return x;
        var (seed, stream) = TrainingRandom.Next();
        return x.DropPath(Probability, seed, stream);
    }
}
