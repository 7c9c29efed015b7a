using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;
using Vertebra.Tests.Lab.Data.Augment;
using Vertebra.Tests.Lab.Images;

namespace Vertebra.Tests.Lab.Data;

/// <summary>Inputs made straight from files, of which only what is shown is decoded, against those made of whole images.</summary>
public class FileLoadingTests
{
    private static readonly string[] Names =
        ["baseline_2x2.jpg", "baseline_2x1.jpg", "baseline_1x1.jpg", "baseline_1x2.jpg", "progressive_2x2.jpg", "gray.jpg", "cmyk_adobe.jpg", "restart_rows.jpg", "three_scans.jpg", "rgb_8.png", "size_1x1.jpg", "size_65x1.jpg"];

    [Theory]
    [InlineData(3, 24, 24, CropMode.Center, ResampleFilter.Bilinear)]
    [InlineData(3, 33, 21, CropMode.Center, ResampleFilter.Bicubic)]
    [InlineData(3, 96, 64, CropMode.Squash, ResampleFilter.Lanczos)]
    [InlineData(1, 32, 32, CropMode.Center, ResampleFilter.Nearest)]
    public void An_input_made_of_a_file_has_the_bits_of_one_made_of_the_image(int channels, int width, int height, CropMode mode, ResampleFilter filter)
    {
        var form = (new Preprocessing { CropMode = mode, Interpolation = filter } with { Width = width, Height = height }).WithChannels(channels);
        foreach (var augmentation in new[] { null, Augmentation.Photos, AugmentLoadingTests.Everything with { Views = 1 } })
        {
            var transform = new InputTransform(form, augmentation);
            Assert.True(transform.CanMake);
            float[] expected = new float[transform.InputLength], actual = new float[transform.InputLength];
            foreach (var name in Names)
            {
                var data = File.ReadAllBytes(ImageFixtures.PathOf(name));
                var image = ImageDecoder.Decode(data, name);
                for (var position = 0; position < (augmentation is null ? 1 : 20); position++)
                {
                    var random = new SampleRandom(4, 2, position);
                    transform.Finish(transform.Prepare(image), random, expected);
                    using var reader = ImageDecoder.Open(data, name, maxPixels: 1 << 20);
                    transform.Make(reader, checksRest: position % 2 == 0, random, new(actual, 0, 1, transform.InputLength), clock: null);
                    Assert.Equal(expected, actual);
                }
            }
        }
    }

    /// <summary>Damage behind every part that is shown is found in the first epoch, whatever is kept in memory.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_kept_changes_neither_batches_nor_what_counts_as_broken(bool isTraining)
    {
        using var folder = new TemporaryFolder();
        for (var i = 0; i < 24; i++)
            folder.Write($"{"ab"[i % 2]}/{i:00}.jpg", File.ReadAllBytes(ImageFixtures.PathOf(Names[i % 4])));
        var cut = File.ReadAllBytes(ImageFixtures.PathOf("baseline_2x2.jpg"));
        folder.Write("a/cut.jpg", cut[..^40]);
        folder.Write("b/whole.png", PngWriter.Encode(ImageFixtures.Synthetic(40, 30)));
        var dataset = FolderDataset.Open(folder.Path, DatasetSplit.Evaluation, new());
        var transform = new InputTransform(new Preprocessing().WithSize(16), isTraining ? new Augmentation { Scale = (0.05, 0.1) } : null);
        var options = isTraining ? LoaderOptions.ForTraining(5, seed: 3) : LoaderOptions.ForEvaluation(5);
        var (expected, expectedWarnings) = ReadEpochs(dataset, transform, options);
        Assert.Contains("cut.jpg: JPEG file cut short", Assert.Single(expectedWarnings), StringComparison.Ordinal);
        foreach (var cacheBytes in new long[] { 0, 1, 20_000 })
        {
            var (batches, warnings) = ReadEpochs(dataset, transform, options with { CacheBytes = cacheBytes, Workers = 2 });
            Assert.Equal(expected, batches);
            Assert.Equal(expectedWarnings, warnings);
        }
    }

    [Fact]
    public void Making_an_input_takes_hardly_any_managed_memory()
    {
        var photo = File.ReadAllBytes(ImageFixtures.PathOf("baseline_2x2.jpg"));
        var transform = new InputTransform(new Preprocessing().WithSize(160), Augmentation.Photos);
        var target = new float[transform.InputLength];
        for (var i = 0; i < 5; i++)
            Make(i);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 20; i++)
            Make(i);
        // The picture alone would be more than that.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20 * 10_000);

        void Make(int position)
        {
            using var reader = ImageDecoder.Open(photo, "photo", maxPixels: 1 << 20);
            transform.Make(reader, checksRest: false, new SampleRandom(1, 1, position), new(target, 0, 1, transform.InputLength), clock: null);
        }
    }

    [Fact]
    public void A_benchmark_counts_images_and_stages_and_refuses_broken_files()
    {
        using var folder = new TemporaryFolder();
        for (var i = 0; i < 9; i++)
            folder.Write($"{"ab"[i % 2]}/{i}.jpg", File.ReadAllBytes(ImageFixtures.PathOf("baseline_2x2.jpg")));
        var transform = new InputTransform(new Preprocessing().WithSize(16), Augmentation.Photos);
        var options = LoaderOptions.ForTraining(4, 1) with { CacheBytes = 0 };
        var speed = LoaderBenchmark.Run(FolderDataset.Open(folder.Path, DatasetSplit.Evaluation, new()), transform, options, epochs: 2);
        Assert.Equal((8, 2), (speed.Images, speed.Rates.Count));
        Assert.Equal(new FileInfo(ImageFixtures.PathOf("baseline_2x2.jpg")).Length, speed.BytesPerImage);
        Assert.All(Enum.GetValues<LoaderStage>(), stage => Assert.True(speed.MillisecondsByStage[stage] > 0));
        folder.Write("a/cut.jpg", [0xFF, 0xD8, 0xFF]);
        var error = Assert.Throws<VertebraException>(() => LoaderBenchmark.Run(FolderDataset.Open(folder.Path, DatasetSplit.Evaluation, new()), transform, options, epochs: 1));
        Assert.Contains("cut.jpg", error.Message, StringComparison.Ordinal);
    }

    private static (List<string> Batches, List<string> Warnings) ReadEpochs(FolderDataset dataset, InputTransform transform, LoaderOptions options)
    {
        var warnings = new List<string>();
        var loader = new BatchLoader(dataset, transform, options with { Warn = warnings.Add });
        var batches = Enumerable.Range(0, 3).SelectMany(epoch => loader.Epoch(epoch).ToArray())
            .Select(b => $"{string.Join(' ', b.Indices)} / {string.Join(' ', b.Images.ToArray<float>().Select(BitConverter.SingleToInt32Bits))}").ToList();
        return (batches, warnings);
    }
}
