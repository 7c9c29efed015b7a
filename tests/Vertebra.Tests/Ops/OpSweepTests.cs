using Vertebra.Autograd;
using Vertebra.Kernels;
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
    public void Forward_agrees_with_the_naive_reference() => Sweep(_ => true, CheckForward);

    [Fact]
    public void Meta_tensors_get_the_shapes_of_real_ones() => Sweep(_ => true, c =>
    {
        var real = c.Op.ApplyAll(c.Inputs);
        var meta = c.Op.ApplyAll(Array.ConvertAll(c.Inputs, i => Tensor.Meta(i.Shape, i.DType)));
        Assert.Equal(real.Select(r => r.Spec), meta.Select(m => m.Spec));
        Assert.All(meta, m => Assert.True(m.IsMeta));
    });

    [Fact]
    public void Results_have_the_same_bits_at_any_number_of_threads()
    {
        var former = Workers.Count;
        try
        {
            Sweep(_ => true, c =>
            {
                Workers.Count = 1;
                var one = Bits(c.Op.ApplyAll(c.Inputs));
                Workers.Count = 2;
                Assert.Equal(one, Bits(c.Op.ApplyAll(c.Inputs)));
            });
        }
        finally
        {
            Workers.Count = former;
        }
    }

    [Fact]
    public void Gradients_agree_with_finite_differences() => Sweep(HasGradient, c =>
    {
        var error = GradientCheck.LargestError(x => c.Op.ApplyAll(x)[..c.DifferentiableOutputs], c.Inputs, c.Step);
        Assert.True(error <= c.GradientTolerance, $"gradient off by {error:g3}");
    });

    [Fact]
    public void Second_derivatives_agree_with_finite_differences() => Sweep(c => HasGradient(c) && c.CheckSecondDerivative, c =>
    {
        var error = GradientCheck.LargestError(x => FirstDerivatives(c, x), c.Inputs, c.Step);
        Assert.True(error <= 5 * c.GradientTolerance, $"second derivative off by {error:g3}");
    });

    private static Tensor[] FirstDerivatives(OpCase c, Tensor[] inputs)
    {
        var recording = GradMode.IsEnabled;
        var leaves = Array.ConvertAll(inputs, i => recording ? i : i.Detach());
        foreach (var leaf in leaves.Where(l => l.DType == DType.Float32))
            leaf.RequiresGrad = true;
        using var on = GradMode.Set(enabled: true);
        var outputs = c.Op.ApplyAll(leaves)[..c.DifferentiableOutputs];
        // The square makes the gradient depend on every input, whatever the op.
        var loss = outputs.Select(o => (o * o).Sum()).Aggregate((a, b) => a + b);
        return loss.Gradients(leaves.Where(l => l.RequiresGrad).ToArray(), createGraph: recording, retainGraph: true);
    }

    private static bool HasGradient(OpCase c) =>
        c.CheckGradient && c.Op.IsDifferentiable && c.Inputs.Any(i => i.DType == DType.Float32 && i.ElementCount > 0) && c.Inputs.Sum(i => i.ElementCount) <= 600;

    private static void CheckForward(OpCase c)
    {
        var outputs = c.Op.ApplyAll(c.Inputs);
        Assert.Equal(c.Op.Infer(Array.ConvertAll(c.Inputs, i => i.Spec)), outputs.Select(o => o.Spec));
        var expected = c.Reference(Array.ConvertAll(c.Inputs, OpCases.ToDouble));
        for (var o = 0; o < expected.Length; o++)
        {
            var actual = OpCases.ToDouble(outputs[o]);
            Assert.Equal(expected[o].Length, actual.Length);
            var scale = Math.Max(1, expected[o].Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max());
            for (var i = 0; i < actual.Length; i++)
            {
                var same = actual[i].Equals(expected[o][i]) || Math.Abs(actual[i] - expected[o][i]) <= c.Tolerance * scale;
                Assert.True(same, $"output {o}, element {i}: {actual[i]} for {expected[o][i]}");
            }
        }
    }

    private static List<double[]> Bits(Tensor[] outputs) => [.. outputs.Select(OpCases.ToDouble)];

    /// <summary>Runs a check over the chosen cases and reports every failing one by name.</summary>
    private static void Sweep(Func<OpCase, bool> chosen, Action<OpCase> check)
    {
        var failures = new List<string>();
        foreach (var c in OpCases.All.Where(chosen))
        {
            try
            {
                check(c);
            }
            catch (Exception e)
            {
                failures.Add($"{c}: {e.GetType().Name} {e.Message}");
            }
        }
        Assert.True(failures.Count == 0, $"{failures.Count} cases fail:\n" + string.Join('\n', failures.Take(25)));
    }
}
