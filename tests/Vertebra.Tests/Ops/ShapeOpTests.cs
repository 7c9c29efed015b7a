using Vertebra.Autograd;
using Vertebra.Ops;

namespace Vertebra.Tests.Ops;

public class ShapeOpTests
{
    private static Tensor Ones(params int[] sizes) => Tensor.Ones(sizes);

    public static TheoryData<string, Func<object>> Mistakes() => new()
    {
        { "Permute: order [0, 0] names axis 0 twice; shape [2, 3]", () => Ones(2, 3).Permute([0, 0]) },
        { "Permute: order [0] must name each of the 2 axes of shape [2, 3] once", () => Ones(2, 3).Permute([0]) },
        { "Transpose: axis 2 does not exist in shape [2, 3] of rank 2", () => Ones(2, 3).Transpose(0, 2) },
        { "Slice: step must be at least 1, got -1; reverse with Flip", () => Ones(4).Slice(0, 0, 4, -1) },
        { "Slice: axis -2 does not exist in shape [4] of rank 1", () => Ones(4).Slice(-2, 0) },
        { "Unslice: 3 positions from 1 in steps of 2 do not lie within an axis of size 5; input [3]", () => new Unslice(0, 1, 2, 5).Apply(Ones(3)) },
        { "Concat: input 1 of shape [3, 3] does not fit input 0 of shape [2, 3]: all axes but axis 1 must agree", () => Tensor.Concat([Ones(2, 3), Ones(3, 3)], -1) },
        { "Concat: input 1 is int64[2], input 0 is float32[2]; convert with To", () => Tensor.Concat([Ones(2), Tensor.Zeros([2], DType.Int64)], 0) },
        { "Concat: takes 1 to 2147483647 inputs, got 0", () => Tensor.Concat([], 0) },
        { "Split: sizes [2, 2] add up to 4, axis 1 of shape [3, 5] has 5", () => Ones(3, 5).Split([2, 2], -1) },
        { "Split: sizes [6, -1] hold a negative one", () => Ones(3, 5).Split([6, -1], 1) },
        { "Chunk: axis 1 of shape [3, 5] does not divide into 2 equal pieces", () => Ones(3, 5).Chunk(2, 1) },
        { "Expand: shape [2, 3] does not expand to [2, 4]: only axes of size 1 are repeated, and -1 keeps an axis that is there", () => Ones(2, 3).Expand([2, 4]) },
        { "Expand: shape [3] does not expand to [-1, 3]: only axes of size 1 are repeated, and -1 keeps an axis that is there", () => Ones(3).Expand([-1, 3]) },
        { "Expand: shape [2, 3] has more axes than the target [3]", () => Ones(2, 3).Expand([3]) },
        { "Flip: axes [0, -1] name axis -1 twice", () => Ones(2).Flip([0, -1]) },
        { "Squeeze: axis 1 of shape [2, 3] has size 3, not 1", () => Ones(2, 3).Squeeze(1) },
        { "Unsqueeze: axis 3 does not exist in a result of rank 3; input [2, 3]", () => Ones(2, 3).Unsqueeze(3) },
        { "Flatten: axis 1 comes after axis 0 in shape [2, 3]", () => Ones(2, 3).Flatten(1, 0) },
        { "IndexSelect: index must be Int64, got Float32[2]; convert it with To(Int64)", () => Ones(2, 3).IndexSelect(0, Ones(2)) },
        { "IndexSelect: index must be a vector, got shape [1, 1]; see Gather for one index per element", () => Ones(2, 3).IndexSelect(0, Tensor.Zeros([1, 1], DType.Int64)) },
        { "IndexSelect: index 3 (element 1 of the index tensor) is outside axis 1 of shape [2, 3]", () => Ones(2, 3).IndexSelect(-1, Tensor.From(0L, 3L)) },
        { "IndexSelect: index -1 (element 0 of the index tensor) is outside axis 0 of shape [2, 3]", () => Ones(2, 3).IndexSelect(0, Tensor.From(-1L)) },
        { "IndexAdd: source must have shape [2, 2], got [2, 3]", () => Ones(2, 3).IndexAdd(1, Tensor.From(0L, 1L), Ones(2, 3)) },
        { "Pad: before [1] and after [1] must name a count for each of the 2 axes of shape [2, 3]", () => Ones(2, 3).Pad([1], [1]) },
        { "Pad: before [0, -1] and after [0, 0] must not be negative; cut with Slice", () => Ones(2, 3).Pad([0, -1], [0, 0]) },
        { "Pad: Reflect can add at most 2 positions to axis 1 of shape [2, 3], not 3", () => Ones(2, 3).Pad([0, 0], [1, 3], PadMode.Reflect) },
        { "Pad: Replicate can add at most 0 positions to axis 0 of shape [0], not 1", () => Ones(0).Pad([1], [0], PadMode.Replicate) },
        { "Gather: index of shape [3, 1] must agree with shape [2, 3] in all axes but axis 1", () => Ones(2, 3).Gather(1, Tensor.Zeros([3, 1], DType.Int64)) },
        { "Gather: index 3 (element 1 of the index tensor) is outside axis 1 of shape [2, 3]", () => Ones(2, 3).Gather(-1, Tensor.From([0L, 3L], [2, 1])) },
        { "ScatterAdd: source must have shape [2, 1], got [2, 3]", () => Ones(2, 3).ScatterAdd(1, Tensor.Zeros([2, 1], DType.Int64), Ones(2, 3)) },
        { "ScatterAdd: index -5 (element 1 of the index tensor) is outside axis 1 of shape [2, 3]", () => Ones(2, 3).ScatterAdd(1, Tensor.From([0L, -5L], [2, 1]), Ones(2, 1)) },
        { "TopK: k = 4 must lie between 0 and 3, the size of axis 1 of shape [2, 3]", () => Ones(2, 3).TopK(4) },
        { "OneHot: index 3 (element 0 of the index tensor) is outside axis 1 of shape [1, 3]", () => Tensor.From(3L).OneHot(3) },
    };

    [Theory]
    [MemberData(nameof(Mistakes), DisableDiscoveryEnumeration = true)]
    public void Mistakes_are_named(string message, Func<object> mistake)
    {
        var error = Assert.ThrowsAny<VertebraException>(mistake);
        Assert.Equal(message, error.Message);
    }

    [Fact]
    public void Stack_joins_along_a_new_axis()
    {
        var stacked = Tensor.Stack([Tensor.From(1f, 2f), Tensor.From(3f, 4f)], axis: -1);
        Assert.Equal(Shape.Create([2, 2]), stacked.Shape);
        Assert.Equal([1f, 3f, 2f, 4f], stacked.ToArray<float>());
    }

    [Fact]
    public void Chunk_cuts_equal_pieces()
    {
        var pieces = Tensor.From(1f, 2f, 3f, 4f).Chunk(2, 0);
        Assert.Equal([1f, 2f], pieces[0].ToArray<float>());
        Assert.Equal([3f, 4f], pieces[1].ToArray<float>());
    }

    [Fact]
    public void Split_gives_zeros_to_the_pieces_that_no_loss_uses()
    {
        var x = Tensor.From(1f, 2f, 3f);
        x.RequiresGrad = true;
        var pieces = x.Split([1, 2], 0);
        Assert.Equal([0f, 1f, 1f], pieces[1].Sum().Gradients([x])[0].ToArray<float>());
    }
}
