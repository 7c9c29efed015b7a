using Vertebra.Autograd;
using Vertebra.Kernels;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

/// <summary>A normalisation with an activation and a residual in it equals the operations one after the other, forward and backward.</summary>
public class FusedNormalizationTests
{
    private static readonly Shape Image = [3, 5, 7, 19];

    public static TheoryData<string, Activation, bool> Fusions()
    {
        var data = new TheoryData<string, Activation, bool>();
        foreach (var activation in Enum.GetValues<Activation>())
        {
            data.Add("training", activation, false);
            data.Add("training", activation, true);
            data.Add("inference", activation, false);
            data.Add("inference", activation, true);
            data.Add("group", activation, false);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Fusions))]
    public void Fused_equals_composite(string kind, Activation activation, bool addsResidual)
    {
        var fused = Run(kind, addsResidual, (x, w, b, m, v, residual) => Normalise(kind, x, w, b, m, v, activation, residual));
        var composite = Run(kind, addsResidual, (x, w, b, m, v, residual) =>
        {
            var y = Normalise(kind, x, w, b, m, v, Activation.None, null);
            y = residual is null ? y : y + residual;
            return activation switch { Activation.None => y, Activation.Relu => y.Relu(), Activation.Relu6 => y.Relu6(), _ => throw new InvalidDataException() };
        });
        Assert.Equal(composite.Length, fused.Length);
        Assert.Equal(composite[0], fused[0]);
        for (var i = 1; i < fused.Length; i++)
        {
            var scale = composite[i].Max(MathF.Abs);
            for (var j = 0; j < fused[i].Length; j++)
                Assert.Equal(composite[i][j], fused[i][j], 2e-6f * scale);
        }
    }

    private static Tensor Normalise(string kind, Tensor x, Tensor weight, Tensor bias, Tensor mean, Tensor variance, Activation activation, Tensor? residual) => kind switch
    {
        "training" => x.BatchNormTraining(weight, bias, 1e-5f, activation, residual).Result,
        "inference" => x.BatchNorm(weight, bias, mean, variance, 1e-5f, activation, residual),
        _ => x.GroupNorm(19, weight, bias, 1e-5f, activation),
    };

    /// <summary>The result, and the gradients of x, weight, bias, the statistics where they are inputs, and the residual.</summary>
    private static float[][] Run(string kind, bool addsResidual, Func<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor?, Tensor> function)
    {
        // A factor of 6 so that many values pass ReLU6's upper kink.
        var (x, weight, bias) = (OpCases.Uniform(Image, 1, -2, 3), OpCases.Uniform([19], 2, 0.5f, 6), OpCases.Uniform([19], 3));
        var (mean, variance, residual) = (OpCases.Uniform([19], 4), OpCases.Uniform([19], 5, 0.5f, 2), addsResidual ? OpCases.Uniform(Image, 6) : null);
        List<Tensor> leaves = [x, weight, bias];
        if (kind == "inference")
            leaves.AddRange([mean, variance]);
        if (residual is not null)
            leaves.Add(residual);
        foreach (var leaf in leaves)
            leaf.RequiresGrad = true;
        var y = function(x, weight, bias, mean, variance, residual);
        var gradients = (y * OpCases.Uniform(Image, 7)).Sum().Gradients(leaves.ToArray());
        return [y.ToArray<float>(), .. gradients.Select(g => g.ToArray<float>())];
    }
}
