using Vertebra.Autograd;
using Vertebra.Communication;

namespace Vertebra.Ops;

/// <summary>
/// The sum of what each process of a group has in this place of its computation, of one shape in all; its gradient is the sum of theirs,
/// because each process's loss depends on every summand. Any float32 shape.
/// </summary>
public sealed record SumOverProcesses(IProcessGroup Processes) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.AllFloat32(this, inputs);
        return [inputs[0]];
    }

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        outputs[0].CopyFrom(inputs[0]);
        Processes.StartSum(outputs[0]).Wait();
    }

    public override Tensor?[] Gradient(GradientContext g) => [Apply(g.OutputGradient())];
}
