using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;

namespace Vertebra.Tests.Lab.Data;

public class FolderDatasetTests
{
    private static readonly byte[] Png = PngWriter.Encode(new RgbImage(4, 3));

    [Fact]
    public void Classes_are_sub_folders_in_ordinal_order_and_images_are_found_at_any_depth()
    {
        using var folder = new TemporaryFolder();
        foreach (var file in new[] { "b/2.png", "b/10.png", "B/deep/er/x.png", "a/1.png" })
            folder.Write("train/" + file, Png);
        folder.Write("val/b/1.png", Png);
        var train = Open(folder.Path, DatasetSplit.Train);
        Assert.Equal(["B", "a", "b"], train.ClassNames);
        Assert.Equal([Path.Combine("B", "deep", "er", "x.png"), Path.Combine("a", "1.png"), Path.Combine("b", "10.png"), Path.Combine("b", "2.png")], Names(train));
        Assert.Equal([0, 1, 2, 2], Enumerable.Range(0, 4).Select(train.Label));
        Assert.Equal((4, 3), (train.Load(3).Width, train.Load(3).Height));
        // The held-back images are labelled by the training classes, though only one is there.
        var validation = Open(folder.Path, DatasetSplit.Validation);
        Assert.Equal(["B", "a", "b"], validation.ClassNames);
        Assert.Equal(2, validation.Label(0));
        Assert.Equal($"folder train in {folder["train"]}: 4 images, 3 classes", train.Identity);
    }

    [Fact]
    public void Images_are_told_by_their_bytes_where_the_name_does_not_say_so()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a/picture", Png);
        folder.Write("a/picture.dat", Png);
        folder.Write("a/notes.txt", "notes"u8.ToArray());
        folder.Write("a/empty", []);
        folder.Write("a/.hidden.png", Png);
        folder.Write("a/.thumbs/x.png", Png);
        folder.Write("a/__MACOSX/x.png", Png);
        folder.Write(".git/x.png", Png);
        folder.Write("readme.md", "about"u8.ToArray());
        folder.Write("b/not really.jpg", "text"u8.ToArray());
        var dataset = Open(folder.Path, DatasetSplit.Evaluation);
        Assert.Equal([Path.Combine("a", "picture"), Path.Combine("a", "picture.dat"), Path.Combine("b", "not really.jpg")], Names(dataset));
        Assert.Contains("neither JPEG nor PNG", Assert.ThrowsAny<VertebraException>(() => dataset.Load(2)).Message);
    }

    [Theory]
    [InlineData("val")]
    [InlineData("validation")]
    [InlineData("test")]
    [InlineData("Val")]
    public void Held_back_folders_have_several_names(string name)
    {
        using var folder = new TemporaryFolder();
        foreach (var file in new[] { "train/a/1.png", "train/b/1.png", "train/b/2.png", $"{name}/a/1.png", $"{name}/b/1.png" })
            folder.Write(file, Png);
        Assert.Equal(3, Open(folder.Path, DatasetSplit.Train).Count);
        Assert.Equal(2, Open(folder.Path, DatasetSplit.Validation).Count);
        Assert.Equal(2, Open(folder.Path, DatasetSplit.Evaluation).Count);
        Assert.Contains("leave out the validation share", Refusal(folder.Path, DatasetSplit.Train, new() { ValidationShare = 0.1 }));
    }

    [Theory]
    [InlineData("")]
    [InlineData("train/")]
    public void A_drawn_split_takes_its_share_of_every_class_and_every_image_once(string prefix)
    {
        using var folder = new TemporaryFolder();
        foreach (var (name, count) in new[] { ("a", 40), ("b", 13), ("c", 2), ("d", 1) })
        {
            for (var i = 0; i < count; i++)
                folder.Write($"{prefix}{name}/{i}.png", Png);
        }
        var options = new DatasetOptions { ValidationShare = 0.2, Seed = 3 };
        var train = Open(folder.Path, DatasetSplit.Train, options);
        var validation = Open(folder.Path, DatasetSplit.Validation, options);
        Assert.Equal([8, 3, 1, 0], Counts(validation));
        Assert.Equal([32, 10, 1, 1], Counts(train));
        Assert.Equal(56, Names(train).Concat(Names(validation)).Distinct().Count());
        Assert.Equal(Names(validation), Names(Open(folder.Path, DatasetSplit.Validation, options)));
        Assert.NotEqual(Names(validation), Names(Open(folder.Path, DatasetSplit.Validation, options with { Seed = 4 })));
        // Not simply the first or last ones.
        var held = Names(validation).Where(n => n.StartsWith('a')).ToArray();
        var all = Names(train).Concat(Names(validation)).Where(n => n.StartsWith('a')).Order(StringComparer.Ordinal).ToArray();
        Assert.NotEqual(all[..8], held);
        Assert.NotEqual(all[^8..], held);

        static int[] Counts(FolderDataset dataset) =>
            [.. Enumerable.Range(0, 4).Select(label => Enumerable.Range(0, dataset.Count).Count(i => dataset.Label(i) == label))];
    }

    [Fact]
    public void The_classes_of_a_trained_network_number_the_labels()
    {
        using var folder = new TemporaryFolder();
        folder.Write("cat/1.png", Png);
        folder.Write("dog/1.png", Png);
        var dataset = Open(folder.Path, DatasetSplit.Evaluation, new() { ClassNames = ["bird", "dog", "horse", "cat"] });
        Assert.Equal([1, 3], Enumerable.Range(0, 2).Select(dataset.Label).Order());
        Assert.Contains("cat/ is none of the 2 classes (bird, dog)", Refusal(folder.Path, DatasetSplit.Evaluation, new() { ClassNames = ["bird", "dog"] }));
    }

    [Fact]
    public void What_is_missing_is_named()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("absent: no such folder", Refusal(folder["absent"], DatasetSplit.Train));
        Assert.Contains("file: is a file", Refusal(folder.Write("file", []), DatasetSplit.Train));
        Assert.Contains("no class folders", Refusal(folder.Path, DatasetSplit.Train));
        folder.Write("a/1.png", Png);
        Assert.Contains("only one class folder, a/", Refusal(folder.Path, DatasetSplit.Train));
        Directory.CreateDirectory(folder["b"]);
        Assert.Contains($"{folder["b"]}: no images of this class", Refusal(folder.Path, DatasetSplit.Train));
        folder.Write("b/1.png", Png);
        Assert.Contains("no val/, validation/ or test/", Refusal(folder.Path, DatasetSplit.Validation));
        Assert.Contains("outside 0 to 1", Refusal(folder.Path, DatasetSplit.Validation, new() { ValidationShare = 1 }));
        Assert.Contains("leaves no image to validate with", Refusal(folder.Path, DatasetSplit.Validation, new() { ValidationShare = 0.5 }));
        folder.Write("val/a/1.png", Png);
        Assert.Contains("there is val/ but no train/", Refusal(folder.Path, DatasetSplit.Train));
        folder.Write("train/a/1.png", Png);
        folder.Write("train/b/1.png", Png);
        folder.Write("val/c/1.png", Png);
        Assert.Contains("c/ is none of the 2 classes (a, b)", Refusal(folder.Path, DatasetSplit.Validation));
    }

    [Fact]
    public void Links_that_lead_in_a_circle_do_no_harm()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a/1.png", Png);
        folder.Write("b/1.png", Png);
        Directory.CreateSymbolicLink(folder["a/again"], folder.Path);
        File.CreateSymbolicLink(folder["a/gone"], folder["nowhere"]);
        Assert.Equal(2, Open(folder.Path, DatasetSplit.Evaluation).Count);
    }

    /// <summary>A folder as it comes from a camera, a scanner and the web: whatever can be decoded is trained on, the rest is named.</summary>
    [Fact]
    public void Broken_tiny_huge_grey_and_mislabelled_files_are_gone_through_to_the_end()
    {
        using var folder = new TemporaryFolder();
        var good = new RgbImage(60, 40);
        new Random(1).NextBytes(good.Pixels);
        var encoded = PngWriter.Encode(good);
        var huge = (byte[])encoded.Clone();
        // Width and height of 2^30 in the header: no memory may be taken for them.
        (huge[16], huge[20]) = (0x40, 0x40);
        for (var i = 0; i < 6; i++)
            folder.Write($"a/good{i}.png", encoded);
        folder.Write("a/png named.jpg", encoded);
        folder.Write("a/huge header.png", huge);
        folder.Write("b/one pixel.png", PngWriter.Encode(new RgbImage(1, 1)));
        folder.Write("b/strip.png", PngWriter.Encode(new RgbImage(3000, 1)));
        folder.Write("b/grey.png", PngWriter.EncodeGray(new byte[50 * 30], 50, 30));
        folder.Write("b/large.png", PngWriter.Encode(new RgbImage(2000, 1500)));
        var cmyk = Path.Combine(SharedData.RepositoryRoot, "tests", "Vertebra.Tests", "Lab", "Images", "Fixtures");
        foreach (var file in Directory.GetFiles(cmyk, "*cmyk*.jpg"))
            folder.Write("b/" + Path.GetFileName(file), File.ReadAllBytes(file));
        folder.Write("b/cut.png", encoded[..(encoded.Length / 2)]);
        folder.Write("b/empty.jpg", []);
        folder.Write("b/text.jpeg", "not an image"u8.ToArray());
        folder.Write("b/webp.webp", [.. "RIFF"u8, 0, 0, 0, 0, .. "WEBPVP8 "u8]);
        string[] broken = ["huge header.png", "cut.png", "empty.jpg", "text.jpeg", "webp.webp"];

        var dataset = Open(folder.Path, DatasetSplit.Evaluation);
        var readable = dataset.Count - broken.Length;
        Assert.True(readable >= 12);
        var preprocessing = Preprocessing.ImageNet.WithSize(32);
        foreach (var augmentation in new[] { Augmentation.Photos, Augmentation.SmallImages })
        {
            var warnings = new List<string>();
            var loader = new BatchLoader(dataset, new(preprocessing, augmentation), LoaderOptions.ForTraining(4, 1) with { Warn = warnings.Add, Workers = 2 });
            for (var epoch = 0; epoch < 3; epoch++)
                Assert.All(loader.Epoch(epoch), batch => Assert.All(batch.Images.ToArray<float>(), value => Assert.InRange(value, -2.2f, 2.7f)));
            Assert.Equal(broken.Length, warnings.Count);
            Assert.Equal(broken.Length, loader.BrokenCount);
            Assert.All(broken, name => Assert.Single(warnings, warning => warning.Contains(name) && !warning.Contains('\n')));
        }
        var evaluation = new BatchLoader(dataset, new(preprocessing), LoaderOptions.ForEvaluation(4));
        Assert.Equal(readable, evaluation.Epoch(0).Sum(batch => batch.Count));
        Assert.Equal(broken.Length, evaluation.BrokenCount);
    }

    private static FolderDataset Open(string directory, DatasetSplit split, DatasetOptions? options = null) =>
        (FolderDataset)DatasetFactory.Open("folder", directory, split, options);

    private static string[] Names(FolderDataset dataset) => [.. Enumerable.Range(0, dataset.Count).Select(dataset.NameOf)];

    private static string Refusal(string directory, DatasetSplit split, DatasetOptions? options = null)
    {
        var message = Assert.ThrowsAny<VertebraException>(() => Open(directory, split, options)).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
