using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

/// <summary>Long sums keep float32's precision, whichever axes they go over.</summary>
public class ReductionAccuracyTests
{
    [Theory]
    [InlineData(1, 3_000_000, 1)]
    [InlineData(0, 400_000, 7)]
    [InlineData(0, 30_000, 65)]
    public void A_long_sum_of_like_numbers_is_right_to_the_last_bits(int axis, int rows, int columns)
    {
        // Numbers with an offset: naive float32 summation loses four digits here.
        Shape shape = axis == 1 ? [columns, rows] : [rows, columns];
        var x = OpCases.Uniform(shape, 9, 0.9f, 1.1f);
        var sums = x.Sum([axis]).ToArray<float>();
        var (values, exact) = (x.ToArray<float>(), new double[columns]);
        for (var i = 0; i < values.Length; i++)
            exact[axis == 1 ? i / rows : i % columns] += values[i];
        for (var column = 0; column < columns; column++)
            Assert.True(Math.Abs(sums[column] - exact[column]) <= 1.5e-7 * exact[column], $"column {column}: {sums[column]} for {exact[column]}");
    }
}
