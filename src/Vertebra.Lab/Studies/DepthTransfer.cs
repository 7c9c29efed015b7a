using System.Globalization;
using System.Text;
using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Reports;
using Vertebra.Lab.Training;
using Vertebra.Zoo.Layers;
using static Vertebra.Ops.TensorOps;

namespace Vertebra.Lab.Studies;

/// <summary>What a <see cref="DepthTransfer"/> compares.</summary>
public sealed record DepthTransferSettings
{
    /// <summary>Numbers of blocks; rates are looked for at the first and carried over to the others.</summary>
    public IReadOnlyList<int> Depths { get; init; } = [8, 16, 32, 64];

    /// <summary>Base-two logarithms of the learning rates: first and last.</summary>
    public (int First, int Last) RateExponents { get; init; } = (-15, -3);

    /// <summary>Channels of the networks.</summary>
    public int Width { get; init; } = 64;

    /// <summary>Length of each training.</summary>
    public int Updates { get; init; } = 150;

    /// <summary>Images of an update.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Side to which images are brought.</summary>
    public int ImgSize { get; init; } = 16;

    /// <summary>Method, by its name at <c>--opt</c>.</summary>
    public string Optimizer { get; init; } = "adam";

    /// <summary>Of weights and order of images.</summary>
    public long Seed { get; init; } = 42;

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="VertebraException">A value is out of range; the message names the flag.</exception>
    public void Validate()
    {
        TrainingOptions.Check(Depths.Count > 0 && Depths.All(d => d is >= 1 and <= 1024), "depths", string.Join(' ', Depths), "numbers from 1 to 1024");
        TrainingOptions.Check(RateExponents is { First: >= -40, Last: <= 20 } && RateExponents.First < RateExponents.Last, "rates", $"{RateExponents.First} {RateExponents.Last}", "two ascending powers of two, from -40 to 20");
        TrainingOptions.Check(Width is >= 1 and <= 4096, "width", Width, "1 to 4096");
        TrainingOptions.Check(Updates is >= 10 and <= 1_000_000, "updates", Updates, "10 to 1000000");
        TrainingOptions.Check(BatchSize is >= 1 and <= 100_000, "batch-size", BatchSize, "1 to 100000");
        TrainingOptions.Check(ImgSize is >= 1 and <= 256, "img-size", ImgSize, "1 to 256");
        TrainingOptions.Check(Optimizers.Find(Optimizer) is not null, "opt", Optimizer, string.Join(", ", Optimizers.Names));
        TrainingOptions.Check(Seed >= 0, "seed", Seed, "at least 0");
    }
}

/// <summary>How one network of a <see cref="DepthTransfer"/> has learned.</summary>
/// <param name="Parameterisation"><c>standard</c>, or a name of <see cref="Zoo.Layers.Parameterisation"/>.</param>
/// <param name="Depth">Blocks.</param>
/// <param name="Rate">Learning rate.</param>
/// <param name="Loss">Mean training loss of the last tenth of the updates; not finite when training diverged.</param>
public readonly record struct DepthTransferRun(string Parameterisation, int Depth, double Rate, double Loss);

/// <summary>
/// Whether the best learning rate of a shallow residual network is the best one of a deep one: networks of several depths are trained at a row of rates,
/// with plain branches and with those of depth-muP (Yang et al. 2023, "Tensor programs VI: feature learning in infinite-depth neural networks", figure 1).
/// </summary>
public sealed class DepthTransfer
{
    private const string Standard = "standard";

    private readonly DepthTransferSettings _settings;

    private DepthTransfer(DepthTransferSettings settings, IReadOnlyList<DepthTransferRun> runs) => (_settings, Runs) = (settings, runs);

    /// <summary>All trainings.</summary>
    public IReadOnlyList<DepthTransferRun> Runs { get; }

    /// <summary>Trains all networks.</summary>
    /// <param name="data">What they learn.</param>
    /// <param name="settings">Depths, rates and sizes.</param>
    /// <param name="progress">Told how many trainings are done, and of how many.</param>
    /// <param name="cancellation">Ends it with <see cref="OperationCanceledException"/>.</param>
    public static DepthTransfer Run(IImageDataset data, DepthTransferSettings settings, Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        settings.Validate();
        var batches = Batches(data, settings, cancellation);
        var rates = Enumerable.Range(settings.RateExponents.First, settings.RateExponents.Last - settings.RateExponents.First + 1).Select(e => Math.Pow(2, e)).ToArray();
        var plan = new[] { null, Parameterisation.DepthMuP }.SelectMany(p => settings.Depths.SelectMany(d => rates.Select(r => (p, d, r)))).ToArray();
        var runs = new List<DepthTransferRun>();
        foreach (var (parameterisation, depth, rate) in plan)
        {
            var network = new ResidualMlp((int)batches[0].Images.Shape.CountBetween(1, batches[0].Images.Rank), settings.Width, depth, data.ClassNames.Count, parameterisation);
            network.Initialise((ulong)settings.Seed);
            runs.Add(new(parameterisation ?? Standard, depth, rate, Train(network, batches, settings, rate, cancellation)));
            progress?.Invoke(runs.Count, plan.Length);
        }
        return new(settings, runs);
    }

    private static List<Batch> Batches(IImageDataset data, DepthTransferSettings settings, CancellationToken cancellation)
    {
        var loader = new BatchLoader(data, new(data.Preprocessing.WithSize(settings.ImgSize)), LoaderOptions.ForTraining(settings.BatchSize, (ulong)settings.Seed));
        return [.. Enumerable.Range(0, (settings.Updates / loader.BatchesPerEpoch) + 1).SelectMany(epoch => loader.Epoch(epoch, 0, cancellation)).Take(settings.Updates)];
    }

    private static double Train(ResidualMlp network, List<Batch> batches, DepthTransferSettings settings, double rate, CancellationToken cancellation)
    {
        var options = new TrainingOptions { Opt = settings.Optimizer, WeightDecay = 0 };
        var optimizer = Optimizers.Create(ParameterisationRates.Apply(ParameterGroup.Of(network, 0), network, settings.Optimizer), options);
        optimizer.LearningRate = rate;
        network.Train();
        var (sum, count) = (0.0, 0);
        for (var i = 0; i < batches.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            var loss = network.Forward(batches[i].Images).CrossEntropy(batches[i].Labels);
            var value = loss.ToScalar();
            if (!float.IsFinite(value))
                return double.NaN;
            if (i >= batches.Count - Math.Max(1, batches.Count / 10))
                (sum, count) = (sum + value, count + 1);
            loss.Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
        }
        return sum / count;
    }

    // ---------------------------------------------------------------- output

    /// <summary>The run with the least loss of networks of a depth.</summary>
    public DepthTransferRun Best(string parameterisation, int depth) =>
        Runs.Where(r => r.Parameterisation == parameterisation && r.Depth == depth && double.IsFinite(r.Loss)).DefaultIfEmpty(new(parameterisation, depth, double.NaN, double.NaN)).MinBy(r => r.Loss);

    /// <summary>The run of a depth at the rate that is best at the first depth.</summary>
    public DepthTransferRun Carried(string parameterisation, int depth)
    {
        var rate = Best(parameterisation, _settings.Depths[0]).Rate;
        return Runs.FirstOrDefault(r => r.Parameterisation == parameterisation && r.Depth == depth && r.Rate == rate, new(parameterisation, depth, rate, double.NaN));
    }

    /// <summary>What was found, a row for each parameterisation and depth: name, depth, best rate, its loss, and the loss at the first depth's best rate.</summary>
    public IReadOnlyList<string[]> Table =>
    [
        .. Parameterisations.SelectMany(p => _settings.Depths.Select(d => (string[])
            [p, Text($"{d}"), Text($"2^{Math.Log2(Best(p, d).Rate):0}"), Text($"{Best(p, d).Loss:0.000}"), Text($"{Carried(p, d).Loss:0.000}")])),
    ];

    /// <summary>Names of the columns of <see cref="Table"/>.</summary>
    public static IReadOnlyList<string> Heading { get; } = ["parameterisation", "depth", "best rate", "loss", "loss at the first depth's rate"];

    /// <summary>All trainings as CSV.</summary>
    public string ToCsv()
    {
        var text = new StringBuilder("parameterisation,depth,lr,loss\n");
        foreach (var run in Runs)
            text.Append(CultureInfo.InvariantCulture, $"{run.Parameterisation},{run.Depth},{run.Rate:R},{run.Loss:R}\n");
        return text.ToString();
    }

    /// <summary>The curves as a page that opens offline.</summary>
    /// <param name="data">What the networks have learned.</param>
    public string ToHtml(string data)
    {
        var deepest = _settings.Depths[^1];
        var lead = Markup.Of($"""
            <p>Residual MLPs of {_settings.Width} channels on {data}, {_settings.Updates} updates of {_settings.BatchSize} images with {_settings.Optimizer}: loss over the learning rate, by depth.</p>
            {ReportPage.Cards(Parameterisations.Select(p => (Text($"{Carried(p, deepest).Loss:0.000}"), Text($"{p}: loss at depth {deepest} with depth {_settings.Depths[0]}'s rate (best {Best(p, deepest).Loss:0.000})"))))}
            """);
        return ReportPage.Write("Learning rates over depth", lead, Markup.Of($"<div class=\"row\">{Parameterisations.Select(Chart)}</div>"));
    }

    // Losses above that of a guess would press the curves together.
    private Markup Chart(string parameterisation)
    {
        var limit = Runs.Where(r => double.IsFinite(r.Loss)).Select(r => r.Loss).DefaultIfEmpty(1).Min() + 2;
        return LineChart.Draw($"{parameterisation}", "learning rate, as a power of two", "training loss",
            [.. _settings.Depths.Select(d => new ChartSeries($"depth {d}", [.. Runs.Where(r => r.Parameterisation == parameterisation && r.Depth == d).Select(r => (Math.Log2(r.Rate), r.Loss > limit ? double.NaN : r.Loss))]))]);
    }

    private IEnumerable<string> Parameterisations => Runs.Select(r => r.Parameterisation).Distinct();

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
