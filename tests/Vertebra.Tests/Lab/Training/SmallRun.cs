using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Tests.Lab.Training;

/// <summary>Convolution, batch norm with running statistics, ReLU, random noise while training, pooling, classifier: every kind of state that a run must carry.</summary>
internal sealed class TinyConvNet : Module
{
    private readonly Tensor _conv;
    private readonly Tensor _scale;
    private readonly Tensor _shift;
    private readonly Tensor _mean;
    private readonly Tensor _variance;
    private readonly Tensor _batches;
    private readonly Tensor _linear;
    private readonly Tensor _bias;

    private readonly bool _hasNoise;

    public TinyConvNet(int width = 8, int classes = 3, bool hasNoise = true)
    {
        _hasNoise = hasNoise;
        _conv = Parameter("conv", [width, 3, 3, 3], Init.KaimingNormal(fanOut: false));
        _scale = Parameter("scale", [width], Init.Ones);
        _shift = Parameter("shift", [width], Init.Zeros);
        _mean = Buffer("running_mean", Tensor.Zeros([width]));
        _variance = Buffer("running_var", Tensor.Ones([width]));
        _batches = Buffer("num_batches_tracked", Tensor.Zeros(Shape.Scalar, DType.Int64));
        _linear = Parameter("linear", [classes, width], Init.TorchDefault);
        _bias = Parameter("bias", [classes], Init.Zeros);
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = x.Conv2d(_conv, stride: 2, padding: 1);
        if (!IsTraining)
            return Head(x.BatchNorm(_scale, _shift, _mean, _variance).Relu());
        var (y, mean, variance) = x.BatchNormTraining(_scale, _shift);
        _mean.CopyFrom<float>(_mean.ToArray<float>().Zip(mean.ToArray<float>(), (r, b) => (0.9f * r) + (0.1f * b)).ToArray());
        _variance.CopyFrom<float>(_variance.ToArray<float>().Zip(variance.ToArray<float>(), (r, b) => (0.9f * r) + (0.1f * b)).ToArray());
        _batches.CopyFrom<long>([_batches.ToArray<long>()[0] + 1]);
        return Head(_hasNoise ? y.Relu() * Noise(y.Shape) : y.Relu());
    }

    private Tensor Head(Tensor x) => x.Mean([1, 2]).Linear(_linear, _bias);

    private static Tensor Noise(Shape shape)
    {
        var (seed, stream) = TrainingRandom.Next();
        var random = new Philox(seed, stream);
        return Tensor.From(Enumerable.Range(0, (int)shape.ElementCount).Select(i => 0.5f + random.Uniform((ulong)i)).ToArray(), shape);
    }
}

/// <summary>Noisy pictures whose brightest colour is their class.</summary>
internal sealed class ColourDataset(int count, int size = 8, int stream = 0) : IImageDataset
{
    public string Identity => "colours";

    public int Count => count;

    public IReadOnlyList<string> ClassNames { get; } = ["red", "green", "blue"];

    public Preprocessing Preprocessing => Preprocessing.Whole(size, [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]);

    public bool IsInMemory => true;

    public int Label(int index) => index % 3;

    public string NameOf(int index) => $"colour {index}";

    public RgbImage Load(int index)
    {
        var random = new Philox(77, (ulong)((stream * 100_000) + index));
        var image = new RgbImage(size, size);
        for (var i = 0; i < image.Pixels.Length; i++)
            image.Pixels[i] = (byte)(random.Below(160, (ulong)i) + (i % 3 == Label(index) ? 60 : 0));
        return image;
    }
}

/// <summary>Makes small runs, and says what they left.</summary>
internal static class SmallRun
{
    public static TrainingOptions Options => new()
    {
        Model = "tiny", BatchSize = 16, ValidationBatchSize = 32, Epochs = 3, Lr = 0.05, WeightDecay = 1e-3, Smoothing = 0.1,
        ModelEma = true, ModelEmaDecay = 0.9, ModelEmaWarmup = true, GradAccumSteps = 2, ClipGrad = 1, Seed = 9,
    };

    /// <summary>7 batches of 16 an epoch, so that the last update of an epoch has one batch only.</summary>
    public static TrainerSetup Setup(RunFolder folder, TrainingOptions? options = null, ITrainingProgress? progress = null, int? workers = null)
    {
        options ??= Options;
        var network = new TinyConvNet();
        network.Initialise((ulong)options.Seed);
        var data = new ColourDataset(120);
        var input = new InputTransform(data.Preprocessing, Augmentation.SmallImages with { Padding = 1 });
        return new()
        {
            Network = network,
            ClassCount = 3,
            Training = new(data, input, LoaderOptions.ForTraining(options.BatchSize, (ulong)options.Seed) with { Workers = workers }),
            Validation = new(new ColourDataset(60, stream: 1), new InputTransform(data.Preprocessing), LoaderOptions.ForEvaluation(32) with { Workers = workers }),
            Options = options,
            Folder = folder,
            Config = "{\"architecture\": \"tiny\"}\n",
            Progress = progress ?? NoProgress.Instance,
        };
    }

    /// <summary>What a run leaves that is interrupted after so many batches, gone on with and interrupted again, as often as told, and then finished.</summary>
    public static string FingerprintOf(TrainingOptions options, params int[] stops)
    {
        using var place = new TemporaryFolder();
        var folder = RunFolder.Create(place.Path, "run");
        foreach (var stop in stops)
        {
            using var source = new CancellationTokenSource();
            Assert.False(new Trainer(Setup(folder, options, new StopAfter(stop, source))).Run(source.Token).IsComplete);
        }
        Assert.True(new Trainer(Setup(folder, options)).Run().IsComplete);
        return Fingerprint(folder);
    }

    /// <summary>Every tensor of the saved state, bit for bit, and the summary without the columns that measure time.</summary>
    public static string Fingerprint(RunFolder folder)
    {
        var text = new System.Text.StringBuilder();
        foreach (var path in new[] { folder.State, folder.Last, folder.LastEma, folder.LastSwa, folder.Best })
        {
            foreach (var (name, tensor) in File.Exists(path) ? Safetensors.Read(path).Tensors : new Dictionary<string, Tensor>())
            {
                text.Append(Path.GetFileName(path)).Append(' ').Append(name).Append(' ');
                text.AppendLine(tensor.DType switch
                {
                    DType.Int64 => string.Join(' ', tensor.ToArray<long>()),
                    DType.Float64 => string.Join(' ', tensor.ToArray<double>().Select(BitConverter.DoubleToInt64Bits)),
                    _ => Convert.ToHexString(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(tensor.ToArray<float>())),
                });
            }
        }
        foreach (var row in RunSummary.Read(File.ReadAllText(folder.Summary), folder.Summary))
            text.AppendLine($"{row with { ImagesPerSecond = 0, Seconds = 0, DataSeconds = 0 }}");
        return text.ToString();
    }
}

/// <summary>Cancels after so many training batches.</summary>
internal sealed class StopAfter(int batches, CancellationTokenSource source) : ITrainingProgress
{
    private int _seen;

    public void Trained(in TrainStep step)
    {
        if (++_seen == batches)
            source.Cancel();
    }

    public void Evaluated(in EvaluationStep step) { }

    public void EvaluationFinished(EvaluationResult result, bool isEma) { }

    public void EpochFinished(EpochRow row, BestEpoch? best) { }

    public void Note(string message) { }
}
