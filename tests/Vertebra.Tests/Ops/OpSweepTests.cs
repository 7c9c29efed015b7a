using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

/// <summary>What must hold for every op, swept over all cases.</summary>
public class OpSweepTests
{
    [Fact]
    public void Every_op_has_a_case()
    {
        var ops = typeof(Op).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(Op)) && !t.IsAbstract);
        var covered = OpCases.All.Select(c => c.Op.GetType()).ToHashSet();
        Assert.Empty(ops.Where(o => !covered.Contains(o)).Select(o => o.Name));
    }

    [Fact]
    public void Forward_agrees_with_the_naive_reference() => Sweep(_ => true, OpChecks.Forward);

    [Fact]
    public void Meta_tensors_get_the_shapes_of_real_ones() => Sweep(_ => true, c =>
    {
        var real = c.Op.ApplyAll(c.Inputs);
        var meta = c.Op.ApplyAll(Array.ConvertAll(c.Inputs, i => Tensor.Meta(i.Shape, i.DType)));
        Assert.Equal(real.Select(r => r.Spec), meta.Select(m => m.Spec));
        Assert.All(meta, m => Assert.True(m.IsMeta));
    });

    [Fact]
    public void Gradients_agree_with_finite_differences() => Sweep(OpChecks.ChecksGradient, OpChecks.Gradient);

    [Fact]
    public void Second_derivatives_agree_with_finite_differences() =>
        Sweep(c => OpChecks.ChecksGradient(c) && c.CheckSecondDerivative, OpChecks.SecondDerivative);

    internal static void Sweep(Func<OpCase, bool> chosen, Action<OpCase> check)
    {
        var failures = OpChecks.Failures(OpCases.All.Where(chosen), check);
        Assert.True(failures.Count == 0, $"{failures.Count} cases fail:\n" + string.Join('\n', failures.Take(25)));
    }
}
