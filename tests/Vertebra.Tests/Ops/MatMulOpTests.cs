using Vertebra.Autograd;
using Vertebra.Ops;

namespace Vertebra.Tests.Ops;

public class MatMulOpTests
{
    private static Tensor Ones(params int[] sizes) => Tensor.Ones(sizes);

    public static TheoryData<string, Func<object>> Mistakes() => new()
    {
        { "MatMul: operands must have at least 2 axes, got [3] and [3, 2]; add one with Unsqueeze", () => Ones(3).MatMul(Ones(3, 2)) },
        { "MatMul: shapes [2, 3] and [2, 3] do not fit: 3 columns against 2 rows", () => Ones(2, 3).MatMul(Ones(2, 3)) },
        { "MatMul: shapes [2, 3] transposed and [3, 4] do not fit: 2 columns against 3 rows", () => Ones(2, 3).MatMul(Ones(3, 4), transposeA: true) },
        { "MatMul: shapes [2] and [3] do not broadcast: 2 against 3 in axis 0", () => Ones(2, 4, 5).MatMul(Ones(3, 5, 6)) },
        { "MatMul: input must be Float32, got Int64[2, 2]; convert it with To(Float32)", () => Ones(2, 2).MatMul(Tensor.Zeros([2, 2], DType.Int64)) },
        { "Linear: weight must be [out, in], got shape [3]", () => Ones(2, 3).Linear(Ones(3)) },
        { "Linear: input of shape [2, 3] must end in an axis of 5 features, as weight [4, 5] ([out, in]) takes", () => Ones(2, 3).Linear(Ones(4, 5)) },
        { "Linear: bias must have shape [4], got [5]", () => Ones(2, 5).Linear(Ones(4, 5), Ones(5)) },
    };

    [Theory]
    [MemberData(nameof(Mistakes), DisableDiscoveryEnumeration = true)]
    public void Mistakes_are_named(string message, Func<object> mistake) =>
        Assert.Equal(message, Assert.ThrowsAny<VertebraException>(mistake).Message);

    [Fact]
    public void Multiply_accumulates_are_counted()
    {
        var product = new MatMul(false, true);
        TensorSpec[] inputs = [new([7, 1, 5, 3], DType.Float32), new([2, 4, 3], DType.Float32)];
        Assert.Equal(7 * 2 * 5 * 4 * 3, product.Macs(inputs, product.Infer(inputs)));
        inputs = [new([7, 5, 3], DType.Float32), new([11, 3], DType.Float32)];
        Assert.Equal(7 * 5 * 3 * 11, new Linear().Macs(inputs, new Linear().Infer(inputs)));
    }

    [Fact]
    public void Linear_notices_that_its_weight_was_overwritten()
    {
        var (x, weight) = (Ones(9, 4), Ones(3, 4));
        using var off = GradMode.Off();
        Assert.All(x.Linear(weight).ToArray<float>(), v => Assert.Equal(4, v));
        weight.CopyFrom(Tensor.Full([3, 4], 2));
        Assert.All(x.Linear(weight).ToArray<float>(), v => Assert.Equal(8, v));
    }

    [Fact]
    public void Linear_gives_the_same_with_and_without_a_kept_copy_of_its_weight()
    {
        var (x, weight) = (Cases.OpCases.Uniform([50, 70], 1), Cases.OpCases.Uniform([33, 70], 2));
        var kept = x.Linear(weight).ToArray<float>();
        weight.RequiresGrad = true;
        Assert.Equal(kept, x.Linear(weight).ToArray<float>());
    }
}
