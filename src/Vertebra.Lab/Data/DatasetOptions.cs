using Vertebra.Lab.Data.Shapes;

namespace Vertebra.Lab.Data;

/// <summary>Which images of a data set.</summary>
public enum DatasetSplit
{
    /// <summary>Those to learn from.</summary>
    Train,

    /// <summary>Those held back; never one of <see cref="Train"/>.</summary>
    Validation,

    /// <summary>
    /// For judging or using a finished network: those held back where the set has such a part, otherwise every image.
    /// </summary>
    Evaluation,
}

/// <summary>What else there is to say about opening a data set.</summary>
public sealed record DatasetOptions
{
    /// <summary>
    /// Share of each class of a folder without <c>val/</c> that is held back, in (0, 1), drawn by <see cref="Seed"/>;
    /// null where the folder has its own.
    /// </summary>
    public double? ValidationShare { get; init; }

    /// <summary>Seed of the drawn split.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>
    /// The classes of a trained network, when its images are to be labelled as it numbers them: each class folder must be
    /// one of these, and not every one need be there. Null: the classes are what the data set has.
    /// </summary>
    public IReadOnlyList<string>? ClassNames { get; init; }

    /// <summary>What the generated set is like.</summary>
    public ShapesOptions Shapes { get; init; } = new();

    /// <summary>Told how far a long preparation is: done, of how many, what. Called by one thread at a time, not always the same.</summary>
    public Action<long, long, string>? Progress { get; init; }

    /// <summary>Ends a long preparation with <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Cancellation { get; init; }
}
