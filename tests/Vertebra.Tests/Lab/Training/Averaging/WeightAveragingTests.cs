using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Losses;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Tests.Lab.Training.Averaging;

public class WeightAveragingTests
{
    [Fact]
    public void The_stochastic_average_is_the_mean_of_what_it_was_given()
    {
        var net = new TinyNet();
        net.Initialise(1);
        var average = new StochasticWeightAverage(net);
        var weight = net.NamedParameters().First().Tensor;
        var sum = new double[weight.ElementCount];
        for (var epoch = 0; epoch < 5; epoch++)
        {
            weight.CopyFrom<float>(weight.ToArray<float>().Select((w, i) => (w * 0.5f) + (epoch * i)).ToArray());
            average.Add();
            for (var i = 0; i < sum.Length; i++)
                sum[i] += weight.ToArray<float>()[i];
        }
        Assert.Equal(5, average.Count);
        Assert.All(average.State().First().Tensor.ToArray<float>().Zip(sum), p => Assert.Equal(p.Second / 5, p.First, 1e-4));
    }

    /// <summary>The statistics are the mean of the batches' ones, computed here from the images; a trace of what they were is left nowhere.</summary>
    [Fact]
    public void Running_statistics_are_those_of_the_images()
    {
        var data = new ColourDataset(40);
        var loader = new BatchLoader(data, new InputTransform(data.Preprocessing), LoaderOptions.ForTraining(8, 3));
        var net = new Normaliser();
        net.Norm.RunningMean.CopyFrom<float>([9, 9, 9]);
        BatchStatistics.Reestimate(net, loader, 2, seed: 1);
        var (means, variances) = (new double[3], new double[3]);
        foreach (var batch in loader.Epoch(2))
        {
            var pixels = batch.Images.ToArray<float>();
            for (var c = 0; c < 3; c++)
            {
                var channel = pixels.Where((_, i) => i % 3 == c).Select(p => (double)p).ToArray();
                means[c] += channel.Average() / 5;
                variances[c] += channel.Sum(p => (p - channel.Average()) * (p - channel.Average())) / (channel.Length - 1) / 5;
            }
        }
        for (var c = 0; c < 3; c++)
        {
            Assert.Equal(means[c], net.Norm.RunningMean[c], 1e-5);
            Assert.Equal(variances[c], net.Norm.RunningVar[c], 1e-5);
        }
        Assert.False(net.IsTraining);
    }

    [Fact]
    public void A_run_with_swa_ends_with_a_judged_mean_and_resumes_to_the_same_bits()
    {
        using var place = new TemporaryFolder();
        RunFolder Train(string name, params int[] stops)
        {
            var folder = RunFolder.Create(place.Path, name);
            foreach (var stop in stops.Append(0))
            {
                using var source = new CancellationTokenSource();
                var options = SmallRun.Options;
                (options.Epochs, options.BatchSize, options.Swa, options.SwaStart, options.SwaLr, options.ModelEma) = (4, 8, true, 1, 0.02, false);
                var network = Models.Create("resnet20_cifar", new() { NumClasses = 3 });
                network.Initialise(3);
                var data = new ColourDataset(32, size: 16);
                var result = new Trainer(new()
                {
                    Network = network, ClassCount = 3, Options = options, Folder = folder, Progress = new StopAfter(stop, source),
                    Training = new(data, new(data.Preprocessing, Augmentation.SmallImages), LoaderOptions.ForTraining(8, 3)),
                    Validation = new(data, new InputTransform(data.Preprocessing), LoaderOptions.ForEvaluation(16)),
                }).Run(source.Token);
                Assert.Equal(stop == 0, result.IsComplete);
                if (stop == 0)
                    Assert.All(result.Rows.Skip(1), r => Assert.Equal(0.02, r.LearningRate));
            }
            return folder;
        }
        var (whole, pieces) = (Train("whole"), Train("pieces", 6, 6));
        Assert.Equal(SmallRun.Fingerprint(whole), SmallRun.Fingerprint(pieces));
        var mean = Safetensors.Read(whole.LastSwa);
        Assert.Equal("swa", mean.Metadata["weights"]);
        var again = Safetensors.Read(pieces.LastSwa);
        Assert.All(mean.Tensors, t => Assert.True(t.Value.ContentEquals(again.Tensors[t.Key]), t.Key));
        var last = Safetensors.Read(whole.Last);
        Assert.Contains(mean.Tensors, t => !t.Value.ContentEquals(last.Tensors[t.Key]));
    }

    [Fact]
    public void Checkpoints_are_averaged_in_float64_and_counters_are_taken_from_the_last()
    {
        using var place = new TemporaryFolder();
        var paths = new List<string>();
        foreach (var (value, half, batches) in new[] { (1e8f, 1f, 3L), (1f, 2f, 5L), (-1e8f, 6f, 4L) })
        {
            paths.Add(Path.Combine(place.Path, $"{paths.Count}.safetensors"));
            Safetensors.Write(paths[^1], [("w", Tensor.From(value, 3f)), ("h", Tensor.From((Half)half)), ("n", Tensor.From(batches))], new Dictionary<string, string>());
        }
        var average = CheckpointAverage.Of(paths).ToDictionary(t => t.Name, t => t.Tensor);
        Assert.Equal([1 / 3f, 3f], average["w"].ToArray<float>()); // float32 sums would leave 0
        Assert.Equal([3f], average["h"].ToArray<float>());
        Assert.Equal([4L], average["n"].ToArray<long>());
        Safetensors.Write(paths[1], [("w", Tensor.From(1f)), ("h", Tensor.From((Half)1)), ("n", Tensor.From(1L))], new Dictionary<string, string>());
        var error = Assert.Throws<VertebraException>(() => CheckpointAverage.Of(paths));
        Assert.Contains("1.safetensors does not fit", error.Message, StringComparison.Ordinal);
        Assert.Contains("'w'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_norm_loss_is_the_papers_and_pulls_units_to_length_1()
    {
        var net = Models.Create("resnet20_cifar", new() { NumClasses = 3 });
        net.Initialise(4);
        var loss = new NormLoss(net, 0.5);
        double expected = 0;
        foreach (var (_, tensor) in net.NamedParameters().Where(p => p.Tensor.Rank > 1))
        {
            var length = (int)(tensor.ElementCount / tensor.Shape[0]);
            expected += tensor.ToArray<float>().Chunk(length).Sum(w => Math.Pow(1 - Math.Sqrt(w.Sum(v => (double)v * v)), 2)) / 2;
        }
        Assert.Equal(expected, loss.Compute().ToScalar(), expected * 1e-5);
        loss.Compute().Backward();
        var unit = net.NamedParameters().First(p => p.Tensor.Rank > 1).Tensor;
        var (w, g) = (unit.ToArray<float>()[..27], unit.Grad!.ToArray<float>()[..27]);
        var norm = Math.Sqrt(w.Sum(v => (double)v * v));
        // d/dw of λ(1 - |w|)² is 2λ(1 - 1/|w|)·w.
        Assert.All(w.Zip(g), p => Assert.Equal((1 - (1 / norm)) * p.First, p.Second, 1e-5));
        Assert.All(net.NamedParameters().Where(p => p.Tensor.Rank == 1), p => Assert.Null(p.Tensor.Grad));
    }

    private sealed class Normaliser : Module
    {
        public Normaliser() => Norm = Child("bn", new BatchNorm2d(3));

        public BatchNorm2d Norm { get; }

        protected override Tensor OnForward(Tensor x) => Norm.Forward(x).Mean([1, 2]);
    }
}
