using Vertebra.Autograd;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

public class EinsumTests
{
    /// <summary>Equation, then the operands' shapes, then (only with an ellipsis) the equation in plain labels.</summary>
    public static TheoryData<string, int[][], string?> Equations() => new()
    {
        { "ij,jk->ik", [[2, 3], [3, 4]], null },
        { "ij,jk", [[2, 3], [3, 4]], null },
        { "ij,kj->ik", [[2, 3], [4, 3]], null },
        { "ji,jk->ki", [[3, 2], [3, 4]], null },
        { "i,i->", [[5], [5]], null },
        { "i,j->ij", [[2], [3]], null },
        { "i,j->ji", [[2], [3]], null },
        { "ij->ji", [[2, 3]], null },
        { "ba", [[2, 3]], null },
        { "ij->", [[2, 3]], null },
        { "ijk->j", [[2, 3, 4]], null },
        { "ij,ij->ij", [[2, 3], [2, 3]], null },
        { "ij,ij->i", [[2, 3], [2, 3]], null },
        { "ij,j->ij", [[2, 3], [3]], null },
        { "bhid,bhjd->bhij", [[2, 2, 3, 4], [2, 2, 5, 4]], null },
        { "bhij,bhjd->bihd", [[2, 2, 3, 4], [2, 2, 4, 5]], null },
        { "bijc,ijcd->bd", [[2, 2, 3, 2], [2, 3, 2, 4]], null },
        { "bhwc,cd->bhwd", [[2, 2, 3, 4], [4, 2]], null },
        { "bhwc,kc->bkhw", [[2, 2, 3, 4], [2, 4]], null },
        { "bhwc,hkc->bhwk", [[2, 2, 3, 4], [2, 3, 4]], null },
        { "abc,cde,ef->abdf", [[2, 2, 3], [3, 2, 2], [2, 3]], null },
        { "ab,bc,cd->ad", [[2, 3], [3, 4], [4, 2]], null },
        { "ab,c->a", [[2, 3], [4]], null },
        { "ij,jk->ik", [[2, 0], [0, 3]], null },
        { "ij,jk->ik", [[0, 2], [2, 3]], null },
        { "ij,jk->ik", [[1, 3], [3, 1]], null },
        { "i j , j k -> i k", [[2, 3], [3, 2]], "ij,jk->ik" },
        { "...ij,...jk->...ik", [[2, 2, 3], [2, 3, 4]], "bij,bjk->bik" },
        { "...ij,jk->...ik", [[2, 2, 2, 3], [3, 4]], "abij,jk->abik" },
        { "...c,dc->...d", [[3], [2, 3]], "c,dc->d" },
        { "i...,i...", [[3, 2], [3, 2]], "ib,ib->b" },
        { "ii->i", [[3, 3]], null },
        { "ii", [[3, 3]], null },
        { "iji->j", [[3, 2, 3]], null },
        { "iii->i", [[2, 2, 2]], null },
        { "bii,ij->bj", [[2, 3, 3], [3, 2]], null },
        { "...ii->...i", [[2, 3, 3]], "bii->bi" },
    };

    [Theory]
    [MemberData(nameof(Equations))]
    public void Sums_agree_with_the_definition(string equation, int[][] shapes, string? plain)
    {
        Tensor[] operands = [.. shapes.Select((s, i) => OpCases.Uniform(s, i + 1))];
        var result = Tensor.Einsum(equation, operands);
        var (shape, expected) = Definition(plain ?? equation, operands);
        Assert.Equal(shape, result.Shape);
        var actual = OpCases.ToDouble(result);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], 1e-5);
        if (operands.All(o => o.ElementCount > 0))
            Assert.True(GradientCheck.LargestError(x => [Tensor.Einsum(equation, x)], operands) < 2e-3);
    }

    [Fact]
    public void Axes_of_size_one_broadcast()
    {
        var (a, b) = (OpCases.Uniform([1, 2, 3], 1), OpCases.Uniform([4, 3, 2], 2));
        var expected = Tensor.Einsum("bij,bjk->bik", a.Expand([4, 2, 3]), b);
        foreach (var equation in new[] { "bij,bjk->bik", "...ij,...jk->...ik" })
        {
            var result = Tensor.Einsum(equation, a, b);
            Assert.Equal(expected.Shape, result.Shape);
            Assert.All(OpCases.ToDouble(expected).Zip(OpCases.ToDouble(result)), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
        }
    }

    [Theory]
    [InlineData("ij,jk->ik", "Einsum 'ij,jk->ik': 2 operands in the equation, 1 given", new[] { 2, 2 })]
    [InlineData("ii->i", "Einsum 'ii->i': label 'i' is 2 before and 3 in operand 0 of shape [2, 3]", new[] { 2, 3 })]
    [InlineData("ii->i", "Einsum 'ii->i': label 'i' stands for 1 and 3 in operand 0 of shape [1, 3]", new[] { 1, 3 })]
    [InlineData("ijk->i", "Einsum 'ijk->i': operand 0 is written 'ijk' and has shape [2, 2] of rank 2", new[] { 2, 2 })]
    [InlineData("i->i", "Einsum 'i->i': operand 0 is written 'i' and has shape [2, 2] of rank 2", new[] { 2, 2 })]
    [InlineData("ij->k", "Einsum 'ij->k': output label 'k' is in no operand", new[] { 2, 2 })]
    [InlineData("ij->ii", "Einsum 'ij->ii': label 'i' stands twice in the output", new[] { 2, 2 })]
    [InlineData("i1->i", "Einsum 'i1->i': '1' is not a label; labels are letters, and one ... stands for the axes without", new[] { 2, 2 })]
    [InlineData("i->i->i", "Einsum 'i->i->i': more than one ->", new[] { 2 })]
    public void Mistakes_are_named(string equation, string message, int[] shape) =>
        Assert.Equal(message, Assert.Throws<ShapeException>(() => Tensor.Einsum(equation, Tensor.Ones(shape))).Message);

    [Fact]
    public void Sizes_that_do_not_fit_are_named() => Assert.Equal(
        "Einsum 'ij,jk->ik': label 'j' is 3 before and 4 in operand 1 of shape [4, 5]",
        Assert.Throws<ShapeException>(() => Tensor.Einsum("ij,jk->ik", Tensor.Ones([2, 3]), Tensor.Ones([4, 5]))).Message);

    /// <summary>The sum over every assignment of all labels.</summary>
    private static (Shape, double[]) Definition(string equation, Tensor[] operands)
    {
        var inputs = equation.Split("->")[0].Split(',');
        var all = new string([.. string.Concat(inputs).Distinct().Order()]);
        var output = equation.Contains("->") ? equation.Split("->")[1] : new string([.. all.Where(l => string.Concat(inputs).Count(c => c == l) == 1)]);
        int SizeOf(char label) => operands[Array.FindIndex(inputs, i => i.Contains(label))].Shape[inputs.First(i => i.Contains(label)).IndexOf(label)];
        var values = Array.ConvertAll(operands, OpCases.ToDouble);
        Shape shape = output.Select(SizeOf).ToArray();
        var sums = new double[shape.ElementCount];
        foreach (var p in Naive.Positions(all.Select(SizeOf).ToArray()))
        {
            int At(Shape s, string labels) => Naive.Offset(s, [.. labels.Select(l => p[all.IndexOf(l)])]);
            sums[At(shape, output)] += inputs.Select((labels, i) => values[i][At(operands[i].Shape, labels)]).Aggregate(1.0, (x, y) => x * y);
        }
        return (shape, sums);
    }
}
