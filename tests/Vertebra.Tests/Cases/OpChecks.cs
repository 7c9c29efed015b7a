using Vertebra.Autograd;
using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>The checks of one op case, callable without a test runner, so that every instruction level can run them.</summary>
public static class OpChecks
{
    /// <summary>The largest number of input elements for which finite differences are affordable.</summary>
    private const int LargestChecked = 600;

    public static void Forward(OpCase c)
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

    /// <summary>Whether the case asks for a numeric check of the gradient.</summary>
    public static bool ChecksGradient(OpCase c) =>
        c.CheckGradient && c.Op.IsDifferentiable && HasFloatInput(c) && c.Inputs.Sum(i => i.ElementCount) <= LargestChecked;

    public static void Gradient(OpCase c)
    {
        var error = GradientCheck.LargestError(x => c.Op.ApplyAll(x)[..c.DifferentiableOutputs], c.Inputs, c.Step);
        Assert.True(error <= c.GradientTolerance, $"gradient off by {error:g3}");
    }

    public static void SecondDerivative(OpCase c)
    {
        var error = GradientCheck.LargestError(x => FirstDerivatives(c, x), c.Inputs, c.Step);
        Assert.True(error <= 5 * c.GradientTolerance, $"second derivative off by {error:g3}");
    }

    /// <summary>Whether the op states a gradient and the case has something to differentiate, at any size.</summary>
    public static bool HasGradient(OpCase c) =>
        c.Op.IsDifferentiable && HasFloatInput(c) && c.Op.Infer(Array.ConvertAll(c.Inputs, i => i.Spec))[0].DType == DType.Float32 && c.Op.GetType().GetMethod(nameof(Op.Gradient))!.DeclaringType != typeof(Op);

    /// <summary>The gradients of the sum of the squared outputs: the square makes them depend on every input, whatever the op.</summary>
    public static Tensor[] FirstDerivatives(OpCase c, Tensor[] inputs)
    {
        var recording = GradMode.IsEnabled;
        var leaves = Array.ConvertAll(inputs, i => recording ? i : i.Detach());
        foreach (var leaf in leaves.Where(l => l.DType == DType.Float32))
            leaf.RequiresGrad = true;
        using var on = GradMode.Set(enabled: true);
        var outputs = c.Op.ApplyAll(leaves)[..c.DifferentiableOutputs];
        var loss = outputs.Select(o => (o * o).Sum()).Aggregate((a, b) => a + b);
        return loss.Gradients(leaves.Where(l => l.RequiresGrad).ToArray(), createGraph: recording, retainGraph: true);
    }

    private static bool HasFloatInput(OpCase c) => c.Inputs.Any(i => i.DType == DType.Float32 && i.ElementCount > 0);

    /// <summary>Runs a check over cases and tells every failing one by name.</summary>
    public static List<string> Failures(IEnumerable<OpCase> cases, Action<OpCase> check)
    {
        var failures = new List<string>();
        foreach (var c in cases)
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
        return failures;
    }
}
