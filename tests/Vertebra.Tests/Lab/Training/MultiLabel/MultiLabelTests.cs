using System.Text.Json;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;
using Vertebra.Lab.Data.MultiLabel;
using Vertebra.Lab.Data.Packing;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Losses;
using Vertebra.Lab.Training.Mixing;
using Vertebra.Tests.Cli;
using Vertebra.Tests.Lab.Training.Distributed;

namespace Vertebra.Tests.Lab.Training.MultiLabel;

/// <summary>Images that show several classes at once, or none.</summary>
public sealed class MultiLabelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Scores_are_those_of_scikit_learns_definitions()
    {
        using var golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests", "Vertebra.Tests", "Golden", "multilabel", "scores.json")));
        var root = golden.RootElement;
        float[] Floats(string name) => [.. root.GetProperty(name).EnumerateArray().Select(v => v.GetSingle())];
        double?[] Doubles(string name) => [.. root.GetProperty(name).EnumerateArray().Select(v => v.ValueKind == JsonValueKind.Null ? (double?)null : Math.Round(v.GetDouble(), 9))];
        var (classes, logits, targets) = (root.GetProperty("classes").GetInt32(), Floats("logits"), Floats("targets"));

        var scores = MultiLabelScores.Of(logits, targets, classes);
        Assert.Equal(Doubles("average_precision"), scores.AveragePrecision.Select(Rounded));
        Assert.Equal(Doubles("f1"), scores.F1.Select(Rounded));
        Assert.Null(scores.AveragePrecision[4]);
        Assert.Equal(root.GetProperty("map").GetDouble(), scores.MeanAveragePrecision, 1e-9);
        Assert.Equal(root.GetProperty("macro_f1").GetDouble(), scores.MacroF1, 1e-9);
        Assert.Equal(root.GetProperty("micro_f1").GetDouble(), scores.MicroF1, 1e-9);

        // The same in uneven batches.
        var evaluation = new Evaluation(classes);
        foreach (var (first, count) in ((int, int)[])[(0, 25), (25, 34), (59, 1)])
        {
            Tensor Rows(float[] all) => Tensor.From(all[(first * classes)..((first + count) * classes)], [count, classes]);
            evaluation.Add(Rows(logits), Tensor.Zeros([count], DType.Int64), [.. Enumerable.Range(first, count)], Rows(targets));
        }
        var result = evaluation.Finish();
        Assert.Equal(scores.MeanAveragePrecision, result.MultiLabel!.MeanAveragePrecision);
        Assert.Equal(root.GetProperty("loss").GetDouble(), result.Loss, 1e-9);
        Assert.Empty(result.Confusion);

        static double? Rounded(double? value) => value is { } v ? Math.Round(v, 9) : null;
    }

    [Fact]
    public void The_first_classes_of_an_image_are_right_when_one_of_its_own_is_among_them()
    {
        var evaluation = new Evaluation(7);
        evaluation.Add(
            Tensor.From([5f, 4, 3, 2, 1, 0, -1, 5, 4, 3, 2, 1, 0, -1, 5, 4, 3, 2, 1, 0, -1, 5, 4, 3, 2, 1, 0, -1], [4, 7]), Tensor.Zeros([4], DType.Int64), [0, 1, 2, 3],
            Tensor.From([1f, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], [4, 7]));
        var result = evaluation.Finish();
        Assert.Equal(4, result.Count);
        Assert.Equal(100 / 3.0, result.Top1, 1e-9);
        Assert.Equal(200 / 3.0, result.Top5, 1e-9);
        Assert.Equal([1, 2], result.Mistakes.Select(m => m.Index).Order());
    }

    [Fact]
    public void A_folder_with_its_table_is_read()
    {
        Write("""
            file,labels,split
            a.png,tree;house,train
            "sub/b,c.png",tree,train

            d.png,,val
            e.png,"car; house",val
            """);
        var training = DatasetFactory.Open("multi-label", _folder.Path, DatasetSplit.Train);
        var held = DatasetFactory.Open("multi-label", _folder.Path, DatasetSplit.Validation);
        Assert.True(training.IsMultiLabel);
        Assert.Equal(["car", "house", "tree"], training.ClassNames);
        Assert.Equal([[1, 2], [2]], Enumerable.Range(0, training.Count).Select(training.LabelsOf));
        Assert.Equal("sub/b,c.png", training.NameOf(1));
        Assert.Equal([[], [0, 1]], Enumerable.Range(0, held.Count).Select(held.LabelsOf));
        Assert.Equal((-1, 0), (held.Label(0), held.Label(1)));
        Assert.Equal("multi-label val in " + _folder.Path + ": 2 images, 3 classes, 1.0 an image", held.Identity);
        var known = DatasetFactory.Open("multi-label", _folder.Path, DatasetSplit.Train, new() { ClassNames = ["tree", "sky", "house", "car"] });
        Assert.Equal([0, 2], known.LabelsOf(0));

        Write("file,labels\n" + string.Join('\n', Enumerable.Range(0, 20).Select(i => $"{i}.png,c{i % 3}")));
        var share = new DatasetOptions { ValidationShare = 0.25 };
        var (part, rest) = (DatasetFactory.Open("multi-label", _folder.Path, DatasetSplit.Train, share), DatasetFactory.Open("multi-label", _folder.Path, DatasetSplit.Validation, share));
        Assert.Equal((15, 5), (part.Count, rest.Count));
        Assert.Equal(20, Names(part).Concat(Names(rest)).Distinct().Count());
        Assert.Equal(20, DatasetFactory.Open("multi-label", _folder.Path, DatasetSplit.Evaluation).Count);

        static IEnumerable<string> Names(IImageDataset data) => Enumerable.Range(0, data.Count).Select(data.NameOf);
    }

    [Theory]
    [InlineData("image,classes\na.png,x", "first line must be file,labels")]
    [InlineData("file,labels\na.png", "line 2: 1 fields")]
    [InlineData("file,labels\n\n../a.png,x", "line 3: '../a.png' is no path below")]
    [InlineData("file,labels\n/etc/passwd,x", "is no path below")]
    [InlineData("file,labels\nb/../../a.png,x", "is no path below")]
    [InlineData("file,labels\n\"a.png,x", "double quote")]
    [InlineData("file,labels,split\na.png,x,dev", "'dev' is no split")]
    [InlineData("file,labels", "no image in it")]
    [InlineData("file,labels\na.png,", "has a class")]
    [InlineData("file,labels,split\na.png,x,val", "no image of the split train")]
    public void A_wrong_table_says_what_and_where(string text, string expected)
    {
        Write(text);
        Assert.Contains(expected, Assert.ThrowsAny<VertebraException>(() => DatasetFactory.Open("multi-label", _folder.Path, DatasetSplit.Train)).Message);
    }

    [Fact]
    public void Batches_have_a_target_for_every_class_and_mixing_mixes_them()
    {
        var data = new Colours(24);
        var loader = new BatchLoader(data, new(data.Preprocessing, Augmentation.SmallImages with { Views = 2 }), LoaderOptions.ForTraining(6, 1));
        var batch = loader.Epoch(0).First();
        Assert.True(batch.IsMultiLabel);
        var targets = batch.Targets!.ToArray<float>();
        Assert.Equal<Shape>([12, 3], batch.Targets.Shape);
        for (var i = 0; i < 12; i++)
            Assert.Equal(data.LabelsOf(batch.Indices[i % 6]), Enumerable.Range(0, 3).Where(c => targets[(i * 3) + c] == 1));
        Assert.Equal([12, 12, 12], loader.LabelCounts(3));

        var plain = new BatchLoader(data, new(data.Preprocessing), LoaderOptions.ForTraining(6, 1)).Epoch(0).First();
        var options = new TrainingOptions { Mixup = 1 };
        var mixed = new BatchMixer(MixingOptions.Of(options)!, 3, 5).Mix(plain, 0);
        var (before, after) = (plain.Targets!.ToArray<float>(), mixed.Targets!.ToArray<float>());
        // One λ for the batch: find it by an image whose classes differ from its partner's.
        var place = Enumerable.Range(0, 9).First(k => before[k] == 1 && before[((5 - (k / 3)) * 3) + (k % 3)] == 0);
        var lambda = after[place];
        for (var k = 0; k < 18; k++)
            Assert.Equal((lambda * before[k]) + ((1 - lambda) * before[((5 - (k / 3)) * 3) + (k % 3)]), after[k], 1e-6f);
    }

    [Fact]
    public void Balanced_sampling_gives_every_class_its_turns_and_images_of_none_theirs()
    {
        IReadOnlyList<int>[] labels = [.. Enumerable.Range(0, 90).Select(i => (IReadOnlyList<int>)(i < 60 ? [0] : i < 70 ? [0, 1] : i < 80 ? [1] : []))];
        var order = ClassOrder.Draw(labels, ClassSampling.Balanced, 3, 0);
        Assert.Equal(90, order.Length);
        // 30 turns for each of: class 0, class 1, none.
        Assert.Equal(30, order.Count(i => i >= 80));
        Assert.True(order.Count(i => labels[i].Contains(1)) >= 30);
        Assert.True(order.Count(i => labels[i].Contains(0)) >= 30);
    }

    [Theory]
    [InlineData("ce", "bce")]
    [InlineData("asl-multi-label", "asl-multi-label")]
    public void The_loss_is_one_of_yes_or_no_questions(string given, string effective)
    {
        var options = new TrainingOptions { MultiLabel = true, Dataset = "folder", Loss = given };
        Assert.Equal(effective, TrainingLosses.NameOf(options));
        var values = options.WithEffectiveValues();
        Assert.Equal(("multi-label", "map"), (values.Dataset, values.EvalMetric));
        Refuses("--loss is focal", o => o.Loss = "focal");
        Refuses("--dataset is cifar10", o => o.Dataset = "cifar10");
        Refuses("--multi-label is False", o => (o.MultiLabel, o.Dataset) = (false, "multi-label"));

        static void Refuses(string expected, Action<TrainingOptions> change)
        {
            var options = new TrainingOptions { MultiLabel = true, Dataset = "folder" };
            change(options);
            Assert.Contains(expected, Assert.Throws<VertebraException>(options.Validate).Message);
        }
    }

    [Fact]
    public void A_network_learns_which_colours_an_image_has_and_a_run_goes_on_to_the_same_bits()
    {
        var options = new TrainingOptions
        {
            Model = "tiny", MultiLabel = true, Dataset = "folder", Epochs = 8, Lr = 0.1, WarmupEpochs = 0, Smoothing = 0, ModelEma = true, ModelEmaDecay = 0.5, ClassWeights = ["balanced"], Seed = 2,
        };
        var whole = RunFolder.Create(_folder.Path, "whole");
        var result = new Trainer(Setup(whole, options)).Run();
        Assert.True(result.BestEvaluation!.MultiLabel!.MeanAveragePrecision > 90, $"{result.BestEvaluation.MultiLabel.MeanAveragePrecision}");
        Assert.Equal(result.Best!.Value.Metric, result.BestEvaluation.MultiLabel.MeanAveragePrecision);
        Assert.StartsWith("epoch,train_loss", File.ReadAllText(whole.Summary));
        Assert.EndsWith("eval_map,eval_f1,ema_map,ema_f1", File.ReadLines(whole.Summary).First());
        Assert.Equal(result.Rows, RunSummary.Read(File.ReadAllText(whole.Summary), "summary.csv"));

        var pieces = RunFolder.Create(_folder.Path, "pieces");
        using (var source = new CancellationTokenSource())
            Assert.False(new Trainer(Setup(pieces, options) with { Progress = new StopAfter(20, source) }).Run(source.Token).IsComplete);
        new Trainer(Setup(pieces, options)).Run();
        Assert.Equal(SmallRun.Fingerprint(whole), SmallRun.Fingerprint(pieces));
    }

    [Fact]
    public void Processes_find_the_scores_of_one()
    {
        var data = new Colours(31);
        var network = new TinyConvNet();
        network.Initialise(1);
        BatchLoader Loader(LoaderShare share) => new(data, new(data.Preprocessing), LoaderOptions.ForEvaluation(4) with { Share = share });
        var one = Evaluator.Run(network, Loader(LoaderShare.All), 3);
        foreach (var shared in ThreadGroup.Run(3, p =>
        {
            var own = new TinyConvNet();
            own.Initialise(1);
            return Evaluator.Run(own, Loader(new(p.Rank, 3)), 3, processes: p);
        }))
        {
            Assert.Equal(one.Loss, shared.Loss, 1e-6);
            Assert.Equal(one.MultiLabel!.MeanAveragePrecision, shared.MultiLabel!.MeanAveragePrecision, 1e-6);
            Assert.Equal((one.Count, one.Top1), (shared.Count, shared.Top1));
        }
    }

    [Fact]
    public void The_command_line_trains_validates_and_predicts()
    {
        var data = new Colours(48);
        Directory.CreateDirectory(_folder["photos"]);
        for (var i = 0; i < data.Count; i++)
            File.WriteAllBytes(_folder[$"photos/{i}.png"], PngWriter.Encode(data.Load(i)));
        File.WriteAllText(_folder["photos/labels.csv"], "file,labels\n" + string.Concat(Enumerable.Range(0, data.Count).Select(i => $"{i}.png,{string.Join(';', data.LabelsOf(i).Select(l => data.ClassNames[l]))}\n")));
        var trained = CommandLine.Run(
            _folder.Path, "train", "--model", "resnet20_cifar", "--multi-label", "--data-dir", "photos", "--val-split", "0.25", "--img-size", "8", "--train-crop-mode", "none",
            "--epochs", "2", "--batch-size", "12", "--experiment", "run").Succeeded();
        Assert.Contains("*** Best map", trained);
        Assert.Contains(", mAP ", trained);
        Assert.Contains("\"multi_label\": true", File.ReadAllText(_folder["runs/run/config.json"]));
        Assert.Contains("Average precision by class", File.ReadAllText(_folder["runs/run/report.html"]));

        var judged = CommandLine.Run(_folder.Path, "validate", "runs/run", "--data-dir", "photos").Succeeded();
        Assert.Contains(" * mAP ", judged);
        Assert.Equal(3, judged.Split('\n').Count(l => l.StartsWith("   AP ", StringComparison.Ordinal)));
        string Predicted(string threshold) => CommandLine.Run(_folder.Path, "predict", "runs/run", "photos/3.png", "--threshold", threshold).Succeeded();
        Assert.Equal(3, Predicted("0").Split('\n').Count(l => l.Contains('%')));
        Assert.Contains("no class is probable enough", Predicted("1"));
        Assert.Contains("needs --data-dir", CommandLine.Run(_folder.Path, "train", "--multi-label").Refused());
    }

    [Fact]
    public void Packs_refuse_images_of_several_classes() =>
        Assert.Contains("keeps one class an image", Assert.Throws<VertebraException>(() => Packer.Pack(_folder["p.vpk"], new Colours(8), null, new())).Message);

    private void Write(string text) => File.WriteAllText(_folder["labels.csv"], text);

    private static TrainerSetup Setup(RunFolder folder, TrainingOptions options)
    {
        var (data, held) = (new Colours(96), new Colours(48, stream: 1));
        var network = new TinyConvNet(hasNoise: false);
        network.Initialise(5);
        return new()
        {
            Network = network, ClassCount = 3, Options = options, Folder = folder,
            Training = new(data, new(data.Preprocessing, Augmentation.SmallImages with { Padding = 1 }), LoaderOptions.ForTraining(16, 2)),
            Validation = new(held, new(data.Preprocessing), LoaderOptions.ForEvaluation(16)),
        };
    }

    /// <summary>Noisy pictures in which any of the three colours may be bright: image i has those of the bits of i.</summary>
    private sealed class Colours(int count, int stream = 0) : IImageDataset
    {
        public string Identity => "colours of many";

        public int Count => count;

        public IReadOnlyList<string> ClassNames { get; } = ["red", "green", "blue"];

        public Preprocessing Preprocessing => Preprocessing.Whole(8, [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]);

        public bool IsInMemory => true;

        public bool IsMultiLabel => true;

        public int Label(int index) => LabelsOf(index).Append(-1).First();

        public IReadOnlyList<int> LabelsOf(int index) => [.. Enumerable.Range(0, 3).Where(c => (index >> c & 1) == 1)];

        public string NameOf(int index) => $"colour {index}";

        public RgbImage Load(int index)
        {
            var random = new Philox(78, (ulong)((stream * 100_000) + index));
            var image = new RgbImage(8, 8);
            for (var i = 0; i < image.Pixels.Length; i++)
                image.Pixels[i] = (byte)(random.Below(140, (ulong)i) + ((index >> (i % 3) & 1) * 100));
            return image;
        }
    }
}
