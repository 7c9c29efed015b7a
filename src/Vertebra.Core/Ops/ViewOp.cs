using Vertebra.Autograd;

namespace Vertebra.Ops;

/// <summary>The same elements in the same order under another shape: no copy. Any dtype.</summary>
public abstract record ViewOp : Op
{
    public sealed override bool IsView => true;

    protected internal sealed override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        outputs[0].CopyFrom(inputs[0].View(outputs[0].Shape));

    public sealed override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient().Reshape(g.InputSpec(0).Shape)];
}
