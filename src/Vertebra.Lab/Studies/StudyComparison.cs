using System.Globalization;

namespace Vertebra.Lab.Studies;

/// <summary>What a comparison is about.</summary>
public enum StudyMetric
{
    /// <summary>Top-1 of the last evaluation, in percent.</summary>
    Final,

    /// <summary>Top-1 of the best evaluation, in percent. Chosen by the same images, and so a little too good.</summary>
    Best,

    /// <summary>Seconds of training, evaluations not included.</summary>
    Seconds,

    /// <summary>Epochs of the run.</summary>
    Epochs,
}

/// <summary>How a comparison came out.</summary>
public enum StudyVerdict
{
    /// <summary>It holds, by more than two standard errors of the difference.</summary>
    Holds,

    /// <summary>The difference is less than two standard errors: it may be chance. A comparison that asks for "not worse" holds then.</summary>
    Open,

    /// <summary>The opposite holds, by more than two standard errors.</summary>
    Fails,
}

/// <summary>A question to the results: <c>modern &gt; plain</c>, <c>sam_on &gt;= sam</c>, <c>stored &lt;= plain by seconds</c>.</summary>
/// <param name="Left">A variant.</param>
/// <param name="Relation"><c>&gt;</c>, <c>&lt;</c>: clearly more or less; <c>&gt;=</c>, <c>&lt;=</c>: not clearly less or more.</param>
/// <param name="Right">The variant that it is compared with.</param>
/// <param name="Metric">By what.</param>
public sealed record StudyComparison(string Left, string Relation, string Right, StudyMetric Metric = StudyMetric.Final)
{
    private const double ClearErrors = 2;

    /// <summary>Reads <c>LEFT RELATION RIGHT [by METRIC]</c>.</summary>
    /// <exception cref="FileFormatException">The text is of another form.</exception>
    public static StudyComparison Parse(string text)
    {
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length is not (3 or 5) || words[1] is not (">" or "<" or ">=" or "<=") || (words.Length == 5 && words[3] != "by"))
            throw new FileFormatException($"'{text}' is no comparison: write A > B, A >= B, A < B or A <= B, and 'by seconds' after it where it is not about accuracy");
        var metric = words.Length == 3 ? StudyMetric.Final : words[4] switch
        {
            "final" => StudyMetric.Final,
            "best" => StudyMetric.Best,
            "seconds" => StudyMetric.Seconds,
            "epochs" => StudyMetric.Epochs,
            _ => throw new FileFormatException($"'{text}' compares by '{words[4]}'; there are final, best, seconds and epochs"),
        };
        return new(words[0], words[1], words[2], metric);
    }

    /// <summary>The difference of two means, left less right, and its standard error: the root of the sum of the variances of both means.</summary>
    public static (double Difference, double Error) Between(Spread left, Spread right) =>
        (left.Mean - right.Mean, Math.Sqrt(left.VarianceOfMean + right.VarianceOfMean));

    /// <summary>Judges by two standard errors; with fewer than two runs of a side there is no error, and everything is open.</summary>
    public StudyVerdict Judge(Spread left, Spread right)
    {
        var (difference, error) = Between(left, right);
        var wanted = Relation[0] == '>' ? difference : -difference;
        if (double.IsNaN(error))
            return StudyVerdict.Open;
        if (wanted < -ClearErrors * error)
            return StudyVerdict.Fails;
        var isEnough = Relation.Length == 2 || (wanted > 0 && wanted > ClearErrors * error);
        return isEnough ? StudyVerdict.Holds : StudyVerdict.Open;
    }

    public override string ToString() => $"{Left} {Relation} {Right}{(Metric == StudyMetric.Final ? "" : $" by {Metric.ToString().ToLowerInvariant()}")}";
}

/// <summary>Mean and sample standard deviation of some values.</summary>
/// <param name="Count">How many values.</param>
/// <param name="Mean">Their mean; NaN for none.</param>
/// <param name="Deviation">With Count - 1 below the sum of squares; NaN for fewer than two.</param>
public readonly record struct Spread(int Count, double Mean, double Deviation)
{
    /// <summary>That of some values.</summary>
    public static Spread Of(IReadOnlyCollection<double> values)
    {
        if (values.Count == 0)
            return new(0, double.NaN, double.NaN);
        var mean = values.Average();
        return new(values.Count, mean, values.Count < 2 ? double.NaN : Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1)));
    }

    /// <summary>Variance of the mean.</summary>
    public double VarianceOfMean => Deviation * Deviation / Count;

    /// <summary><c>71.23 ± 0.45</c>; without the spread where there is one value, <c>-</c> where there is none.</summary>
    public string Text(string format) => Count == 0 ? "-"
        : Count == 1 ? Mean.ToString(format, CultureInfo.InvariantCulture)
        : $"{Mean.ToString(format, CultureInfo.InvariantCulture)} ± {Deviation.ToString(format, CultureInfo.InvariantCulture)}";
}
