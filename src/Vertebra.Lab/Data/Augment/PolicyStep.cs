namespace Vertebra.Lab.Data.Augment;

/// <summary>How strong the operations of a policy are, and how they fill the gaps.</summary>
internal sealed record PolicyStrength
{
    /// <summary>Standard deviation of the level; 0 for always the same, infinite for uniform between 0 and it.</summary>
    public double Deviation { get; init; }

    /// <summary>Greatest level.</summary>
    public double MostLevel { get; init; } = 10;

    public LevelLimits Limits { get; init; } = new(100, 0.45);

    public WarpStyle Style { get; init; } = new(WarpFilter.Bilinear, 128, 128, 128);
}

/// <summary>An operation with its probability and level, one building block of policies: timm's <c>AugmentOp</c>.</summary>
/// <param name="Operation">What is done.</param>
/// <param name="Probability">How often.</param>
/// <param name="Level">How strongly.</param>
/// <param name="Strength">How the level varies and what it means.</param>
internal sealed record PolicyStep(LeveledOperation Operation, double Probability, double Level, PolicyStrength Strength)
{
    public PolicyStep(string name, double probability, double level, PolicyStrength strength) : this(LeveledOperation.All[name], probability, level, strength) { }

    /// <summary>
    /// Changes the picture, or does not. Draws, in this order: whether (unless certain), the level (one number where it is
    /// uniform, two where it is normal), then what <see cref="LeveledOperation.Apply"/> draws.
    /// </summary>
    public void Apply(PixelCanvas canvas, ref SampleRandom random)
    {
        if (Probability < 1 && random.Uniform(0, 1) >= Probability)
            return;
        Operation.Apply(canvas, DrawLevel(ref random), Strength.Limits, Strength.Style, ref random);
    }

    internal double DrawLevel(ref SampleRandom random)
    {
        var level = double.IsPositiveInfinity(Strength.Deviation) ? random.Uniform(0, Level)
            : Strength.Deviation > 0 ? Level + (Strength.Deviation * random.Normal())
            : Level;
        return Math.Clamp(level, 0, Strength.MostLevel);
    }
}
