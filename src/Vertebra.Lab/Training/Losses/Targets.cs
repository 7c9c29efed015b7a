using Vertebra.Lab.Data;
using Vertebra.Ops;

namespace Vertebra.Lab.Training.Losses;

/// <summary>What a batch's logits should be like, as a matrix.</summary>
public static class Targets
{
    /// <summary>float32 [rows, classes]: the batch's own targets, or a 1 at each label.</summary>
    public static Tensor Plain(Batch batch, int classes) => batch.Targets ?? batch.Labels.OneHot(classes);

    /// <summary>The same with a share <paramref name="smoothing"/> of every row's 1 spread over all classes evenly (Szegedy et al. 2016).</summary>
    public static Tensor Smoothed(Batch batch, int classes, double smoothing)
    {
        var plain = Plain(batch, classes);
        return smoothing == 0 ? plain : (plain * (float)(1 - smoothing)) + (float)(smoothing / classes);
    }
}
