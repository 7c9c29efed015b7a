using System.Text.Json;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Augment;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Data.Augment;

/// <summary>Pillow's and torchvision's results, as <c>Golden/augment/make.py</c> wrote them.</summary>
internal static class AugmentGolden
{
    private static readonly string Folder = Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/augment");

    public static JsonElement Facts { get; } = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "cases.json"))).RootElement;

    public static int Width { get; } = Facts.GetProperty("width").GetInt32();

    public static int Height { get; } = Facts.GetProperty("height").GetInt32();

    /// <summary>Two pictures: one with everything, one of few levels.</summary>
    public static byte[][] Inputs { get; } = Pictures("inputs.png");

    /// <summary>The pictures of a strip.</summary>
    public static byte[][] Pictures(string name) => ImageDecoder.Decode(Path.Combine(Folder, name)).Pixels.Chunk(Width * Height * 3).ToArray();

    public static WarpStyle Style(WarpFilter? filter)
    {
        var fill = Facts.GetProperty("fill").EnumerateArray().Select(f => f.GetByte()).ToArray();
        return new(filter, fill[0], fill[1], fill[2]);
    }

    /// <summary>A canvas with a picture on it.</summary>
    public static PixelCanvas Canvas(byte[] pixels) => Canvas(new RgbImage(Width, Height, pixels));

    /// <inheritdoc cref="Canvas(byte[])"/>
    public static PixelCanvas Canvas(RgbImage image)
    {
        var canvas = new PixelCanvas(image.Width, image.Height);
        image.Pixels.CopyTo(canvas.Pixels);
        return canvas;
    }

    public static byte[] Apply(byte[] pixels, PixelOperation operation, double argument, WarpFilter? filter)
    {
        using var canvas = Canvas(pixels);
        var random = default(SampleRandom);
        PixelOperations.Apply(canvas, operation, argument, Style(filter), ref random);
        return canvas.Pixels.ToArray();
    }
}
