using Vertebra.Lab.Training.Losses;
using Vertebra.Ops;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// The two views in which ScaleKD (Fan et al., NeurIPS 2024) compares maps: as they are, and without the direct component of their
/// cosine transform, which would outweigh all others. In both every position's vector is brought to length 1 first.
/// </summary>
public static class DualViewMimicking
{
    /// <summary>Sum of squares between the positions' directions, the mean over images.</summary>
    /// <param name="student">float32 [N, H, W, C].</param>
    /// <param name="teacher">float32 [N, H, W, C].</param>
    public static Tensor Original(Tensor student, Tensor teacher) => (ContrastiveLosses.Normalise(student) - ContrastiveLosses.Normalise(teacher)).Square().Sum() / student.Shape[0];

    /// <summary>The same without the direct component.</summary>
    /// <inheritdoc cref="Original"/>
    public static Tensor Alternative(Tensor student, Tensor teacher)
    {
        var transform = new CosineTransform(student.Shape[1], student.Shape[2]);
        return Original(transform.WithoutDirectComponent(student), transform.WithoutDirectComponent(teacher));
    }
}
