using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Images;

public class ImageTransformsTests
{
    [Fact]
    public void Crop_takes_the_rectangle()
    {
        var source = Numbered(7, 5);
        var result = ImageTransforms.Crop(source, 2, 1, 3, 4);
        for (var y = 0; y < 4; y++)
        {
            for (var x = 0; x < 3; x++)
                Assert.Equal(Pixel(source, x + 2, y + 1), Pixel(result, x, y));
        }
    }

    [Theory]
    // round((side - size) / 2) with halves to even: 2.5 -> 2, 3.5 -> 4, 0.5 -> 0.
    [InlineData(9, 4, 2)]
    [InlineData(11, 4, 4)]
    [InlineData(5, 4, 0)]
    [InlineData(8, 4, 2)]
    public void Center_crop_has_the_offsets_of_torchvision(int side, int size, int offset)
    {
        var source = Numbered(side, side);
        Assert.Equal(Pixel(source, offset, offset), Pixel(ImageTransforms.CenterCrop(source, size, size), 0, 0));
    }

    [Fact]
    public void Center_crop_of_a_small_picture_adds_black()
    {
        var source = Numbered(3, 8);
        var result = ImageTransforms.CenterCrop(source, 6, 4);
        Assert.Equal((6, 4), (result.Width, result.Height));
        Assert.Equal((0, 0, 0), Pixel(result, 0, 0));
        Assert.Equal(Pixel(source, 0, 2), Pixel(result, 1, 0));
        Assert.Equal(Pixel(source, 2, 5), Pixel(result, 3, 3));
        Assert.Equal((0, 0, 0), Pixel(result, 4, 0));
    }

    [Fact]
    public void Flip_mirrors_the_columns()
    {
        var source = Numbered(5, 3);
        var result = ImageTransforms.FlipHorizontal(source);
        for (var x = 0; x < 5; x++)
            Assert.Equal(Pixel(source, x, 2), Pixel(result, 4 - x, 2));
        Assert.Equal(source.Pixels, ImageTransforms.FlipHorizontal(result).Pixels);
    }

    [Fact]
    public void Pad_adds_a_border_of_one_color()
    {
        var source = Numbered(4, 3);
        var result = ImageTransforms.Pad(source, 1, 2, 3, 4, 9, 8, 7);
        Assert.Equal((8, 9), (result.Width, result.Height));
        for (var y = 0; y < 9; y++)
        {
            for (var x = 0; x < 8; x++)
            {
                var isInside = x is >= 1 and < 5 && y is >= 2 and < 5;
                Assert.Equal(isInside ? Pixel(source, x - 1, y - 2) : (9, 8, 7), Pixel(result, x, y));
            }
        }
    }

    [Theory]
    [InlineData(-1, 0, 2, 2)]
    [InlineData(0, 0, 0, 2)]
    [InlineData(3, 0, 2, 2)]
    [InlineData(0, int.MaxValue, 2, 2)]
    [InlineData(0, 0, int.MaxValue, 2)]
    public void Refuses_rectangles_outside(int left, int top, int width, int height) =>
        Assert.Throws<VertebraException>(() => ImageTransforms.Crop(Numbered(4, 4), left, top, width, height));

    [Fact]
    public void Refuses_negative_borders() =>
        Assert.Throws<VertebraException>(() => ImageTransforms.Pad(Numbered(4, 4), -1, 0, 0, 0));

    private static RgbImage Numbered(int width, int height)
    {
        var image = new RgbImage(width, height);
        for (var i = 0; i < image.Pixels.Length; i++)
            image.Pixels[i] = (byte)(i + 1);
        return image;
    }

    private static (int Red, int Green, int Blue) Pixel(RgbImage image, int x, int y)
    {
        var pixel = image.Row(y).Slice(x * 3, 3);
        return (pixel[0], pixel[1], pixel[2]);
    }
}
