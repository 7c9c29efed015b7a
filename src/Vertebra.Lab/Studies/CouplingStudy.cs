using System.Globalization;
using Vertebra.Lab.Training;

namespace Vertebra.Lab.Studies;

/// <summary>
/// How tightly networks and optimisers are coupled, measured as Li et al. did ("Unveiling the backbone-optimizer coupling bias in
/// visual representation learning", 2024): each network is trained with each optimiser at several learning rates, the best of
/// which counts.
/// </summary>
/// <param name="Networks">Names of networks.</param>
/// <param name="Optimizers">As <c>--opt</c> has them.</param>
/// <param name="Factors">Learning rates, as multiples of each optimiser's usual one.</param>
/// <param name="Seeds">Seeds.</param>
public sealed record CouplingStudy(IReadOnlyList<string> Networks, IReadOnlyList<string> Optimizers, IReadOnlyList<double> Factors, IReadOnlyList<long> Seeds)
{
    /// <summary>The runs.</summary>
    /// <exception cref="VertebraException">An optimiser or a network is unknown, or a factor is not above 0.</exception>
    public StudyGrid Grid()
    {
        var grid = new StudyGrid
        {
            Title = "Networks and optimisers",
            Networks = Networks,
            Seeds = Seeds,
            Variants = [.. from optimizer in Optimizers from factor in Factors select new StudyVariant(NameOf(optimizer, factor), Settings(optimizer, factor))],
        };
        grid.Validate("study coupling");
        return grid;
    }

    private static string NameOf(string optimizer, double factor) => string.Create(CultureInfo.InvariantCulture, $"{optimizer}-x{factor}");

    private static StudySettings Settings(string optimizer, double factor)
    {
        var kind = Training.Optimizers.Find(optimizer)
            ?? throw new VertebraException($"--optimizers {optimizer} is unknown; there are {string.Join(", ", Training.Optimizers.Names)}");
        if (!(factor > 0 && double.IsFinite(factor)))
            throw new VertebraException(FormattableString.Invariant($"--rates has {factor}; they must be above 0"));
        return new([(TrainingOption.Find("opt")!, [optimizer]), (TrainingOption.Find("lr-base")!, [(kind.Rate * factor).ToString("R", CultureInfo.InvariantCulture)])]);
    }

    /// <summary>Sums up what the finished runs have shown.</summary>
    public CouplingResult Sum(StudyResult result) => new(this,
        [.. from network in Networks from optimizer in Optimizers select Best(result, network, optimizer)]);

    // The rate whose mean over the seeds is highest; a rate at which a run diverged is none to choose.
    private CouplingCell Best(StudyResult result, string network, string optimizer)
    {
        var rates = Enumerable.Range(0, Factors.Count)
            .Where(i => !result.Diverged.Any(d => d.Network == network && d.Variant.Name == NameOf(optimizer, Factors[i])))
            .Select(i => (Index: i, Spread: result.SpreadOf(NameOf(optimizer, Factors[i]), network, StudyMetric.Final)))
            .Where(r => r.Spread.Count > 0)
            .ToArray();
        if (rates.Length == 0)
            return new(network, optimizer, null, new(0, double.NaN, double.NaN));
        var best = rates.MaxBy(r => r.Spread.Mean);
        return new(network, optimizer, best.Index, best.Spread);
    }
}

/// <summary>One network with one optimiser, at its best rate.</summary>
/// <param name="Network">The network.</param>
/// <param name="Optimizer">The optimiser.</param>
/// <param name="Rate">Which of the study's factors was best; null where no run came to its end.</param>
/// <param name="Top1">Top-1 in percent over the seeds, at that rate.</param>
public sealed record CouplingCell(string Network, string Optimizer, int? Rate, Spread Top1);

/// <summary>How robust a network is to the choice of the optimiser, over the optimisers but the worst, as in the paper's table 1.</summary>
/// <param name="Network">The network.</param>
/// <param name="Best">The optimiser with the highest top-1.</param>
/// <param name="Top1">Mean and deviation over the optimisers.</param>
/// <param name="Range">Highest less lowest.</param>
/// <param name="RateDistance">How many steps of the grid of rates its best rates lie from those that suit most networks, on the average over the optimisers: 0 where it takes each at its usual rate.</param>
public sealed record CouplingRow(string Network, string? Best, Spread Top1, double Range, double RateDistance);
