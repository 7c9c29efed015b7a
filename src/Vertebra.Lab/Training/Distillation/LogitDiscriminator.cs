using Vertebra.Nn;
using static Vertebra.Ops.TensorOps;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// The discriminator of MEAL V2 (Shen and Savvides 2020): three linear layers, each followed by a ReLU, that tell the logits of a
/// student from those of its teachers. Parameters as in the authors' code, where the layers are 1×1 convolutions.
/// </summary>
public sealed class LogitDiscriminator : Module
{
    // The authors' factor between widths: 1000, 125, 15, 2.
    private const int Narrowing = 8;

    // With few classes as many units would be left as may all be switched off.
    private const int LeastWidth = 8;

    private readonly Linear _conv1;
    private readonly Linear _conv2;
    private readonly Linear _conv3;

    /// <param name="classes">Number of logits.</param>
    public LogitDiscriminator(int classes)
    {
        var first = Math.Max(LeastWidth, classes / Narrowing);
        var second = Math.Max(LeastWidth, classes / Narrowing / Narrowing);
        _conv1 = Child("conv1", new Linear(classes, first));
        _conv2 = Child("conv2", new Linear(first, second));
        _conv3 = Child("conv3", new Linear(second, 2));
    }

    /// <summary>Logits [N, classes] to two scores [N, 2]: from the student, from the teachers.</summary>
    protected override Tensor OnForward(Tensor x) => _conv3.Forward(_conv2.Forward(_conv1.Forward(x).Relu()).Relu()).Relu();

    /// <summary>How badly it tells them apart: binary cross-entropy of both scores, over both halves.</summary>
    /// <param name="student">float32 [N, classes].</param>
    /// <param name="teachers">float32 [N, classes]: the mean of the teachers' logits.</param>
    /// <param name="adversarial">
    /// Turns the gradient into the student round, so that it learns to be taken for its teachers while the discriminator learns to tell
    /// them apart, as in MEAL (Shen, He and Xue, AAAI 2019); false: both make the loss smaller together, as the published code of V2 has it.
    /// </param>
    public Tensor Loss(Tensor student, Tensor teachers, bool adversarial = true)
    {
        var count = student.Shape[0];
        var scores = Forward(Tensor.Concat([adversarial ? Reversed(student) : student, teachers], 0));
        var targets = new float[4 * count];
        for (var i = 0; i < 2 * count; i++)
            targets[(2 * i) + (i < count ? 0 : 1)] = 1;
        return scores.BinaryCrossEntropyWithLogits(Tensor.From(targets, [2 * count, 2]));
    }

    /// <summary>The same value, whose gradient flows back with the other sign (Ganin and Lempitsky, ICML 2015).</summary>
    private static Tensor Reversed(Tensor x) => (x.Detach() * 2) - x;
}
