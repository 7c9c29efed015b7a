using System.Globalization;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Images;

/// <summary>Checks of the picture kernels against the committed reference; they run at every instruction level.</summary>
internal static class ImageCases
{
    public static IEnumerable<(string Name, Action Check)> All() =>
    [
        .. ImageFixtures.Files.Select(name => ($"image decoding {name}", (Action)(() => CheckDecoding(name)))),
        .. ImageFixtures.Resizes.Select(line => ($"image resizing {line}", (Action)(() => CheckResizing(line)))),
    ];

    /// <summary>A file decodes to Pillow's pixels; those named orientation_* are turned upright.</summary>
    public static void CheckDecoding(string name)
    {
        var options = new ImageDecodeOptions { ApplyOrientation = name.StartsWith("orientation", StringComparison.Ordinal) };
        ImageFixtures.AssertEqual(ImageFixtures.Of(name), ImageDecoder.Decode(ImageFixtures.PathOf(name), options));
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
