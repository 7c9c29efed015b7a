using Vertebra.Nn;
using static Vertebra.Ops.TensorOps;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// MEAL V2 (Shen and Savvides, "MEAL V2: boosting vanilla ResNet-50 to 80%+ top-1 accuracy on ImageNet without tricks", 2020): the mean
/// of the probabilities of an ensemble is all that is learned, no labels, and a discriminator of logits regularises
/// (<see cref="LogitDiscriminator"/>). The paper starts from a trained student.
/// </summary>
internal sealed class DiscriminatedTerm : IDistillationTerm
{
    private readonly LogitDiscriminator _discriminator;
    private readonly bool _isAdversarial;

    public DiscriminatedTerm(DistillationContext context)
    {
        _isAdversarial = context.Options.MealAdversarial;
        _discriminator = new(context.ClassCount);
        _discriminator.Initialise((ulong)context.Options.Seed);
    }

    public Module Companion => _discriminator;

    public Tensor Compute(DistillationPass pass)
    {
        var teachers = pass.TeacherLogits.Aggregate((a, b) => a + b) / pass.TeacherLogits.Count;
        return DistillationLosses.KullbackLeibler(pass.Logits, pass.TeacherProbabilities(), 1) + _discriminator.Loss(pass.Logits, teachers, _isAdversarial);
    }
}
