using Vertebra.Autograd;
using Vertebra.Kernels;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

/// <summary>What the sweep leaves out: gradients of one operand alone, and refusals.</summary>
public class SamplingTests
{
    [Theory]
    [InlineData(0, false)]
    [InlineData(2, true)]
    public void Region_gradients_agree_with_finite_differences(int ratio, bool halfPixel)
    {
        var regions = Tensor.From([0f, 1, 9, 7, -6, 3, 5, 12], [2, 4]);
        var images = Tensor.From([1L, 0]);
        var error = GradientCheck.LargestError(x => [x[0].RoiAlign(regions, images, new(2, 3), 0.5f, ratio, halfPixel)], [OpCases.Uniform([2, 4, 5, 2], 1)]);
        Assert.True(error < 2e-3, $"off by {error}");
    }

    [Fact]
    public void Damaged_regions_are_refused()
    {
        var x = Tensor.Zeros([1, 4, 4, 1]);
        Assert.Throws<VertebraException>(() => x.RoiAlign(Tensor.From([0f, 0, 1e30f, 4], [1, 4]), Tensor.From(0L), new(2, 2)));
        Assert.Throws<VertebraException>(() => x.RoiAlign(Tensor.From([0f, 0, float.NaN, 4], [1, 4]), Tensor.From(0L), new(2, 2)));
        Assert.Throws<VertebraException>(() => x.RoiAlign(Tensor.From([0f, 0, 4, 4], [1, 4]), Tensor.From(1L), new(2, 2)));
        Assert.Contains("[R, 4]", Assert.Throws<ShapeException>(() => x.RoiAlign(Tensor.Zeros([1, 5]), Tensor.From(0L), new(2, 2))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Grids_of_another_batch_are_refused() =>
        Assert.Contains("[1, OH, OW, 2]", Assert.Throws<ShapeException>(() => Tensor.Zeros([1, 4, 4, 1]).GridSample(Tensor.Zeros([2, 3, 3, 2]))).Message, StringComparison.Ordinal);
}
