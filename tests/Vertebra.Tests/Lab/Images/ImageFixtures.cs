using System.Globalization;
using System.Security.Cryptography;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Images;

/// <summary>The committed picture files and what Pillow makes of them (Fixtures/make_fixtures.py).</summary>
internal static class ImageFixtures
{
    public sealed record Expectation(string Name, int Width, int Height, string Hash);

    public static string Folder { get; } = Path.Combine(SharedData.RepositoryRoot, "tests", "Vertebra.Tests", "Lab", "Images", "Fixtures");

    /// <summary>One picture a line: a file, or a way of resizing one; width; height; hash of the RGB bytes.</summary>
    public static string[] Lines { get; } = File.ReadAllLines(PathOf("expected.txt"));

    /// <summary>Names of the files.</summary>
    public static IEnumerable<string> Files => Lines.Select(l => Parse(l).Name).Where(n => n.Contains('.', StringComparison.Ordinal) && !n.Contains(':', StringComparison.Ordinal));

    /// <summary>Lines about resizing.</summary>
    public static IEnumerable<string> Resizes => Lines.Where(l => l.Contains(':', StringComparison.Ordinal));

    public static string PathOf(string name) => Path.Combine(Folder, name);

    public static Expectation Of(string name) => Lines.Select(Parse).Single(e => e.Name == name);

    public static void AssertEqual(Expectation expected, RgbImage actual)
    {
        Assert.Equal((expected.Width, expected.Height), (actual.Width, actual.Height));
        Assert.Equal(expected.Hash, Convert.ToHexStringLower(SHA256.HashData(actual.Pixels)));
    }

    /// <summary>Smooth colours, edges and noise; seeded.</summary>
    public static RgbImage Synthetic(int width, int height, int seed = 1)
    {
        var random = new Random(seed);
        var image = new RgbImage(width, height);
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var isInside = (x - width / 2) * (x - width / 2) + (y - height / 2) * (y - height / 2) < width * height / 16;
                var pixel = image.Row(y).Slice(x * 3, 3);
                pixel[0] = (byte)(isInside ? 250 : 128 + 100 * Math.Sin(x / 9.0 + seed));
                pixel[1] = (byte)(255 * x / width ^ random.Next(4));
                pixel[2] = (byte)(128 + 100 * Math.Cos((x + 2 * y) / 11.0));
            }
        }
        return image;
    }

    public static Expectation Parse(string line)
    {
        var parts = line.Split(' ');
        return new Expectation(parts[0], int.Parse(parts[1], CultureInfo.InvariantCulture), int.Parse(parts[2], CultureInfo.InvariantCulture), parts[3]);
    }
}
