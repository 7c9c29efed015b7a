using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Augment;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Data.Augment;

public class PixelOperationTests
{
    [Fact]
    public void Every_operation_gives_Pillows_pixels()
    {
        var expected = AugmentGolden.Pictures("operations.png");
        var seen = new HashSet<(PixelOperation, WarpFilter?)>();
        var row = 0;
        foreach (var entry in AugmentGolden.Facts.GetProperty("cases").EnumerateArray())
        {
            var operation = Enum.Parse<PixelOperation>(entry.GetProperty("operation").GetString()!);
            var argument = entry.GetProperty("argument").GetDouble();
            WarpFilter? filter = entry.GetProperty("filter").GetString() is { } name ? Enum.Parse<WarpFilter>(name) : null;
            seen.Add((operation, filter));
            foreach (var input in AugmentGolden.Inputs)
                AssertSame(expected[row++], AugmentGolden.Apply(input, operation, argument, filter), $"{operation} {argument} {filter}");
        }
        Assert.Equal(expected.Length, row);
        foreach (var operation in Enum.GetValues<PixelOperation>())
            Assert.All(PixelOperations.IsWarp(operation) ? Enum.GetValues<WarpFilter>().Cast<WarpFilter?>() : [null], filter => Assert.Contains((operation, filter), seen));
    }

    [Fact]
    public void TrivialAugment_is_torchvisions_by_table_and_by_pixels()
    {
        var expected = AugmentGolden.Pictures("trivial.png");
        var row = 0;
        var table = AugmentGolden.Facts.GetProperty("trivial").EnumerateArray().ToArray();
        Assert.Equal(table.Length, TrivialAugment.Table.Count);
        foreach (var ((operation, isSigned, argument), entry) in TrivialAugment.Table.Zip(table))
        {
            Assert.Equal(entry.GetProperty("operation").GetString(), $"{operation}");
            Assert.Equal(entry.GetProperty("signed").GetBoolean(), isSigned);
            Assert.Equal(entry.GetProperty("magnitudes").ValueKind == System.Text.Json.JsonValueKind.Null, argument is null);
            for (var bin = 0; argument is not null && bin < TrivialAugment.Bins; bin++)
                Assert.Equal(entry.GetProperty("magnitudes")[bin].GetDouble(), argument(bin), 1e-5);
            foreach (var bin in argument is null ? [0] : new[] { 0, 4, 17, 20, 30 })
            {
                foreach (var sign in isSigned ? new[] { 1, -1 } : [1])
                {
                    var strength = sign * (argument?.Invoke(bin) ?? 0);
                    AssertSame(expected[row++], AugmentGolden.Apply(AugmentGolden.Inputs[0], operation, TrivialAugment.ArgumentOf(operation, strength), WarpFilter.Bilinear), $"{operation} {strength}");
                }
            }
        }
        Assert.Equal(expected.Length, row);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(1, 5)]
    [InlineData(3, 2)]
    [InlineData(64, 33)]
    public void Every_operation_takes_every_size_and_leaves_even_grey_grey(int width, int height)
    {
        foreach (var operation in Enum.GetValues<PixelOperation>())
        {
            foreach (var filter in Enum.GetValues<WarpFilter>())
            {
                using var canvas = AugmentGolden.Canvas(new RgbImage(width, height, [.. Enumerable.Repeat((byte)90, width * height * 3)]));
                var random = new SampleRandom(1, 0, 0);
                PixelOperations.Apply(canvas, operation, 0.4, new(filter, 90, 90, 90), ref random);
                Assert.All(canvas.Pixels.ToArray(), level => Assert.Equal(canvas.Pixels[0], level));
            }
        }
    }

    private static void AssertSame(byte[] expected, byte[] actual, string what)
    {
        var wrong = Enumerable.Range(0, expected.Length).Where(i => expected[i] != actual[i]).ToArray();
        Assert.True(wrong.Length == 0, $"{what}: {wrong.Length} of {expected.Length} levels differ, the first at {wrong.FirstOrDefault()}: {actual[wrong.FirstOrDefault()]} for {expected[wrong.FirstOrDefault()]}");
    }
}
