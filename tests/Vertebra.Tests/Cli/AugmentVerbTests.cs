using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;

namespace Vertebra.Tests.Cli;

public sealed class AugmentVerbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Samples_of_an_image_become_a_picture_and_a_page_that_names_what_was_done()
    {
        var image = new RgbImage(50, 40, [.. Enumerable.Range(0, 6000).Select(i => (byte)i)]);
        PngWriter.Save(_folder["a<b.png"], image);
        Assert.Contains("1 images", Run("a<b.png", "--img-size", "32", "--aa", "v0", "--samples", "3", "-o", "grid.png").Succeeded(), StringComparison.Ordinal);
        var grid = ImageDecoder.Decode(_folder["grid.png"]);
        // Three times as large, to be seen.
        Assert.Equal(((4 * 100) + 4, 104), (grid.Width, grid.Height));
        Run("a<b.png", "--img-size", "32", "--aa", "rand-m9-p1-n3", "--reprob", "0.5", "--aug-splits", "3", "-o", "grid.html").Succeeded();
        var page = File.ReadAllText(_folder["grid.html"]);
        Assert.Contains("a&lt;b.png", page, StringComparison.Ordinal);
        Assert.Equal(1 + (8 * 3), page.Split("<figure>").Length - 1);
        // Two views of each sample with three operations each.
        Assert.Equal(8 * 2 * 3, page.Split("<br>").Length - 1);
        Assert.Contains("Rotate ", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_what_it_cannot_draw()
    {
        Assert.Contains("--aa: augmentation policy 'rand-z1': 'z1'", Run("--aa", "rand-z1", "-o", "x.png").Refused(), StringComparison.Ordinal);
        Assert.Contains("ends in neither .png nor .html", Run("--aa", "v0", "-o", "x.bmp").Refused(), StringComparison.Ordinal);
        Assert.Contains("--samples is 0", Run("--samples", "0", "-o", "x.png").Refused(), StringComparison.Ordinal);
    }

    private CommandResult Run(params string[] arguments) => CommandLine.Run(_folder.Path, ["augment", .. arguments]);
}
