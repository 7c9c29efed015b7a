using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Lab.Training;

/// <summary>
/// Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024): momentum whose matrix is made
/// orthogonal by Newton-Schulz iterations. Convolutions are matrices [outputs, inputs · height · width]. Only for parameters that
/// <see cref="Suits"/> accepts; <see cref="Create"/> gives the others to AdamW. Step lengths match AdamW's, 0.2·√max(rows,
/// columns) (Liu et al., "Muon is scalable for LLM training", 2025), so that both share a rate; as in timm, in float32.
/// </summary>
public sealed class Muon : Optimizer
{
    // The coefficients of a quintic that raises small singular values fast, tuned for each of the five iterations (timm's "quintic").
    private static readonly (double A, double B, double C)[] Iterations =
    [
        (4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012),
    ];

    private readonly double _momentum;
    private readonly bool _nesterov;
    private readonly double _epsilon;

    /// <param name="groups">What to train: matrices and convolutions.</param>
    /// <param name="momentum">Momentum.</param>
    /// <param name="nesterov">Nesterov's momentum.</param>
    /// <param name="epsilon">Least norm that a matrix is divided by.</param>
    public Muon(IReadOnlyList<ParameterGroup> groups, double momentum = 0.95, bool nesterov = false, double epsilon = 1e-7)
        : base(groups, p => [("momentum_buffer", Tensor.Zeros(p.Tensor.Shape))]) => (_momentum, _nesterov, _epsilon) = (momentum, nesterov, epsilon);

    /// <summary>Muon for hidden matrices and AdamW (NAdamW beside Nesterov's momentum) for the rest: the classifier, norms, biases, depthwise convolutions.</summary>
    public static Optimizer Create(IReadOnlyList<ParameterGroup> groups, double momentum, bool nesterov, AdamSettings rest)
    {
        var (hidden, others) = ParameterGroup.Split(groups, Suits);
        return new OptimizerUnion(groups, new Muon(hidden, momentum, nesterov, rest.Epsilon), nesterov ? new NAdamW(others, rest) : new Adam(others, rest with { DecoupledDecay = true }));
    }

    /// <summary>
    /// Whether a parameter is a hidden matrix: not the classifier, two axes that are no units in front, and as a matrix at
    /// least 4 wide and at most 128 times as long; timm's bounds.
    /// </summary>
    public static bool Suits(NamedParameter parameter)
    {
        var shape = parameter.Tensor.Shape;
        if (parameter.Kind != ParameterKind.Body || shape.Rank < 2 || shape[0] == 1 || shape[1] == 1)
            return false;
        var (rows, columns) = (shape[0], shape.ElementCount / Math.Max(1, shape[0]));
        return Math.Min(rows, columns) >= 4 && Math.Max(rows, columns) <= 128 * Math.Min(rows, columns);
    }

    private protected override void Update(GradientScaling scaling)
    {
        foreach (var parameter in Parameters.Where(p => p.Gradient is not null))
        {
            var rate = LearningRate * parameter.Group.RateScale;
            var gradient = parameter.Treated(scaling);
            var (buffer, momentum) = (parameter.Slots[0], Momentum ?? _momentum);
            UpdateSteps.Subtract(buffer.AsSpan<float>(), gradient.AsSpan<float>(), (float)momentum, (float)-(1 - momentum));
            if (_nesterov)
                UpdateSteps.Subtract(gradient.AsSpan<float>(), buffer.AsSpan<float>(), (float)(1 - momentum), (float)-momentum);
            var matrix = (_nesterov ? gradient : buffer).Reshape([parameter.Tensor.Shape[0], -1]);
            var direction = Orthogonal(matrix, _epsilon);
            var length = 0.2 * Math.Sqrt(Math.Max(matrix.Shape[0], matrix.Shape[1]));
            UpdateSteps.Subtract(
                parameter.Tensor.AsSpan<float>(), direction.AsSpan<float>(), (float)(1 - (rate * parameter.Group.WeightDecay)), (float)(rate * length));
            parameter.MarkWritten();
            GC.KeepAlive(direction);
        }
    }

    /// <summary>A matrix with the same singular vectors and singular values near 1: x' = a·x + (b·x·xᵀ + c·(x·xᵀ)²)·x, five times.</summary>
    internal static Tensor Orthogonal(Tensor matrix, double epsilon)
    {
        var isTall = matrix.Shape[0] > matrix.Shape[1];
        // Permuted or cloned: not the optimiser's own state.
        var x = isTall ? matrix.Transpose(0, 1) : matrix.Clone();
        var norm = Math.Sqrt(OptimizerSteps.SumOfSquares(x.AsSpan<float>()));
        Scale(x, 1 / Math.Max(norm, epsilon));
        foreach (var (a, b, c) in Iterations)
        {
            var square = x.MatMul(x, transposeB: true);
            var polynomial = Sum(square, b, square.MatMul(square), c);
            x = Sum(polynomial.MatMul(x), 1, x, a);
        }
        return isTall ? x.Transpose(0, 1) : x;
    }

    private static void Scale(Tensor x, double factor)
    {
        foreach (ref var value in x.AsSpan<float>())
            value = (float)(value * factor);
        x.MarkWritten();
    }

    /// <summary>x = p·x + q·y, in the place of x.</summary>
    private static Tensor Sum(Tensor x, double p, Tensor y, double q)
    {
        UpdateSteps.Subtract(x.AsSpan<float>(), y.AsSpan<float>(), (float)p, (float)-q);
        x.MarkWritten();
        return x;
    }
}
