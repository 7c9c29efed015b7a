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
        var names = root.Texts("batch") ?? [];
        var logits = network.Forward(GoldenValues.Images(names, fixture.InputSize));
        var labels = Tensor.From(Enumerable.Repeat((long)root.Required("label", root.Integer("label")), names.Length).ToArray());
        var loss = logits.CrossEntropy(labels);
        var expectedLoss = root.Required("loss", root.Double("loss"));
        checks.Add(new("loss", Math.Abs(loss.ToScalar() - expectedLoss) / Math.Abs(expectedLoss), LossTolerance));
        checks.Add(new GoldenStatistics(root.Required("logits", root.Object("logits"))).CompareLogits("logits", logits, LogitsTolerance));
        loss.Backward();
        CompareGradients(network);
        CompareStatistics(network);
    }

    private void CompareGradients(Backbone network)
    {
        var root = fixture.Root;
        // Where an activation has a kink, a unit that rounds to its other side moves whole entries of a gradient.
        var isSmooth = network.NamedModules().All(m => m.Module is not Layers.FilterResponseNorm && (m.Module is not ActivationLayer { Kind: var kind } || kind.IsSmooth()));
        var noise = NoiseFactor * (root.Object("noise")?.Double("grad_worst_param") ?? 0);
        var lengthTolerance = Math.Max(isSmooth ? 5e-4 : 1e-2, noise);
        var probeTolerance = Math.Max(isSmooth ? 5e-4 : 5e-2, noise);
        var total = root.Required("grad_l2", root.Double("grad_l2"));
        var negligible = root.Object("noise")?.Texts("negligible_grads")?.ToHashSet() ?? [];
        var parameters = network.NamedParameters().ToDictionary(p => p.Name, p => p.Tensor);
        var rows = root.Items("grads").Select(Row).ToArray();
        double squares = 0;
        Worst length = new(), probe = new(), small = new();
        foreach (var (name, l2, expectedProbe) in rows)
        {
            if (!parameters.TryGetValue(name, out var parameter) || parameter.Grad is not { } gradient)
            {
                length.Note(double.PositiveInfinity, $"{name} has no gradient");
                continue;
            }
            var found = GoldenStatistics.Sums(gradient.ToArray<float>(), $"probe:{name}");
            squares += found.L2 * found.L2;
            if (negligible.Contains(name))
            {
                small.Note(Math.Max(Math.Abs(found.L2 - l2), Math.Abs(found.Probe - expectedProbe)) / total, name);
                continue;
            }
            length.Note(Math.Abs(found.L2 - l2) / l2, name);
            probe.Note(Math.Abs(found.Probe - expectedProbe) / l2, name);
        }
        checks.Add(new("gradient count", rows.Length == parameters.Values.Count(p => p.Grad is not null) ? 0 : 1, 0));
        checks.Add(length.Check("gradient l2", lengthTolerance));
        checks.Add(probe.Check("gradient probe", probeTolerance));
        if (negligible.Count > 0)
            checks.Add(small.Check("negligible gradients", NegligibleTolerance));
        checks.Add(new("grad_l2", Math.Abs(Math.Sqrt(squares) - total) / total, lengthTolerance));
    }

    private void CompareStatistics(Backbone network)
    {
        var buffers = network.NamedBuffers().ToDictionary(b => b.Name, b => b.Tensor);
        var worst = new Worst();
        foreach (var (name, l2, expectedProbe) in fixture.Root.Items("running_stats").Select(Row))
        {
            if (!buffers.TryGetValue(name, out var buffer))
            {
                worst.Note(double.PositiveInfinity, $"{name} is missing");
                continue;
            }
            var found = GoldenStatistics.Sums(buffer.ToArray<float>(), $"probe:{name}");
            worst.Note(Math.Max(Math.Abs(found.L2 - l2), Math.Abs(found.Probe - expectedProbe)) / l2, name);
        }
        checks.Add(worst.Check("running statistics", StatisticsTolerance));
    }

    private static (string Name, double L2, double Probe) Row(JsonElement row) => (row[0].GetString()!, row[1].GetDouble(), row[2].GetDouble());

    /// <summary>The largest error so far and where it was.</summary>
    private sealed class Worst
    {
        private double _error;
        private string _where = "";

        public void Note(double error, string where)
        {
            if (!(error <= _error))
                (_error, _where) = (error, where);
        }

        public FixtureCheck Check(string what, double tolerance) => new(what, _error, tolerance, _where);
    }
}
