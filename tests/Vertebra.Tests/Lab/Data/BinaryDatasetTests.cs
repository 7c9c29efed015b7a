using System.IO.Compression;
using Vertebra.Lab.Data;

namespace Vertebra.Tests.Lab.Data;

public class BinaryDatasetTests
{
    [SharedTheory]
    [InlineData(DatasetSplit.Train)]
    [InlineData(DatasetSplit.Validation)]
    public void Cifar10_is_read_as_its_records_say(DatasetSplit split)
    {
        var directory = SharedData.PathOf("data/cifar10");
        var dataset = DatasetFactory.Open("cifar10", directory, split);
        Assert.Equal(10000, dataset.Count);
        Assert.Equal(File.ReadLines(Path.Combine(directory, "batches.meta.txt")).Where(l => l.Length > 0), dataset.ClassNames);
        var counts = Enumerable.Range(0, 10000).CountBy(dataset.Label).ToDictionary();
        if (split == DatasetSplit.Validation)
            Assert.All(Enumerable.Range(0, 10), label => Assert.Equal(1000, counts[label]));

        var raw = File.ReadAllBytes(Path.Combine(directory, split == DatasetSplit.Train ? "data_batch_1.bin" : "test_batch.bin"));
        foreach (var i in new[] { 0, 1, 4999, 9999 })
        {
            var record = raw.AsSpan(i * 3073, 3073);
            Assert.Equal(record[0], dataset.Label(i));
            var pixels = dataset.Load(i).Pixels;
            for (var p = 0; p < 3072; p++)
                Assert.Equal(record[1 + (p % 3 * 1024) + (p / 3)], pixels[p]);
        }
    }

    /// <summary>The first labels of the official files, as published with them.</summary>
    [SharedTheory]
    [InlineData("cifar10", "data/cifar10", DatasetSplit.Train, 10000, "6 9 9 4 1 1 2 7 8 3")]
    [InlineData("cifar10", "data/cifar10", DatasetSplit.Validation, 10000, "3 8 8 0 6 6 1 6 3 1")]
    [InlineData("mnist", "data/mnist", DatasetSplit.Train, 10000, "5 0 4 1 9 2 1 3 1 4")]
    [InlineData("mnist", "data/mnist", DatasetSplit.Validation, 10000, "7 2 1 0 4 1 4 9 5 9")]
    [InlineData("fashion-mnist", "data/fashion-mnist", DatasetSplit.Train, 60000, "9 0 0 3 0 2 7 2 5 5")]
    [InlineData("fashion-mnist", "data/fashion-mnist", DatasetSplit.Validation, 10000, "9 2 1 1 6 1 4 6 5 7")]
    public void Published_sets_have_their_counts_and_first_labels(string name, string directory, DatasetSplit split, int count, string first)
    {
        var dataset = DatasetFactory.Open(name, SharedData.PathOf(directory), split);
        Assert.Equal(count, dataset.Count);
        Assert.Equal(10, dataset.ClassNames.Count);
        Assert.Equal(first, string.Join(' ', Enumerable.Range(0, 10).Select(dataset.Label)));
    }

    /// <summary>Mean and deviation of the pixels are facts published with each set; they catch a shifted header or a wrong layout.</summary>
    [SharedTheory]
    [InlineData("mnist", "data/mnist", 0.01)]
    [InlineData("fashion-mnist", "data/fashion-mnist", 0.001)]
    public void The_stated_mean_and_deviation_are_those_of_the_pixels(string name, string directory, double tolerance)
    {
        var dataset = DatasetFactory.Open(name, SharedData.PathOf(directory), DatasetSplit.Train);
        double sum = 0, squares = 0, count = 0;
        for (var i = 0; i < dataset.Count; i++)
        {
            foreach (var value in dataset.Load(i).Pixels)
            {
                sum += value / 255.0;
                squares += value / 255.0 * (value / 255.0);
                count++;
            }
        }
        Assert.Equal(dataset.Preprocessing.Mean[0], sum / count, tolerance);
        Assert.Equal(dataset.Preprocessing.Std[0], Math.Sqrt((squares / count) - (sum / count * (sum / count))), tolerance);
    }

    [Fact]
    public void Cifar100_takes_the_fine_label()
    {
        using var folder = new TemporaryFolder();
        var records = new byte[2 * 3074];
        (records[0], records[1], records[3074], records[3075]) = (11, 19, 4, 99);
        records[2] = 200; // red of the first pixel
        folder.Write("cifar-100-binary/train.bin", records);
        var dataset = DatasetFactory.Open("cifar100", folder.Path, DatasetSplit.Train);
        Assert.Equal([19, 99], [dataset.Label(0), dataset.Label(1)]);
        Assert.Equal(["cattle", "worm"], [dataset.ClassNames[19], dataset.ClassNames[99]]);
        Assert.Equal(100, dataset.ClassNames.Distinct().Count());
        Assert.Equal(200, dataset.Load(0).Pixels[0]);
    }

    [Fact]
    public void Cifar_batches_are_joined_in_order()
    {
        using var folder = new TemporaryFolder();
        foreach (var (name, label) in new[] { ("data_batch_2.bin", 7), ("data_batch_1.bin", 3) })
        {
            var records = new byte[2 * 3073];
            records[0] = records[3073] = (byte)label;
            folder.Write(name, records);
        }
        var dataset = DatasetFactory.Open("cifar10", folder.Path, DatasetSplit.Train);
        Assert.Equal([3, 3, 7, 7], Enumerable.Range(0, 4).Select(dataset.Label));
        Assert.Equal("data_batch_2.bin record 1", dataset.NameOf(3));
    }

    [Fact]
    public void Bad_cifar_files_are_named()
    {
        using var folder = new TemporaryFolder();
        AssertRefused("cifar10", folder["absent"], "absent: no such folder");
        AssertRefused("cifar10", folder.Path, "no data_batch_*.bin here");
        var file = folder.Write("data_batch_1.bin", new byte[3073 + 100]);
        AssertRefused("cifar10", folder.Path, $"{file}: 3173 bytes are not whole records of 3073");
        folder.Write("data_batch_1.bin", []);
        AssertRefused("cifar10", folder.Path, $"{file}: 0 bytes");
        var wrong = new byte[3073 * 2];
        wrong[3073] = 10;
        folder.Write("data_batch_1.bin", wrong);
        AssertRefused("cifar10", folder.Path, $"{file}: record 1 has label 10");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Idx_files_are_read_plain_and_compressed(bool compressed)
    {
        using var folder = new TemporaryFolder();
        WriteMnist(folder, compressed, Idx([2, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), Idx([2], [9, 4]));
        var dataset = DatasetFactory.Open("mnist", folder.Path, DatasetSplit.Train);
        Assert.Equal([9, 4], [dataset.Label(0), dataset.Label(1)]);
        var image = dataset.Load(1);
        Assert.Equal((3, 2), (image.Width, image.Height));
        Assert.Equal([7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 11, 12, 12, 12], image.Pixels);
        Assert.Equal((1, 2, 3), (dataset.Preprocessing.Channels, dataset.Preprocessing.Height, dataset.Preprocessing.Width));
        var input = new InputTransform(Preprocessing.Whole(2, [0.0], [1.0]) with { Width = 3 }).Apply(image);
        Assert.Equal([7 / 255f, 8 / 255f, 9 / 255f, 10 / 255f, 11 / 255f, 12 / 255f], input.ToArray<float>(), (a, b) => Math.Abs(a - b) < 1e-7);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Bad_idx_files_are_named(bool compressed)
    {
        using var folder = new TemporaryFolder();
        var labels = Idx([2], [9, 4]);
        AssertRefused("mnist", folder.Path, "no pair of IDX files");
        var name = compressed ? "train-images.gz" : "train-images";
        WriteMnist(folder, compressed, Idx([2, 2, 3], [1, 2, 3, 4, 5]), labels);
        AssertRefused("mnist", folder.Path, $"{folder[name]}: {(compressed ? "the file is cut short" : "cut short")}");
        // 2^31 bytes stated, none there: must be refused before memory is taken.
        WriteMnist(folder, compressed, Idx([2048, 1024, 1024], []), labels);
        AssertRefused("mnist", folder.Path, $"{folder[name]}: its header states");
        WriteMnist(folder, compressed, Idx([1000, 1000, 1000], []), labels);
        AssertRefused("mnist", folder.Path, $"{folder[name]}: cut short: the header promises 1000000000 bytes");
        WriteMnist(folder, compressed, Idx([1, 2, 2], [1, 2, 3, 4]), labels);
        AssertRefused("mnist", folder.Path, "2 labels for the 1 images");
        WriteMnist(folder, compressed, Idx([2, 1, 1], [1, 2]), Idx([2], [3, 10]));
        AssertRefused("mnist", folder.Path, "label 1 is 10");
    }

    [Fact]
    public void Two_sets_of_one_split_in_a_folder_are_refused_and_a_plain_file_goes_before_its_gz()
    {
        using var folder = new TemporaryFolder();
        WriteMnist(folder, false, Idx([1, 1, 1], [77]), Idx([1], [3]));
        WriteMnist(folder, true, Idx([1, 1, 1], [88]), Idx([1], [3]));
        Assert.Equal(77, DatasetFactory.Open("mnist", folder.Path, DatasetSplit.Train).Load(0).Pixels[0]);
        folder.Write("train10k-images", Idx([1, 1, 1], [1]));
        AssertRefused("mnist", folder.Path, "train-images and train10k-images both hold images of this split; keep one");
    }

    [Fact]
    public void An_unknown_name_gets_the_nearest_ones()
    {
        Assert.Equal("unknown data set \"cifar\"; the nearest are cifar10, cifar100", Refusal("cifar"));
        Assert.Equal("unknown data set \"qqqqqq\"; there are cifar10, cifar100, fashion-mnist, folder, mnist, multi-label, shapes, vpk", Refusal("qqqqqq"));

        static string Refusal(string name) => Assert.Throws<VertebraException>(() => DatasetFactory.Open(name, ".", DatasetSplit.Train)).Message;
    }

    private static void AssertRefused(string name, string directory, string message)
    {
        var error = Assert.ThrowsAny<VertebraException>(() => DatasetFactory.Open(name, directory, DatasetSplit.Train));
        Assert.Contains(message, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    private static void WriteMnist(TemporaryFolder folder, bool compressed, byte[] images, byte[] labels)
    {
        folder.Write(compressed ? "train-images.gz" : "train-images", compressed ? Compress(images) : images);
        folder.Write(compressed ? "train-labels.gz" : "train-labels", compressed ? Compress(labels) : labels);
    }

    private static byte[] Idx(int[] sizes, byte[] data) =>
        [0, 0, 8, (byte)sizes.Length, .. sizes.SelectMany(s => new[] { (byte)(s >> 24), (byte)(s >> 16), (byte)(s >> 8), (byte)s }), .. data];

    private static byte[] Compress(byte[] data)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionMode.Compress))
            gzip.Write(data);
        return target.ToArray();
    }
}
