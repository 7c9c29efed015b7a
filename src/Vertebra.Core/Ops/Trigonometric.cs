using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>A circular or hyperbolic function, or the inverse of one; sine, cosine and hyperbolic tangent are ops of their own.</summary>
public enum TrigonometricFunction
{
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Acosh,
    Atanh,
}

/// <summary>A circular or hyperbolic function of angles in radians, or the inverse of one, computed in float64; NaN outside its domain.</summary>
public sealed record Trigonometric(TrigonometricFunction Function) : UnaryOp
{
    public override string Name => Function.ToString();

    public override Saved Saves => Saved.Input0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeScalar(new Applied(Function), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (dy, x) = (g.OutputGradient(), g.Input(0));
        return
        [
            Function switch
            {
                TrigonometricFunction.Tan => dy / x.Cos().Square(),
                TrigonometricFunction.Asin => dy * (1 - x.Square()).Rsqrt(),
                TrigonometricFunction.Acos => -dy * (1 - x.Square()).Rsqrt(),
                TrigonometricFunction.Atan => dy / (x.Square() + 1),
                TrigonometricFunction.Sinh => dy * x.Trigonometric(TrigonometricFunction.Cosh),
                TrigonometricFunction.Cosh => dy * x.Trigonometric(TrigonometricFunction.Sinh),
                TrigonometricFunction.Asinh => dy * (x.Square() + 1).Rsqrt(),
                TrigonometricFunction.Acosh => dy * (x.Square() - 1).Rsqrt(),
                _ => dy / (1 - x.Square()),
            },
        ];
    }

    private readonly struct Applied(TrigonometricFunction function) : IScalarOperator
    {
        private readonly Func<double, double> _function = function switch
        {
            TrigonometricFunction.Tan => Math.Tan,
            TrigonometricFunction.Asin => Math.Asin,
            TrigonometricFunction.Acos => Math.Acos,
            TrigonometricFunction.Atan => Math.Atan,
            TrigonometricFunction.Sinh => Math.Sinh,
            TrigonometricFunction.Cosh => Math.Cosh,
            TrigonometricFunction.Asinh => Math.Asinh,
            TrigonometricFunction.Acosh => Math.Acosh,
            TrigonometricFunction.Atanh => Math.Atanh,
            _ => throw new ArgumentOutOfRangeException(nameof(function), function, "no such function"),
        };

        public double Invoke(double x) => _function(x);
    }
}

public static partial class TensorOps
{
    /// <summary>A circular or hyperbolic function, or the inverse of one, element by element, in radians.</summary>
    public static Tensor Trigonometric(this Tensor x, TrigonometricFunction function) => new Trigonometric(function).Apply(x);
}
