using System.IO.Compression;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;

namespace Vertebra.Tests.Lab.Images;

public class PngWriterTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    [InlineData(33, 17)]
    [InlineData(200, 150)]
    public void Rgb_comes_back_as_it_was(int width, int height)
    {
        var image = ImageFixtures.Synthetic(width, height);
        foreach (var level in Enum.GetValues<CompressionLevel>())
            Assert.Equal(image.Pixels, ImageDecoder.Decode(PngWriter.Encode(image, level)).Pixels);
    }

    [Fact]
    public void Gray_comes_back_three_times()
    {
        var gray = Enumerable.Range(0, 31 * 9).Select(i => (byte)(i * 7)).ToArray();
        var image = ImageDecoder.Decode(PngWriter.EncodeGray(gray, 31, 9));
        Assert.Equal(gray.SelectMany(g => new[] { g, g, g }), image.Pixels);
    }

    [Fact]
    public void Same_pixels_give_the_same_bytes()
    {
        var image = ImageFixtures.Synthetic(64, 64);
        Assert.Equal(PngWriter.Encode(image), PngWriter.Encode(image));
    }

    [Fact]
    public void Filters_pay_on_smooth_pictures()
    {
        var image = new RgbImage(256, 256);
        for (var i = 0; i < image.Pixels.Length; i++)
            image.Pixels[i] = (byte)(i / 3 % 256 + i / 768);
        Assert.True(PngWriter.Encode(image).Length < 2_000);
    }

    [Fact]
    public void Refuses_a_wrong_number_of_bytes() =>
        Assert.Throws<VertebraException>(() => PngWriter.EncodeGray(new byte[10], 3, 3));

    [Fact]
    public void Chunks_carry_the_published_checksum()
    {
        // The end chunk is empty, so its CRC-32 is the same in every PNG file.
        Assert.Equal([0, 0, 0, 0, (byte)'I', (byte)'E', (byte)'N', (byte)'D', 0xAE, 0x42, 0x60, 0x82], PngWriter.Encode(new RgbImage(3, 3))[^12..]);
    }
}
