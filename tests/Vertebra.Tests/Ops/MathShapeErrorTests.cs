using Vertebra.Ops;

namespace Vertebra.Tests.Ops;

/// <summary>Operands that do not fit: the message names the op, the shapes and the rule.</summary>
public class MathShapeErrorTests
{
    private static readonly Tensor F = Tensor.Zeros([2, 3]);
    private static readonly Tensor G = Tensor.Zeros([4]);
    private static readonly Tensor I = Tensor.Zeros([2], DType.Int64);

    public static TheoryData<string, Action> Errors => new()
    {
        { "Subtract: shapes [2, 3] and [4] do not broadcast: 3 against 4 in axis 1", () => _ = F - G },
        { "Divide: input must be Float32, got Int64[2]; convert it with To(Float32)", () => _ = F / I },
        { "Negate: input must be Float32, got Int64[2]; convert it with To(Float32)", () => _ = -I },
        { "Sum: axis 2 does not exist in shape [2, 3] of rank 2", () => F.Sum([2]) },
        { "Mean: axis -2 of shape [2, 3] stands twice in [0, -2]", () => F.Mean([0, -2]) },
        { "Max: there is no largest of no elements: shape [2, 0] over axes [1]", () => Tensor.Zeros([2, 0]).Max([1]) },
        { "Softmax: axis 2 does not exist in shape [2, 3] of rank 2", () => F.Softmax(2) },
        { "Greater: the operands must be of one element type, got float32[2, 3] and int64[2]; convert one with To", () => F.Greater(I) },
        { "Where: the condition must be Bool, got Float32[2, 3]; convert it with To(Bool)", () => F.Where(F, F) },
        { "CrossEntropy: the targets of logits [2, 3] must have shape [2], got [3]", () => F.CrossEntropy(Tensor.Zeros([3], DType.Int64)) },
        { "CrossEntropy: the targets must be Int64, got Float32[2, 3]; convert it with To(Int64)", () => F.CrossEntropy(F) },
        { "CrossEntropy: the class weights of logits [2, 3] must have shape [3], got [4]", () => F.CrossEntropy(I, classWeights: G) },
        { "CrossEntropy: label smoothing must lie in [0, 1], got 1.5", () => F.CrossEntropy(I, labelSmoothing: 1.5f) },
        { "CrossEntropy: logits must be [..., classes] with at least one class, got shape [2, 0]", () => Tensor.Zeros([2, 0]).CrossEntropy(I) },
        { "SoftCrossEntropy: the target distribution of logits [2, 3] must have shape [2, 3], got [4]", () => F.SoftCrossEntropy(G) },
        { "BinaryCrossEntropyWithLogits: the targets of logits [2, 3] must have shape [2, 3], got [4]", () => F.BinaryCrossEntropyWithLogits(G) },
        { "Prelu: the weight must have shape [1] or [C] for x [..., C], got [4] for x [2, 3]", () => F.Prelu(G) },
        { "Elu: alpha must be at least 0, got -1", () => F.Elu(-1) },
        { "Clamp: the lower bound 2 must not be above the upper one 1", () => F.Clamp(2, 1) },
        { "Dropout: the probability must lie in [0, 1], got 1.5", () => F.Dropout(1.5f, 0, 0) },
        { "DropPath: a scalar has no samples to drop; axis 0 must be the batch", () => Tensor.Scalar(1).DropPath(0.5f, 0, 0) },
        { "CumSum: axis 2 does not exist in shape [2, 3] of rank 2", () => F.CumSum(2) },
        { "ArgMax: there is no largest of no elements: shape [2, 0] along axis -1", () => Tensor.Zeros([2, 0]).ArgMax() },
        { "LogicalAnd: the first operand must be Bool, got Float32[2, 3]; convert it with To(Bool)", () => F.LogicalAnd(F) },
        { "ReluGradient: what the activation saved must have shape [2, 3], got [4]", () => new ActivationGradient(new Relu()).Apply(F, G) },
    };

    [Theory]
    [MemberData(nameof(Errors))]
    public void The_message_names_the_rule(string message, Action action)
    {
        Assert.Equal(message, Assert.Throws<ShapeException>(action).Message);
    }

    [Fact]
    public void A_target_outside_the_classes_is_named()
    {
        var e = Assert.Throws<VertebraException>(() => F.CrossEntropy(Tensor.From(0L, 3L)));
        Assert.Equal("CrossEntropy: target 3 of sample 1 is not a class index in [0, 3)", e.Message);
    }
}
