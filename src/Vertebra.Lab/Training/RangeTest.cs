using System.Globalization;
using System.Text;
using Vertebra.Lab.Reports;

namespace Vertebra.Lab.Training;

/// <summary>How a <see cref="RangeTest"/> goes.</summary>
/// <param name="From">First learning rate.</param>
/// <param name="To">Rate that is reached after <paramref name="Updates"/>.</param>
/// <param name="Updates">Number of updates.</param>
public sealed record RangeTestSettings(double From = 1e-7, double To = 10, int Updates = 100)
{
    /// <summary>The rate of an update, from 0: exponential growth.</summary>
    public double RateAt(long update) => From * Math.Pow(To / From, (double)update / Updates);

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="VertebraException">A value is out of range; the message names the flag.</exception>
    public void Validate()
    {
        if (!(From > 0 && To > From && To <= 1e6))
            throw new VertebraException(FormattableString.Invariant($"--start-lr {From} and --end-lr {To} must be ascending, above 0 and at most 1000000"));
        if (Updates is < 10 or > 1_000_000)
            throw new VertebraException($"--num-it is {Updates}; it must be 10 to 1000000");
    }
}

/// <summary>An update of a range test.</summary>
/// <param name="Rate">Its learning rate.</param>
/// <param name="Loss">Loss of its batches, before it.</param>
/// <param name="Smoothed">Running mean of the losses.</param>
public readonly record struct RangeTestPoint(double Rate, double Loss, double Smoothed);

/// <summary>
/// The learning-rate range test (Smith, "Cyclical learning rates for training neural networks", 2017) with fastai's conventions:
/// the rate grows exponentially while the network trains, losses are smoothed, and the test ends when they have grown to four
/// times their least.
/// </summary>
public sealed class RangeTest
{
    private const double Smoothing = 0.98;
    private const double Divergence = 4;

    // fastai leaves out the first tenth, where the smoothed loss has not settled, and the last updates, which diverge.
    private const int SkippedAtEnd = 5;

    private readonly List<RangeTestPoint> _points = [];
    private readonly RangeTestSettings _settings;
    private double _mean;

    /// <param name="settings">Range and length.</param>
    public RangeTest(RangeTestSettings settings) => _settings = settings;

    /// <summary>The updates so far.</summary>
    public IReadOnlyList<RangeTestPoint> Points => _points;

    /// <summary>The loss has grown too far, or is no number any more.</summary>
    public bool HasDiverged { get; private set; }

    /// <summary>No more updates are needed.</summary>
    public bool IsComplete => HasDiverged || _points.Count > _settings.Updates;

    /// <summary>Takes the loss of the next update.</summary>
    public void Add(double loss)
    {
        if (!double.IsFinite(loss))
        {
            HasDiverged = true;
            return;
        }
        _mean = (Smoothing * _mean) + ((1 - Smoothing) * loss);
        var smoothed = _mean / (1 - Math.Pow(Smoothing, _points.Count + 1));
        HasDiverged = _points.Count > 0 && smoothed > Divergence * _points.Min(p => p.Smoothed);
        _points.Add(new(_settings.RateAt(_points.Count), loss, smoothed));
    }

    /// <summary>Training is no longer possible: the loss cannot even be computed.</summary>
    public void Diverge() => HasDiverged = true;

    private RangeTestPoint[] Judged
    {
        get
        {
            var skipped = _settings.Updates / 10;
            return [.. _points.Skip(skipped).Take(Math.Max(0, _points.Count - skipped - SkippedAtEnd))];
        }
    }

    /// <summary>The rate at which the loss falls most steeply over the logarithm of the rate; null when the test was too short.</summary>
    public double? Steepest
    {
        get
        {
            var points = Judged;
            if (points.Length < 2)
                return null;
            var steepest = Enumerable.Range(0, points.Length - 1)
                .MinBy(i => (points[i + 1].Smoothed - points[i].Smoothed) / (Math.Log(points[i + 1].Rate) - Math.Log(points[i].Rate)));
            return points[steepest].Rate;
        }
    }

    /// <summary>A tenth of the rate with the least loss; null when the test was too short.</summary>
    public double? MinimumOverTen => Judged is { Length: > 0 } points ? points.MinBy(p => p.Smoothed).Rate / 10 : null;

    // ---------------------------------------------------------------- output

    /// <summary>The updates as CSV.</summary>
    public string ToCsv()
    {
        var text = new StringBuilder("update,lr,loss,smoothed\n");
        for (var i = 0; i < _points.Count; i++)
            text.Append(CultureInfo.InvariantCulture, $"{i},{_points[i].Rate:R},{_points[i].Loss:R},{_points[i].Smoothed:R}\n");
        return text.ToString();
    }

    /// <summary>The curve and what it suggests, as a page that opens offline.</summary>
    /// <param name="title">What was tested.</param>
    public string ToHtml(string title)
    {
        var lead = Markup.Of($"<p>{Outcome}</p>\n{ReportPage.Cards(Highlights)}");
        var chart = LineChart.Draw("Loss over the learning rate", "learning rate, as a power of ten", "loss",
        [
            new("smoothed", [.. _points.Select(p => (Math.Log10(p.Rate), p.Smoothed))]),
            new("of each update", [.. _points.Select(p => (Math.Log10(p.Rate), Math.Min(p.Loss, 2 * Divergence * _points[0].Smoothed)))]),
        ]);
        return ReportPage.Write(title, lead, chart);
    }

    /// <summary>How the test ended, in one sentence.</summary>
    public string Outcome => HasDiverged
        ? FormattableString.Invariant($"The loss diverged after {_points.Count} of {_settings.Updates} updates.")
        : FormattableString.Invariant($"{_points.Count} updates; the loss did not diverge up to a rate of {_settings.To:g3}.");

    private IReadOnlyList<(string Value, string Label)> Highlights =>
        [(Text(Steepest), "steepest descent"), (Text(MinimumOverTen), "a tenth of the rate of the least loss")];

    /// <summary>A rate as text.</summary>
    public static string Text(double? rate) => rate?.ToString("0.00e+0", CultureInfo.InvariantCulture) ?? "unknown";
}
