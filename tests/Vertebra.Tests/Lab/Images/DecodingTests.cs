using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Images;

/// <summary>Every kind of JPEG and PNG, against the pixels that Pillow with libjpeg-turbo and libpng gives.</summary>
public class DecodingTests
{
    public static TheoryData<string> Files => [.. ImageFixtures.Files];

    [Theory]
    [MemberData(nameof(Files))]
    public void Decodes_to_the_reference_pixels(string name) => ImageCases.CheckDecoding(name);

    [Theory]
    [MemberData(nameof(Files))]
    public void Parts_are_those_of_the_whole(string name) => ImageCases.CheckParts(name);

    [Theory]
    [MemberData(nameof(Files))]
    public void Reads_the_size_without_decoding(string name)
    {
        var info = ImageDecoder.ReadInfo(ImageFixtures.PathOf(name));
        var image = ImageDecoder.Decode(ImageFixtures.PathOf(name));
        Assert.Equal((image.Width, image.Height), (info.Width, info.Height));
        Assert.Equal(name.EndsWith(".png", StringComparison.Ordinal) ? ImageFormat.Png : ImageFormat.Jpeg, info.Format);
        Assert.Equal(name.StartsWith("orientation_", StringComparison.Ordinal) ? name["orientation_".Length] - '0' : 1, info.Orientation);
    }

    [Theory]
    [InlineData("gray.jpg", 1, 8)]
    [InlineData("ycck_420.jpg", 4, 8)]
    [InlineData("palette_2.png", 1, 2)]
    [InlineData("rgb_alpha_16.png", 4, 16)]
    public void Reads_channels_and_depth(string name, int channels, int depth)
    {
        var info = ImageDecoder.ReadInfo(ImageFixtures.PathOf(name));
        Assert.Equal((channels, depth), (info.Channels, info.BitDepth));
    }

    [Fact]
    public void Orientation_is_left_alone_unless_asked_for()
    {
        var stored = ImageDecoder.Decode(ImageFixtures.PathOf("orientation_1.jpg"));
        var turned = ImageDecoder.Decode(ImageFixtures.PathOf("orientation_6.jpg"));
        Assert.Equal(stored.Pixels, turned.Pixels);
    }

    [Theory]
    [InlineData("refused_arithmetic.jpg", "arithmetic-coded JPEG")]
    [InlineData("refused_12bit.jpg", "12-bit JPEG")]
    [InlineData("refused_lossless.jpg", "lossless JPEG")]
    [InlineData("refused_critical_chunk.png", "CgBI")]
    [InlineData("refused.bmp", "BMP")]
    [InlineData("refused.gif", "GIF")]
    [InlineData("refused.webp", "WebP")]
    [InlineData("refused.tiff", "TIFF")]
    [InlineData("refused.ppm", "Netpbm")]
    [InlineData("refused.ico", "ICO")]
    [InlineData("expected.txt", "neither JPEG nor PNG")]
    public void Names_what_it_does_not_decode(string name, string named)
    {
        var path = ImageFixtures.PathOf(name);
        var error = Assert.Throws<FileFormatException>(() => ImageDecoder.Decode(path));
        Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("baseline_2x2.jpg")]
    [InlineData("rgb_8.png")]
    public void Refuses_more_pixels_than_the_limit(string name)
    {
        var path = ImageFixtures.PathOf(name);
        var info = ImageDecoder.ReadInfo(path);
        var pixels = (long)info.Width * info.Height;
        ImageDecoder.Decode(path, new ImageDecodeOptions { MaxPixels = pixels });
        var error = Assert.Throws<FileFormatException>(() => ImageDecoder.Decode(path, new ImageDecodeOptions { MaxPixels = pixels - 1 }));
        Assert.Contains($"{info.Width}x{info.Height}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_files_longer_than_the_limit() =>
        Assert.Throws<FileFormatException>(() => ImageDecoder.Decode(ImageFixtures.PathOf("rgb_8.png"), new ImageDecodeOptions { MaxFileBytes = 100 }));

    [Fact]
    public void Missing_file_and_folder_are_said_in_one_line()
    {
        Assert.Throws<VertebraException>(() => ImageDecoder.Decode(ImageFixtures.PathOf("no such file.jpg")));
        Assert.Throws<VertebraException>(() => ImageDecoder.Decode(ImageFixtures.Folder));
    }

    [Fact]
    public void Finds_the_frame_behind_large_metadata()
    {
        var data = File.ReadAllBytes(ImageFixtures.PathOf("baseline_2x2.jpg"));
        var segment = new byte[0x10001];
        (segment[0], segment[1], segment[2], segment[3]) = (0xFF, 0xE2, 0xFF, 0xFF);
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, [.. data[..2], .. segment, .. segment, .. data[2..]]);
            Assert.Equal(75, ImageDecoder.ReadInfo(path).Width);
            ImageFixtures.AssertEqual(ImageFixtures.Of("baseline_2x2.jpg"), ImageDecoder.Decode(path));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
