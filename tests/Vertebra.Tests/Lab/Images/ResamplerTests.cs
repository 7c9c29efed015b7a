using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Images;

public class ResamplerTests
{
    public static TheoryData<string> Resizes => [.. ImageFixtures.Resizes];

    [Theory]
    [MemberData(nameof(Resizes))]
    public void Resizes_bit_for_bit_as_Pillow(string line) => ImageCases.CheckResizing(line);

    [Fact]
    public void What_is_framed_has_the_bits_of_the_plain_arithmetic() => ImageCases.CheckFraming();

    [Fact]
    public void Only_the_pixels_that_a_plan_needs_are_read()
    {
        var source = ImageFixtures.Synthetic(90, 70);
        foreach (var filter in Enum.GetValues<ResampleFilter>())
        {
            var framing = new Framing(new CropBox(3, 5, 80, 60), 40, 30, new CropBox(10, 8, 20, 12));
            using var plan = new ResizePlan(framing, filter, isMirrored: true);
            var expected = new byte[plan.ResultBytes];
            using (var whole = PixelPart.Of(source))
                Resampler.Run(whole, plan, expected);
            using var part = PixelPart.Rent(plan.Needed);
            part.From(plan.Needed.Top).Fill(77);
            for (var y = plan.Needed.Top; y < plan.Needed.Top + plan.Needed.Height; y++)
                source.Row(y).Slice(plan.Needed.Left * 3, plan.Needed.Width * 3).CopyTo(part.From(y));
            var actual = new byte[plan.ResultBytes];
            Resampler.Run(part, plan, actual);
            Assert.Equal(expected, actual);
        }
    }

    [Theory]
    [InlineData(30, 36, 30, 18)]
    [InlineData(30, 36, 15, 36)]
    [InlineData(30, 36, 30, 36)]
    [InlineData(61, 36, 61, 20)]
    public void Crop_in_one_step_equals_crop_then_resize(int cropWidth, int cropHeight, int width, int height)
    {
        var source = ImageFixtures.Synthetic(61, 47);
        foreach (var filter in Enum.GetValues<ResampleFilter>())
        {
            var cropped = ImageTransforms.Crop(source, 0, 5, cropWidth, cropHeight);
            var expected = Resampler.Resize(cropped, width, height, filter);
            Assert.Equal(expected.Pixels, Resampler.ResizeCrop(source, 0, 5, cropWidth, cropHeight, width, height, filter).Pixels);
        }
    }

    [Fact]
    public void Same_size_is_a_copy()
    {
        var source = ImageFixtures.Synthetic(20, 10);
        var result = Resampler.Resize(source, 20, 10);
        Assert.Equal(source.Pixels, result.Pixels);
        Assert.NotSame(source.Pixels, result.Pixels);
    }

    [Theory]
    [InlineData(500, 375, 256, 341, 256)]
    [InlineData(375, 500, 256, 256, 341)]
    [InlineData(100, 100, 32, 32, 32)]
    [InlineData(3, 7, 5, 5, 11)]
    public void Shorter_side_gets_the_length(int width, int height, int side, int expectedWidth, int expectedHeight)
    {
        var result = Resampler.ResizeShorterSide(new RgbImage(width, height), side);
        Assert.Equal((expectedWidth, expectedHeight), (result.Width, result.Height));
    }

    [Fact]
    public void Refuses_empty_sizes_and_regions_outside()
    {
        var source = new RgbImage(10, 10);
        Assert.Throws<VertebraException>(() => Resampler.Resize(source, 0, 5));
        Assert.Throws<VertebraException>(() => Resampler.Resize(source, 5, 5, ResampleFilter.Box, new SourceBox(0, 0, 11, 10)));
        Assert.Throws<VertebraException>(() => Resampler.Resize(source, 5, 5, ResampleFilter.Box, new SourceBox(4, 0, 4, 10)));
        Assert.Throws<VertebraException>(() => Resampler.Resize(source, 5, 5, ResampleFilter.Box, new SourceBox(0, double.NaN, 4, 10)));
        Assert.Throws<VertebraException>(() => Resampler.ResizeCrop(source, 8, 0, 3, 3, 5, 5));
    }
}
