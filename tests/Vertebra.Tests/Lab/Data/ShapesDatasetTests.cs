using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Shapes;

namespace Vertebra.Tests.Lab.Data;

public class ShapesDatasetTests
{
    private static readonly ShapesOptions Small = new() { ImageSize = 16, TrainCount = 40, ValidationCount = 20 };

    [Fact]
    public void The_set_is_written_once_and_read_back_like_any_folder()
    {
        using var folder = new TemporaryFolder();
        var told = new List<long>();
        var options = new DatasetOptions { Shapes = Small with { Seed = 5 }, Progress = (done, _, _) => told.Add(done) };
        var train = DatasetFactory.Open("shapes", folder.Path, DatasetSplit.Train, options);
        Assert.Equal([50, 60], told);
        var validation = DatasetFactory.Open("shapes", folder.Path, DatasetSplit.Validation, options);
        Assert.Equal([50, 60], told);

        Assert.Equal((40, 20), (train.Count, validation.Count));
        Assert.Equal(ShapesDataset.ClassNames, train.ClassNames);
        Assert.Equal(ShapesDataset.ClassNames, validation.ClassNames);
        Assert.All(Enumerable.Range(0, 10), label => Assert.Equal(4, Enumerable.Range(0, 40).Count(i => train.Label(i) == label)));
        // What is read back is what was drawn; the number in the file's name is the picture's.
        foreach (var dataset in new[] { train, validation })
        {
            for (var i = 0; i < dataset.Count; i++)
            {
                var number = int.Parse(Path.GetFileNameWithoutExtension(dataset.NameOf(i)));
                Assert.Equal(number % 10, dataset.Label(i));
                Assert.Equal(ShapesDataset.Draw(number, 16, seed: 5).Pixels, dataset.Load(i).Pixels);
            }
        }
    }

    [Fact]
    public void Generated_twice_the_files_are_the_same_bytes_and_another_seed_gives_others()
    {
        using var folder = new TemporaryFolder();
        var first = Files(ShapesDataset.Generate(folder["a"], Small with { Seed = 1 }));
        Assert.Equal(first, Files(ShapesDataset.Generate(folder["b"], Small with { Seed = 1 })));
        Assert.Equal(61, first.Count);
        var other = Files(ShapesDataset.Generate(folder["a"], Small with { Seed = 2 }));
        Assert.Equal(first.Keys, other.Keys);
        Assert.All(first, file => Assert.NotEqual(file.Value, other[file.Key]));

        static SortedDictionary<string, string> Files(string root) => new(Directory.GetFiles(root, "*", SearchOption.AllDirectories)
            .ToDictionary(file => Path.GetRelativePath(root, file), file => Convert.ToHexString(File.ReadAllBytes(file))));
    }

    [Fact]
    public void An_interrupted_generation_is_not_taken_for_complete()
    {
        using var folder = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() =>
            ShapesDataset.Generate(folder.Path, Small with { Seed = 1 }, (_, _, _) => cancellation.Cancel(), cancellation.Token));
        Assert.Empty(Directory.GetDirectories(folder.Path));

        // What a killed process leaves behind does not disturb the next one.
        var root = ShapesDataset.Generate(folder["other"], Small with { Seed = 1 });
        folder.Write($".{Path.GetFileName(root)}.unfinished/train/circle/000000.png", [1, 2, 3]);
        ShapesDataset.Generate(folder.Path, Small with { Seed = 1 });
        Assert.Equal([folder["other"], folder[Path.GetFileName(root)]], Directory.GetDirectories(folder.Path).Order(StringComparer.Ordinal));
        Assert.Equal(60, Directory.GetFiles(folder[Path.GetFileName(root)], "*.png", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public void Two_generations_at_once_share_the_result()
    {
        using var folder = new TemporaryFolder();
        var roots = new string[2];
        Parallel.For(0, 2, i => roots[i] = ShapesDataset.Generate(folder.Path, Small with { Seed = 1 }));
        Assert.Equal(roots[0], roots[1]);
        Assert.Equal(60, Directory.GetFiles(roots[0], "*.png", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public void Removed_pictures_are_noticed()
    {
        using var folder = new TemporaryFolder();
        var options = new DatasetOptions { Shapes = Small };
        ShapesDataset.Open(folder.Path, DatasetSplit.Train, options);
        File.Delete(Directory.GetFiles(folder.Path, "*.png", SearchOption.AllDirectories).First(file => file.Contains("train")));
        var error = Assert.Throws<VertebraException>(() => ShapesDataset.Open(folder.Path, DatasetSplit.Train, options));
        Assert.Contains("39 training pictures instead of 40; delete the folder", error.Message);
        Assert.Contains("outside 8 to 1024", Assert.Throws<VertebraException>(() => ShapesDataset.Generate(folder.Path, Small with { Seed = 1, ImageSize = 4 })).Message);
        Assert.Contains("each part needs 10", Assert.Throws<VertebraException>(() => ShapesDataset.Generate(folder.Path, Small with { Seed = 1, ValidationCount = 9 })).Message);
    }

    /// <summary>
    /// Walking once around the centre at several distances, the share of the way inside the shape and the number of times
    /// it is entered do not change with rotation; some distance tells every two classes apart.
    /// </summary>
    [Fact]
    public void The_outlines_differ_from_each_other_at_any_turn()
    {
        double[] radii = [0.2, 0.4, 0.6, 0.75, 0.9, 0.95, 1.0, 1.1];
        var walks = Enum.GetValues<ShapeKind>().Select(kind => radii.Select(radius => Walk(kind, radius)).ToArray()).ToArray();
        for (var a = 0; a < walks.Length; a++)
        {
            for (var b = 0; b < a; b++)
                Assert.True(walks[a].Zip(walks[b]).Any(pair => pair.First.Entered != pair.Second.Entered || Math.Abs(pair.First.Share - pair.Second.Share) > 0.2), $"{(ShapeKind)a} and {(ShapeKind)b} look alike");
        }
        Assert.Equal([5, 4, 3], new[] { ShapeKind.Star, ShapeKind.Cross, ShapeKind.Triangle }.Select(kind => Walk(kind, 0.9).Entered));

        static (double Share, int Entered) Walk(ShapeKind kind, double radius)
        {
            const int Steps = 3600;
            var inside = Enumerable.Range(0, Steps).Select(a => ShapeGeometry.Contains(kind, radius * Math.Cos((a + 0.5) * 2 * Math.PI / Steps), radius * Math.Sin((a + 0.5) * 2 * Math.PI / Steps))).ToArray();
            return ((double)inside.Count(i => i) / Steps, Enumerable.Range(0, Steps).Count(a => inside[a] && !inside[(a + Steps - 1) % Steps]));
        }
    }

    [Fact]
    public void Pictures_vary_in_colour_and_are_antialiased_alike_at_any_size()
    {
        var means = Enumerable.Range(0, 200).Select(i => ShapesDataset.Draw(i, 16, 3).Pixels.Average(p => p)).ToArray();
        Assert.True(means.Max() - means.Min() > 100);
        // Drawn large and shrunk, a picture is nearly the one drawn small: grain apart, no jagged edges.
        for (var i = 0; i < 10; i++)
        {
            var small = ShapesDataset.Draw(i, 16, 3).Pixels;
            var shrunk = Resampler.Resize(ShapesDataset.Draw(i, 128, 3), 16, 16, ResampleFilter.Box).Pixels;
            Assert.InRange(small.Zip(shrunk, (x, y) => Math.Abs(x - y)).Average(), 0, 14);
        }
    }
}
