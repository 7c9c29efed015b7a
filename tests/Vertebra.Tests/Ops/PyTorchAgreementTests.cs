using Vertebra.Autograd;
using Vertebra.Ops;

namespace Vertebra.Tests.Ops;

/// <summary>Values that PyTorch 1.13 gives (activations in float64): extreme operands, and the fine print of the losses.</summary>
public class PyTorchAgreementTests
{
    private const float N = float.NaN;
    private const float I = float.PositiveInfinity;

    private static readonly float[] Extremes = [-I, -100, -88, -20, -5, -1, -1e-40f, 0, 1e-40f, 0.5f, 20, 88, 100, I, N];

    /// <summary>Results at all the extremes, and slopes at the finite ones.</summary>
    public static TheoryData<ActivationOp, float[], float[]> Activations => new()
    {
        { new Relu(), [0, 0, 0, 0, 0, 0, 0, 0, 1e-40f, 0.5f, 20, 88, 100, I, N], [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1] },
        { new Relu6(), [0, 0, 0, 0, 0, 0, 0, 0, 1e-40f, 0.5f, 6, 6, 6, 6, N], [0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0] },
        { new LeakyRelu(0.1f), [-I, -10, -8.8f, -2, -0.5f, -0.1f, -1e-41f, 0, 1e-40f, 0.5f, 20, 88, 100, I, N], [0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 1, 1, 1, 1, 1] },
        { new Sigmoid(), [0, 3.8e-44f, 6.054601e-39f, 2.0611537e-9f, 0.006692851f, 0.26894143f, 0.5f, 0.5f, 0.5f, 0.62245935f, 1.0f, 1, 1, 1, N], [3.8e-44f, 6.054601e-39f, 2.0611537e-9f, 0.0066480567f, 0.19661193f, 0.25f, 0.25f, 0.25f, 0.23500371f, 2.0611537e-9f, 0, 0] },
        { new Tanh(), [-1, -1, -1, -1, -0.9999092f, -0.7615942f, -1e-40f, 0, 1e-40f, 0.46211717f, 1, 1, 1, 1, N], [0, 0, 0, 0.00018158324f, 0.41997433f, 1, 1, 1, 0.7864477f, 0, 0, 0] },
        { new Softplus(), [0, 3.8e-44f, 6.054601e-39f, 2.0611537e-9f, 0.0067153485f, 0.3132617f, 0.6931472f, 0.6931472f, 0.6931472f, 0.974077f, 20.0f, 88, 100, I, N], [3.8e-44f, 6.054601e-39f, 2.0611537e-9f, 0.006692851f, 0.26894143f, 0.5f, 0.5f, 0.5f, 0.62245935f, 1.0f, 1, 1] },
        { new Silu(), [N, -3.72e-42f, -5.3280498e-37f, -4.122307e-8f, -0.033464253f, -0.26894143f, -5e-41f, 0, 5e-41f, 0.31122968f, 20.0f, 88, 100, I, N], [-3.683e-42f, -5.267504e-37f, -3.9161918e-8f, -0.026547432f, 0.07232949f, 0.5f, 0.5f, 0.5f, 0.7399612f, 1.0f, 1, 1] },
        { new HardSigmoid(), [0, 0, 0, 0, 0, 0.33333334f, 0.5f, 0.5f, 0.5f, 0.5833333f, 1, 1, 1, 1, N], [0, 0, 0, 0, 0.16666667f, 0.16666667f, 0.16666667f, 0.16666667f, 0.16666667f, 0, 0, 0] },
        { new HardSwish(), [N, 0, 0, 0, 0, -0.33333334f, -5e-41f, 0, 5e-41f, 0.29166666f, 20, 88, 100, I, N], [0, 0, 0, 0, 0.16666667f, 0.5f, 0.5f, 0.5f, 0.6666667f, 1, 1, 1] },
        { new Mish(), [N, -3.72e-42f, -5.3280498e-37f, -4.122307e-8f, -0.03357624f, -0.30340147f, -6e-41f, 0, 6e-41f, 0.3752452f, 20, 88, 100, I, N], [-3.683e-42f, -5.267504e-37f, -3.9161918e-8f, -0.026747499f, 0.059216756f, 0.6f, 0.6f, 0.6f, 0.88642436f, 1, 1, 1] },
        { new Elu(1), [-1, -1, -1, -1.0f, -0.99326205f, -0.63212055f, -1e-40f, 0, 1e-40f, 0.5f, 20, 88, 100, I, N], [0, 0, 2.0611535e-9f, 0.006737947f, 0.36787945f, 1, 1, 1, 1, 1, 1, 1] },
        { new Gelu(), [N, 0, 0, 0, -1.4332578e-6f, -0.15865526f, -5e-41f, 0, 5e-41f, 0.34573123f, 20, 88, 100, I, N], [0, 0, -0.0f, -7.146946e-6f, -0.08331547f, 0.5f, 0.5f, 0.5f, 0.8674951f, 1, 1, 1] },
        { new GeluTanh(), [N, 0, 0, 0, -2.2917962e-7f, -0.15880801f, -5e-41f, 0, 5e-41f, 0.345714f, 20, 88, 100, I, N], [0, 0, 0, -1.546362e-6f, -0.082964085f, 0.5f, 0.5f, 0.5f, 0.8673699f, 1, 1, 1] },
    };

    [Theory]
    [MemberData(nameof(Activations))]
    public void Activations_at_extremes(ActivationOp op, float[] results, float[] slopes)
    {
        AssertClose(results, op.Apply(Tensor.From(Extremes)), 1e-43f); // x · sigmoid(x) loses digits where the sigmoid is denormal
        var x = Tensor.From(Extremes[1..13]);
        x.RequiresGrad = true;
        AssertClose(slopes, op.Apply(x).Sum().Gradients([x])[0], 1e-7f); // slopes found from float32 results: 1 - y² and the like
    }

    private static Tensor Logits => Tensor.From([1.5f, -0.5f, 0.25f, 0, 2, -1, 3, 0.1f, 0.2f, -1, -2, 0.5f], [4, 3]);

    private static readonly Tensor Targets = Tensor.From(0L, 2, 1, 2);
    private static readonly Tensor Weights = Tensor.From(0.5f, 2, 1.25f);

    public static TheoryData<string, Func<Tensor, Tensor>, float, float[]> Losses => new()
    {
        { "plain", x => x.CrossEntropy(Targets), 1.6994419f, [-0.074171513f, 0.023795795f, 0.050375704f, 0.028548799f, 0.21094868f, -0.23949748f, 0.22404781f, -0.23767217f, 0.013624361f, 0.042738196f, 0.015722504f, -0.058460698f] },
        { "smoothed", x => x.CrossEntropy(Targets, 0.1f), 1.7015252f, [-0.057504848f, 0.015462461f, 0.042042371f, 0.020215467f, 0.20261534f, -0.22283082f, 0.21571447f, -0.2210055f, 0.005291027f, 0.034404863f, 0.0073891701f, -0.041794032f] },
        { "weighted", x => x.CrossEntropy(Targets, 0, Weights), 2.0980892f, [-0.029668605f, 0.0095183179f, 0.020150281f, 0.028548799f, 0.21094868f, -0.23949748f, 0.35847649f, -0.38027549f, 0.021798978f, 0.042738196f, 0.015722504f, -0.058460698f] },
        { "smoothed and weighted", x => x.CrossEntropy(Targets, 0.1f, Weights), 2.0798078f, [-0.012452226f, -0.0023872687f, 0.014839489f, 0.025215466f, 0.19761534f, -0.22283082f, 0.34170026f, -0.35434845f, 0.01264818f, 0.039404862f, 0.0023891702f, -0.041794032f] },
        { "some ignored", x => x.CrossEntropy(Targets, 0.1f, Weights, ignoreIndex: 2), 2.4515088f, [-0.024904452f, -0.0047745374f, 0.029678978f, 0, 0, 0, 0.68340051f, -0.7086969f, 0.02529636f, 0, 0, 0] },
        { "summed", x => x.CrossEntropy(Targets, 0.2f, Weights, LossReduction.Sum), 10.307632f, [0.023820711f, -0.071464278f, 0.04764349f, 0.10941066f, 0.92141002f, -1.0308208f, 1.6246204f, -1.6421074f, 0.017486935f, 0.18035764f, -0.054720819f, -0.12563686f] },
        { "soft", x => x.SoftCrossEntropy(Tensor.From([0.7f, 0.2f, 0.1f, 0.1f, 0.8f, 0.1f, 0.3f, 0.3f, 0.4f, 0, 0.5f, 0.5f], [4, 3])), 1.2906919f, [0.00082848966f, -0.026204206f, 0.025375703f, 0.0035487991f, 0.010948673f, -0.014497484f, 0.14904781f, -0.062672175f, -0.086375639f, 0.042738196f, -0.10927749f, 0.066539302f] },
    };

    [Theory]
    [MemberData(nameof(Losses))]
    public void Losses_and_their_gradients(string name, Func<Tensor, Tensor> loss, float value, float[] gradient)
    {
        var logits = Logits;
        logits.RequiresGrad = true;
        var result = loss(logits);
        Assert.True(MathF.Abs(result.ToScalar() - value) <= 1e-6f * value, $"{name}: {result.ToScalar()} for {value}");
        AssertClose(gradient, result.Gradients([logits])[0].Reshape([12]), 1e-7f);
    }

    [Fact]
    public void Binary_cross_entropy()
    {
        var x = Tensor.From(3f, -2, 0, 50, -50);
        x.RequiresGrad = true;
        var loss = x.BinaryCrossEntropyWithLogits(Tensor.From(1, 0.25f, 0.5f, 0, 0));
        Assert.Equal(10.273733f, loss.ToScalar(), 1e-6f);
        AssertClose([-0.009485173f, -0.026159417f, 0, 0.2f, 3.8574998e-23f], loss.Gradients([x])[0], 1e-7f);
    }

    [Fact]
    public void Ties_share_the_gradient_and_bounds_pass_it()
    {
        var m = Tensor.From([1f, 3, 3, 2, 2, 2], [2, 3]);
        m.RequiresGrad = true;
        AssertClose([0, 0.5f, 0.5f, 1 / 3f, 1 / 3f, 1 / 3f], m.Max([1]).Sum().Gradients([m])[0].Reshape([6]));
        var (a, b) = (Tensor.From(1f, 2, 3), Tensor.From(2f, 2, 2));
        (a.RequiresGrad, b.RequiresGrad) = (true, true);
        var shares = a.Maximum(b).Sum().Gradients([a, b]);
        AssertClose([0, 0.5f, 1], shares[0]);
        AssertClose([1, 0.5f, 0], shares[1]);
        AssertClose([0, 1, 0], a.Clamp(2, 2.5f).Sum().Gradients([a])[0]);
    }

    [Fact]
    public void Variance_by_its_divisors()
    {
        var x = Tensor.From(1f, 2, 4);
        Assert.Equal(7 / 3f, x.Variance().ToScalar(), 1e-6f);
        Assert.Equal(14 / 9f, x.Variance(correction: 0).ToScalar(), 1e-6f);
        Assert.Equal(float.NaN, Tensor.From(1f).Variance().ToScalar());
        AssertClose([2 / 3f, 2 / 3f], (Tensor.From([1f, 2, 3, 4, 5, 6], [3, 2]) / 2 + 1000).Variance([0], correction: 0));
    }

    private static void AssertClose(float[] expected, Tensor actual, float tolerance = 1e-45f)
    {
        var values = actual.ToArray<float>();
        Assert.Equal(expected.Length, values.Length);
        for (var i = 0; i < values.Length; i++)
        {
            var isClose = values[i].Equals(expected[i]) || MathF.Abs(values[i] - expected[i]) <= (1e-6f * MathF.Abs(expected[i])) + tolerance;
            Assert.True(isClose, $"element {i}: {values[i]:g9} for {expected[i]:g9}");
        }
    }
}
