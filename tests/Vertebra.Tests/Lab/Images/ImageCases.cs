using System.Globalization;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Images;

/// <summary>Checks of the picture kernels against the committed reference; they run at every instruction level.</summary>
internal static class ImageCases
{
    public static IEnumerable<(string Name, Action Check)> All() =>
    [
        .. ImageFixtures.Files.Select(name => ($"image decoding {name}", (Action)(() => CheckDecoding(name)))),
        .. ImageFixtures.Files.Select(name => ($"image parts {name}", (Action)(() => CheckParts(name)))),
        .. ImageFixtures.Resizes.Select(line => ($"image resizing {line}", (Action)(() => CheckResizing(line)))),
        ("image framing", CheckFraming),
    ];

    /// <summary>A file decodes to Pillow's pixels; those named orientation_* are turned upright.</summary>
    public static void CheckDecoding(string name)
    {
        var options = new ImageDecodeOptions { ApplyOrientation = name.StartsWith("orientation", StringComparison.Ordinal) };
        ImageFixtures.AssertEqual(ImageFixtures.Of(name), ImageDecoder.Decode(ImageFixtures.PathOf(name), options));
    }

    /// <summary>Any part of a file decodes to the bits that the whole has there, whether the rest is read or not.</summary>
    public static void CheckParts(string name)
    {
        var data = File.ReadAllBytes(ImageFixtures.PathOf(name));
        var whole = ImageDecoder.Decode(data, name);
        var random = new Random(name.Length);
        for (var round = 0; round < 40; round++)
        {
            int width = random.Next(1, whole.Width + 1), height = random.Next(1, whole.Height + 1);
            var box = new CropBox(random.Next(whole.Width - width + 1), random.Next(whole.Height - height + 1), width, height);
            using var reader = ImageDecoder.Open(data, name, maxPixels: 1 << 20);
            var info = reader.ReadInfo();
            Assert.Equal((whole.Width, whole.Height), (info.Width, info.Height));
            using var part = reader.DecodePart(box, checksRest: round % 2 == 0);
            for (var y = box.Top; y < box.Top + height; y++)
                Assert.Equal(whole.Row(y).Slice(box.Left * 3, width * 3), part.From(y).Slice((box.Left - part.Box.Left) * 3, width * 3));
        }
    }

    /// <summary>Windows of pictures, resized by any factor, cut and mirrored, are those of the plain arithmetic.</summary>
    public static void CheckFraming()
    {
        var random = new Random(8);
        var source = ImageFixtures.Synthetic(83, 67);
        for (var round = 0; round < 150; round++)
        {
            int left = random.Next(60), top = random.Next(50);
            var window = new CropBox(left, top, random.Next(1, 84 - left), random.Next(1, 68 - top));
            int width = random.Next(5) == 0 ? window.Width : random.Next(1, 90), height = random.Next(5) == 0 ? window.Height : random.Next(1, 90);
            int partWidth = random.Next(1, width + 1), partHeight = random.Next(1, height + 1);
            var framing = new Framing(window, width, height, new CropBox(random.Next(width - partWidth + 1), random.Next(height - partHeight + 1), partWidth, partHeight));
            var (filter, isMirrored) = ((ResampleFilter)random.Next(1, 6), random.Next(2) == 0);
            using var plan = new ResizePlan(framing, filter, isMirrored);
            var result = new byte[plan.ResultBytes];
            using var pixels = PixelPart.Of(source);
            Resampler.Run(pixels, plan, result);
            Assert.True(PillowResize.Run(source, framing, filter, isMirrored).AsSpan().SequenceEqual(result), $"{framing} {filter} {isMirrored}");
        }
    }

    /// <summary>A way of resizing, as a line of expected.txt states it, gives Pillow's pixels.</summary>
    public static void CheckResizing(string line)
    {
        var expected = ImageFixtures.Parse(line);
        var arguments = expected.Name.Split(':');
        var filter = Enum.Parse<ResampleFilter>(arguments[1], ignoreCase: true);
        var numbers = arguments[2..].Select(n => double.Parse(n, CultureInfo.InvariantCulture)).ToArray();
        var source = ImageDecoder.Decode(ImageFixtures.PathOf("resize_source.png"));
        var actual = (arguments[0], numbers) switch
        {
            ("resize", []) => Resampler.Resize(source, expected.Width, expected.Height, filter),
            ("resize", [var left, var top, var right, var bottom]) => Resampler.Resize(source, expected.Width, expected.Height, filter, new SourceBox(left, top, right, bottom)),
            ("resize_crop", [var left, var top, var width, var height]) =>
                Resampler.ResizeCrop(source, (int)left, (int)top, (int)width, (int)height, expected.Width, expected.Height, filter),
            _ => throw new InvalidOperationException($"cannot read {line}"),
        };
        ImageFixtures.AssertEqual(expected, actual);
    }
}
