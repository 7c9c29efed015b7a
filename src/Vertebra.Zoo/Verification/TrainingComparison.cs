using System.Globalization;
using System.Text.Json;
using Vertebra.Autograd;

namespace Vertebra.Zoo.Verification;

/// <summary>One training step of a network against a fixture: loss, logits, gradients and running statistics.</summary>
internal sealed class TrainingComparison(Fixture fixture, List<FixtureCheck> checks)
{
    private const double LossTolerance = 1e-5;
    private const double LogitsTolerance = 1e-4;
    private const double StatisticsTolerance = 1e-5;
    private const double NegligibleTolerance = 1e-3;

    // Where the reference's own gradients are noisier in float32 than the general bounds foresee, three times that noise is allowed.
    private const double NoiseFactor = 3;

    public void Run()
    {
        var network = FixtureVerifier.Prepare(fixture, checks);
        network.Train();
        var root = fixture.Root;
        var (logits, loss) = Step(network);
        var expectedLoss = root.Required("loss", root.Double("loss"));
        checks.Add(new("loss", Math.Abs(loss.ToScalar() - expectedLoss) / Math.Abs(expectedLoss), LossTolerance));
        checks.Add(new GoldenStatistics(root.Required("logits", root.Object("logits"))).CompareLogits("logits", logits, LogitsTolerance));
        CompareStatistics(network);
        CompareGradients(network);
    }

    private (Tensor Logits, Tensor Loss) Step(Backbone network)
    {
        var names = fixture.Root.Texts("batch") ?? [];
        var logits = network.Forward(GoldenValues.Images(names, fixture.InputSize));
        var label = (long)fixture.Root.Required("label", fixture.Root.Integer("label"));
        var loss = logits.CrossEntropy(Tensor.From(Enumerable.Repeat(label, names.Length).ToArray()));
        loss.Backward();
        return (logits, loss);
    }

    private void CompareGradients(Backbone network)
    {
        var root = fixture.Root;
        // Where an activation has a kink, a unit that rounds to its other side moves whole entries of a gradient.
        var isSmooth = network.NamedModules().All(m => m.Module is not Layers.FilterResponseNorm && (m.Module is not ActivationLayer { Kind: var kind } || kind.IsSmooth()));
        var noise = NoiseFactor * (root.Object("noise")?.Double("grad_worst_param") ?? 0);
        var bounds = (Length: Math.Max(isSmooth ? 5e-4 : 1e-2, noise), Probe: Math.Max(isSmooth ? 5e-4 : 5e-2, noise));
        var total = root.Required("grad_l2", root.Double("grad_l2"));
        var negligible = root.Object("noise")?.Texts("negligible_grads")?.ToHashSet() ?? [];
        var found = GradientSums.Of(network);
        var rows = root.Items("grads").Select(Row).ToArray();
        var spread = isSmooth || rows.All(r => negligible.Contains(r.Name) || IsWithin(r, found.GetValueOrDefault(r.Name), bounds)) ? [] : RoundingSpread(network, found);
        Worst length = new(), probe = new(), small = new();
        foreach (var (name, l2, expectedProbe) in rows)
        {
            if (!found.TryGetValue(name, out var sums))
            {
                length.Note(double.PositiveInfinity, bounds.Length, $"{name} has no gradient");
                continue;
            }
            if (negligible.Contains(name))
            {
                small.Note(Math.Max(Math.Abs(sums.L2 - l2), Math.Abs(sums.Probe - expectedProbe)) / total, NegligibleTolerance, name);
                continue;
            }
            var (lengthSpread, probeSpread) = spread.GetValueOrDefault(name);
            length.Note(Math.Abs(sums.L2 - l2) / l2, bounds.Length + (lengthSpread / l2), Where(name, lengthSpread / l2));
            probe.Note(Math.Abs(sums.Probe - expectedProbe) / l2, bounds.Probe + (probeSpread / l2), Where(name, probeSpread / l2));
        }
        checks.Add(new("gradient count", rows.Length == found.Count ? 0 : 1, 0));
        checks.Add(length.Check("gradient l2", bounds.Length));
        checks.Add(probe.Check("gradient probe", bounds.Probe));
        if (negligible.Count > 0)
            checks.Add(small.Check("negligible gradients", NegligibleTolerance));
        var norm = Math.Sqrt(rows.Where(r => found.ContainsKey(r.Name)).Sum(r => found[r.Name].L2 * found[r.Name].L2));
        checks.Add(new("grad_l2", Math.Abs(norm - total) / total, bounds.Length));
    }

    private static bool IsWithin((string Name, double L2, double Probe) row, GradientSums found, (double Length, double Probe) bounds) =>
        Math.Abs(found.L2 - row.L2) <= bounds.Length * row.L2 && Math.Abs(found.Probe - row.Probe) <= bounds.Probe * row.L2;

    // How far rounding moves each gradient; a unit within rounding of a kink moves what it carries.
    private Dictionary<string, (double L2, double Probe)> RoundingSpread(Backbone network, Dictionary<string, GradientSums> found)
    {
        var spread = found.Keys.ToDictionary(n => n, _ => (L2: 0.0, Probe: 0.0));
        for (var draw = 0; draw < RoundingDraws.Count; draw++)
        {
            RoundingDraws.Fill(network, fixture.Exponents, draw);
            network.ZeroGrad();
            Step(network);
            foreach (var (name, sums) in GradientSums.Of(network))
                spread[name] = (Math.Max(spread[name].L2, Math.Abs(sums.L2 - found[name].L2)), Math.Max(spread[name].Probe, Math.Abs(sums.Probe - found[name].Probe)));
        }
        return spread;
    }

    private static string Where(string name, double spread) =>
        spread == 0 ? name : string.Create(CultureInfo.InvariantCulture, $"{name}, which rounding alone moves by {spread:0.0e+0}");

    private void CompareStatistics(Backbone network)
    {
        var buffers = network.NamedBuffers().ToDictionary(b => b.Name, b => b.Tensor);
        var worst = new Worst();
        foreach (var (name, l2, expectedProbe) in fixture.Root.Items("running_stats").Select(Row))
        {
            if (!buffers.TryGetValue(name, out var buffer))
            {
                worst.Note(double.PositiveInfinity, StatisticsTolerance, $"{name} is missing");
                continue;
            }
            var found = GoldenStatistics.Sums(buffer.ToArray<float>(), $"probe:{name}");
            worst.Note(Math.Max(Math.Abs(found.L2 - l2), Math.Abs(found.Probe - expectedProbe)) / l2, StatisticsTolerance, name);
        }
        checks.Add(worst.Check("running statistics", StatisticsTolerance));
    }

    private static (string Name, double L2, double Probe) Row(JsonElement row) => (row[0].GetString()!, row[1].GetDouble(), row[2].GetDouble());

    /// <summary>What is compared of a gradient.</summary>
    private readonly record struct GradientSums(double L2, double Probe)
    {
        /// <summary>Those of all parameters that have a gradient, by name.</summary>
        public static Dictionary<string, GradientSums> Of(Backbone network)
        {
            var result = new Dictionary<string, GradientSums>(StringComparer.Ordinal);
            foreach (var (name, parameter) in network.NamedParameters())
            {
                if (parameter.Grad is not { } gradient)
                    continue;
                var (l2, _, probe) = GoldenStatistics.Sums(gradient.ToArray<float>(), $"probe:{name}");
                result.Add(name, new(l2, probe));
            }
            return result;
        }
    }

    /// <summary>The error that is largest by its own tolerance, and where it was.</summary>
    private sealed class Worst
    {
        private double _error;
        private double? _tolerance;
        private string _where = "";

        public void Note(double error, double tolerance, string where)
        {
            // A NaN error is the worst there is.
            if (_tolerance is not { } known || !(error / tolerance <= _error / known))
                (_error, _tolerance, _where) = (error, tolerance, where);
        }

        public FixtureCheck Check(string what, double tolerance) => new(what, _error, _tolerance ?? tolerance, _where);
    }
}
