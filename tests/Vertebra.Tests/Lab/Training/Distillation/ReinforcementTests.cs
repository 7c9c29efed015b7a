using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Distillation;
using Vertebra.Lab.Training.Losses;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Tests.Lab.Data;
using Vertebra.Zoo;

namespace Vertebra.Tests.Lab.Training.Distillation;

public sealed class ReinforcementTests : IDisposable
{
    private const int Views = 3;

    private static readonly IImageDataset Data = new ColourDataset(24, size: 16);

    private readonly TemporaryFolder _folder = new();

    private string Path_ => _folder["answers"];

    public void Dispose() => _folder.Dispose();

    /// <summary>The images of a run are bit for bit those that the teachers answered to, and so are the answers, to what a u16 holds; no teacher is there to be asked.</summary>
    [Theory]
    [InlineData(10)]
    [InlineData(2)]
    public void A_run_sees_the_images_and_answers_that_were_stored(int kept)
    {
        var teachers = Teachers();
        Store(teachers, kept);
        var file = ReinforcedFile.Open(Path_);
        file.Require(Data, 3);
        var stored = new StoredAnswers(file, runSeed: 77);
        var options = file.ImposeOn(new TrainingOptions { Seed = 77 });
        var transform = new InputTransform(file.Preprocessing, AugmentationOptions.Of(options, Data.Kind, file.Preprocessing));
        var loader = new BatchLoader(Data, transform, LoaderOptions.ForTraining(8, 77) with { Draw = stored.Draw });
        var seen = new HashSet<(int, int)>();
        for (var epoch = 0; epoch < 3; epoch++)
        {
            foreach (var batch in loader.Epoch(epoch))
            {
                var answers = TeacherAnswers.MeanProbabilities(stored.Answer(batch, false).Logits, 1).ToArray<float>();
                var expected = TeacherAnswers.MeanProbabilities(teachers.Answer(batch, false).Logits, 1).ToArray<float>();
                for (var i = 0; i < batch.Count; i++)
                {
                    var view = stored.ViewOf(epoch, batch.Indices[i]);
                    seen.Add((view, batch.Indices[i]));
                    Assert.Equal(ImageOf(view, batch.Indices[i]), batch.Images.AsSpan<float>().Slice(i * transform.InputLength, transform.InputLength).ToArray());
                }
                if (kept >= 3)
                    Assert.All(answers.Zip(expected), p => Assert.Equal(p.Second, p.First, 5e-5));
            }
        }
        Assert.True(seen.Count > 40, $"{seen.Count} of 72 views were shown in 3 epochs of 24 images");
        Assert.Empty(stored.Networks);
    }

    [Fact]
    public void Sparse_answers_keep_the_largest_and_spread_the_rest()
    {
        float[] p = [0.05f, 0.5f, 0.02f, 0.3f, 0.13f];
        var answer = new byte[SparseAnswer.BytesOf(2)];
        SparseAnswer.Write(p, answer);
        var read = new float[5];
        Assert.Null(SparseAnswer.TryRead(answer, read));
        Assert.Equal(1, read.Sum(), 1e-6);
        Assert.Equal(0.5, read[1], 2e-5);
        Assert.Equal(0.3, read[3], 2e-5);
        Assert.All([0, 2, 4], c => Assert.Equal(0.2 / 3, read[c], 2e-5));
        answer[1] ^= 1;
        Assert.Contains("damaged", SparseAnswer.TryRead(answer, read));
        Assert.Contains("missing", SparseAnswer.TryRead(new byte[12], read));
    }

    [Fact]
    public void Images_that_cannot_be_read_have_no_answer()
    {
        var data = new PatternDataset(9, 16, broken: [2, 3, 8]);
        var network = Network(1, 2);
        Reinforcer.Store(Path_, data, data.Preprocessing, Options, new([new(network, data.Preprocessing, data.Preprocessing)]), new() { Views = 2 });
        var file = ReinforcedFile.Open(Path_);
        var row = new float[2];
        for (var view = 0; view < 2; view++)
        {
            foreach (var index in (int[])[0, 1, 4, 5, 6, 7])
                file.Read(view, index, row);
            foreach (var index in (int[])[2, 3, 8])
                Assert.Contains("could not be read", Assert.Throws<FileFormatException>(() => file.Read(view, index, row)).Message);
        }
    }

    [Fact]
    public void A_file_is_refused_for_other_images()
    {
        Store(Teachers(), 3);
        var file = ReinforcedFile.Open(Path_);
        Assert.Contains("was made for other images", Assert.Throws<VertebraException>(() => file.Require(new ColourDataset(23, size: 16), 3)).Message);
        Assert.Contains("answers of 3 classes", Assert.Throws<VertebraException>(() => file.Require(Data, 4)).Message);
    }

    /// <summary>Every option of the group survives, whoever adds one; what the run says of others stays.</summary>
    [Fact]
    public void How_images_were_varied_is_imposed_on_a_run()
    {
        var options = Options;
        (options.Hflip, options.Reprob, options.TrainCropMode, options.CropPadding) = (0.25, 0.5, "pad", 2);
        Reinforcer.Store(Path_, Data, Data.Preprocessing, options, Teachers(), new() { Views = 1 });
        var run = new TrainingOptions { Hflip = 1, Aa = "rand-m9", Epochs = 17, Lr = 0.3, Model = "resnet18" };
        var imposed = ReinforcedFile.Open(Path_).ImposeOn(run);
        foreach (var option in TrainingOption.All)
            Assert.Equal(option.Get(option.Group == "Images" ? options : run), option.Get(imposed));
    }

    /// <summary>Any bytes changed, cut off or added: one line, or answers that a sound file could have.</summary>
    [Fact]
    public void Damaged_files_give_one_line()
    {
        Store(Teachers(), 2);
        var good = File.ReadAllBytes(Path_);
        var random = new Random(5);
        var refused = 0;
        for (var round = 0; round < 400; round++)
        {
            var bad = good.ToArray();
            for (var change = random.Next(1, 4); change > 0; change--)
                bad[round % 2 == 0 ? random.Next(64) : random.Next(bad.Length)] = (byte)random.Next(256);
            if (round % 5 == 0)
                bad = round % 10 == 0 ? bad[..random.Next(bad.Length)] : [.. bad, 1, 2, 3];
            refused += IsRefused(bad) ? 1 : 0;
        }
        Assert.True(refused > 390, $"{refused} of 400");
        Assert.False(IsRefused(good));
    }

    /// <summary>The same with checksums that fit: what is inside is checked too.</summary>
    [Fact]
    public void Forged_files_give_one_line()
    {
        Store(Teachers(), 2);
        var good = File.ReadAllBytes(Path_);
        var random = new Random(6);
        for (var round = 0; round < 400; round++)
        {
            var bad = good.ToArray();
            var place = round % 2 == 0 ? random.Next(8, 52) : random.Next(64, bad.Length);
            bad[place] = (byte)random.Next(256);
            Sign(bad);
            IsRefused(bad);
        }

        static void Sign(byte[] bytes)
        {
            var facts = 64 + (24 * Views * 12);
            BitConverter.TryWriteBytes(bytes.AsSpan(48), Crc32C.Compute(bytes.AsSpan(facts)));
            for (var offset = 64; offset < facts; offset += 12)
                BitConverter.TryWriteBytes(bytes.AsSpan(offset + 8), Crc32C.Compute(bytes.AsSpan(offset, 8)));
            BitConverter.TryWriteBytes(bytes.AsSpan(60), Crc32C.Compute(bytes.AsSpan(0, 60)));
        }
    }

    private bool IsRefused(byte[] bytes)
    {
        // A name of its own: a mapped file must not be written over.
        var path = _folder[$"bad-{Guid.NewGuid()}"];
        File.WriteAllBytes(path, bytes);
        try
        {
            var file = ReinforcedFile.Open(path);
            file.ImposeOn(new TrainingOptions());
            file.Require(Data, 3);
            var row = new float[3];
            for (var view = 0; view < file.Views; view++)
            {
                for (var index = 0; index < Data.Count; index++)
                {
                    file.Read(view, index, row);
                    Assert.Equal(1, row.Sum(), 1e-4);
                    Assert.All(row, p => Assert.InRange(p, 0, 1.0001f));
                }
            }
            return false;
        }
        catch (VertebraException e)
        {
            Assert.DoesNotContain('\n', e.Message);
            return true;
        }
        finally
        {
            File.Delete(path);
        }
    }

    // ---------------------------------------------------------------- making

    private static TrainingOptions Options => new() { BatchSize = 5, Seed = 11, Reprob = 0.5, Aa = "rand-m9-mstd0.5", Teacher = "two" };

    private static LiveTeachers Teachers() => new([.. new ulong[] { 1, 2 }.Select(s => new Teacher(Network(s, 3), Data.Preprocessing, Data.Preprocessing))]);

    private void Store(LiveTeachers teachers, int kept) => Reinforcer.Store(Path_, Data, Data.Preprocessing, Options, teachers, new() { Views = Views, Kept = kept });

    /// <summary>A view of an image, made as for the teachers.</summary>
    private static float[] ImageOf(int view, int index)
    {
        var transform = new InputTransform(Data.Preprocessing, AugmentationOptions.Of(Options, Data.Kind, Data.Preprocessing));
        var pixels = new float[transform.InputLength];
        transform.Finish(transform.Prepare(Data.Load(index)), new SampleRandom(11, view, index), pixels);
        return pixels;
    }

    private static Backbone Network(ulong seed, int classes)
    {
        var network = Models.Create("resnet20_cifar", new() { NumClasses = classes });
        network.Initialise(seed);
        return network;
    }
}
