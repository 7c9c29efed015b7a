using Vertebra.Autograd;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

/// <summary>Weights are packed for the kernels once and kept so, or, where memory is short, for each call.</summary>
public class WeightPackingTests
{
    private const int Side = 256;

    [Fact]
    public void Without_it_nothing_of_the_weights_is_kept_and_results_are_the_same()
    {
        using var grad = GradMode.Off();
        AssertKept(w => OpCases.Uniform([8, Side], 1).Linear(w), [Side, Side]);
        AssertKept(w => OpCases.Uniform([1, 5, 5, Side], 1).Conv2d(w), [Side, Side, 1, 1]);
        AssertKept(w => OpCases.Uniform([1, 5, 5, Side], 1).ConvTranspose2d(w), [Side, Side, 1, 1]);
    }

    private static void AssertKept(Func<Tensor, Tensor> apply, Shape shape)
    {
        var weight = OpCases.Uniform(shape, 2);
        Tensor result;
        using (WeightPacking.Off())
        {
            result = apply(weight);
            Assert.False(HasDerived(weight));
        }
        var usual = apply(weight);
        Assert.True(HasDerived(weight));
        Assert.All(usual.ToArray<float>().Zip(result.ToArray<float>()), p => Assert.Equal(p.First, p.Second, 1e-4f));
    }

    private static bool HasDerived(Tensor weight)
    {
        var made = false;
        weight.Derived(_ => { made = true; return new object(); });
        return !made;
    }
}
