using Vertebra.Autograd;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

public class ActivationTests
{
    [Fact]
    public void The_one_pass_gradient_equals_the_one_built_of_ops()
    {
        foreach (var (op, _, _) in ActivationCases.Table)
        {
            var x = OpCases.Uniform([257], 5, -6, 6);
            x.RequiresGrad = true;
            var weights = OpCases.Uniform([257], 6);
            var fused = (op.Apply(x) * weights).Sum().Gradients([x])[0].ToArray<float>();
            var built = (op.Apply(x) * weights).Sum().Gradients([x], createGraph: true)[0].ToArray<float>();
            for (var i = 0; i < fused.Length; i++)
                Assert.True(Math.Abs(fused[i] - built[i]) <= 1e-6, $"{op.Name} at {x[i]}: {fused[i]} in one pass, {built[i]} of ops");
        }
    }
}
