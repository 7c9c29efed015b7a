using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Distillation;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Tests.Lab.Training.Distillation;

/// <summary>Whole runs: teachers, unlabelled images and learned companions go on to the same bits.</summary>
public class DistillationRunTests
{
    /// <summary>A term with weights of its own: how far a learned linear map of the student's logits is from the teacher's.</summary>
    private sealed class MappedTerm : IDistillationTerm
    {
        private readonly Vertebra.Nn.Linear _map = new(3, 3);

        public MappedTerm() => _map.Initialise(5);

        public Module Companion => _map;

        public Tensor Compute(DistillationPass pass) => (_map.Forward(pass.Logits) - pass.TeacherLogits[0]).Square().Mean();
    }

    [Fact]
    public void A_run_in_pieces_ends_with_the_bits_of_one_in_one()
    {
        using var place = new TemporaryFolder();
        RunFolder Train(string name, params string[] moments)
        {
            var folder = RunFolder.Create(place.Path, name);
            foreach (var moment in moments.Append(""))
            {
                using var source = new CancellationTokenSource();
                new Trainer(Setup(folder, new TrainerTests.At(moment, source.Cancel))).Run(source.Token);
            }
            return folder;
        }
        var whole = Train("whole");
        Assert.Contains(Safetensors.Read(whole.State).Tensors.Keys, k => k.StartsWith("companion/mapped.weight", StringComparison.Ordinal));
        Assert.Equal(SmallRun.Fingerprint(whole), SmallRun.Fingerprint(Train("pieces", "train 0 2", "test 1", "train 1 0")));
    }

    /// <summary>The pool's order is drawn over both parts, does not depend on threads, and can be taken up anywhere.</summary>
    [Fact]
    public void The_pool_mixes_labelled_and_unlabelled_images_in_an_order_of_its_own()
    {
        var pool = new PooledDataset(new ColourDataset(12), new ColourDataset(20, stream: 4));
        Assert.Equal(32, pool.Count);
        Assert.All(Enumerable.Range(12, 20), i => Assert.Equal(PooledDataset.NoLabel, pool.Label(i)));
        Assert.Equal(new ColourDataset(20, stream: 4).Load(3).Pixels, pool.Load(15).Pixels);
        BatchLoader Loader(int workers) => new(pool, new(pool.Preprocessing), LoaderOptions.ForTraining(8, 3) with { Workers = workers });
        var epoch = Loader(0).Epoch(1).ToList();
        Assert.Equal(Enumerable.Range(0, 32), epoch.SelectMany(b => b.Indices).Order());
        Assert.All(epoch, b => Assert.Contains(b.Labels.ToArray<long>(), l => l >= 0));
        Assert.All(epoch, b => Assert.Equal(b.Indices.Select(i => (long)pool.Label(i)), b.Labels.ToArray<long>()));
        Assert.NotEqual(epoch.SelectMany(b => b.Indices), Loader(0).Epoch(2).SelectMany(b => b.Indices));
        Assert.Equal(epoch.Skip(2).SelectMany(b => b.Indices), Loader(2).Epoch(1, firstBatch: 2).SelectMany(b => b.Indices));
        Assert.Equal([4L, 4L, 4L], Loader(0).LabelCounts(3));
    }

    [Fact]
    public void Images_without_labels_come_from_any_folder()
    {
        using var place = new TemporaryFolder();
        Directory.CreateDirectory(place["a/b/c"]);
        Assert.Contains("there is no image", Assert.Throws<VertebraException>(() => UnlabelledImages.Open(place.Path, "folder")).Message);
        var image = new ColourDataset(1).Load(0);
        foreach (var name in (string[])["z.png", "a/y.png", "a/b/c/x.png"])
            File.WriteAllBytes(place[name], Vertebra.Lab.Data.Images.Png.PngWriter.Encode(image));
        File.WriteAllText(place["a/notes.txt"], "no image");
        var images = UnlabelledImages.Open(place.Path, "folder");
        Assert.Equal(["a/b/c/x.png", "a/y.png", "z.png"], Enumerable.Range(0, images.Count).Select(images.NameOf));
        Assert.Equal(image.Pixels, images.Load(1).Pixels);
        Assert.Equal(PooledDataset.NoLabel, images.Label(0));
    }

    private static TrainerSetup Setup(RunFolder folder, ITrainingProgress progress)
    {
        var options = SmallRun.Options;
        (options.Epochs, options.BatchSize, options.Opt, options.Lr, options.Teacher, options.Mixup) = (2, 8, "adamw", 1e-3, "t", 0.2);
        options = options.WithEffectiveValues();
        var data = new PooledDataset(new ColourDataset(16, size: 16), new ColourDataset(16, size: 16, stream: 3));
        var teacher = new Teacher(Network(2), data.Preprocessing, data.Preprocessing);
        var student = Network(1);
        var terms = new List<WeightedTerm>
        {
            new("kl", DistillationTerms.Find("kl").Make(new(options, student, [], 3)), 0.5), new("mapped", new MappedTerm(), 0.5),
        };
        return new()
        {
            Network = student, ClassCount = 3, Options = options, Folder = folder, Progress = progress,
            Objective = loss => new DistillationObjective(loss, 0.5, terms, new LiveTeachers([teacher])),
            Training = new(data, new(data.Preprocessing, Augmentation.SmallImages), LoaderOptions.ForTraining(8, 3)),
            Validation = new(new ColourDataset(16, size: 16, stream: 1), new(data.Preprocessing), LoaderOptions.ForEvaluation(16)),
        };
    }

    private static Backbone Network(ulong seed)
    {
        var network = Models.Create("resnet20_cifar", new() { NumClasses = 3, DropRate = 0.1f });
        network.Initialise(seed);
        return network;
    }
}
