using System.Text.Json;
using Vertebra.Kernels;
using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

/// <summary>Update rules against PyTorch's own numbers, and against the papers' rules written out in float64.</summary>
public class OptimizerTests
{
    private const int Count = 37;

    public static TheoryData<string> Runs => ["sgd", "momentum", "nesterov_decay", "adam", "adam_decay", "adamw", "radam", "rmsprop", "adagrad", "clip_norm", "clip_value"];

    [Theory]
    [MemberData(nameof(Runs))]
    public void Trajectories_are_those_of_torch(string run)
    {
        using var golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/optimizers/trajectories.json")));
        var expected = golden.RootElement.GetProperty("weights").GetProperty(run);
        var weight = Tensor.From(Enumerable.Range(0, Count).Select(i => (((i * 29) % 64) - 32) / 16f).ToArray(), [Count]);
        var optimizer = Create(run, weight);
        for (var step = 1; step <= 20; step++)
        {
            weight.Grad = Tensor.From(Enumerable.Range(0, Count).Select(i => ((((i * 37) + (step * 101)) % 211) - 105) / 64f).ToArray(), [Count]);
            var scale = run == "clip_norm" ? GradientClipping.ScaleFor(optimizer.GradientNorm(), 2.0) : 1f;
            optimizer.Step(scale, run == "clip_value" ? 0.75f : float.PositiveInfinity);
            if (!expected.TryGetProperty($"{step}", out var values))
                continue;
            var actual = weight.ToArray<float>();
            for (var i = 0; i < Count; i++)
                Assert.Equal(values[i].GetDouble(), actual[i], 2e-6);
        }
    }

    private static Optimizer Create(string run, Tensor weight)
    {
        weight.RequiresGrad = true;
        ParameterGroup[] Decayed(double decay) => [new([new("w", weight)], decay)];
        Optimizer optimizer = run switch
        {
            "sgd" => new Sgd(Decayed(0)),
            "momentum" or "clip_norm" => new Sgd(Decayed(0), 0.9),
            "nesterov_decay" => new Sgd(Decayed(0.01), 0.9, nesterov: true),
            "adam" or "clip_value" => new Adam(Decayed(0)),
            "adam_decay" => new Adam(Decayed(0.05), 0.8, 0.95, 1e-4),
            "adamw" => new Adam(Decayed(0.1), decoupledDecay: true),
            "radam" => new RAdam(Decayed(0.05), new()),
            "rmsprop" => new RmsProp(Decayed(0.05)),
            _ => new Adagrad(Decayed(0.05)),
        };
        optimizer.LearningRate = optimizer switch { Sgd or Adagrad => 0.05, RmsProp => 0.01, _ => 0.02 };
        return optimizer;
    }

    [Fact]
    public void Nesterov_follows_the_rule_written_out_in_float64()
    {
        var (weights, truth) = Start();
        var velocity = new double[truth.Length];
        var optimizer = new Sgd([new([new("w", weights)], 0.01)], 0.9, nesterov: true);
        Follow(optimizer, weights, truth, (rate, _, i, g) =>
        {
            g += 0.01 * truth[i];
            velocity[i] = (0.9 * velocity[i]) + g;
            truth[i] -= rate * (g + (0.9 * velocity[i]));
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Adam_and_AdamW_follow_the_rule_written_out_in_float64(bool decoupled)
    {
        var (weights, truth) = Start();
        var (mean, square) = (new double[truth.Length], new double[truth.Length]);
        var optimizer = new Adam([new([new("w", weights)], 0.05)], decoupledDecay: decoupled);
        Follow(optimizer, weights, truth, (rate, t, i, g) =>
        {
            if (decoupled)
                truth[i] *= 1 - (rate * 0.05);
            else
                g += 0.05 * truth[i];
            mean[i] = (0.9 * mean[i]) + (0.1 * g);
            square[i] = (0.999 * square[i]) + (0.001 * g * g);
            var (m, s) = (mean[i] / (1 - Math.Pow(0.9, t)), square[i] / (1 - Math.Pow(0.999, t)));
            truth[i] -= rate * m / (Math.Sqrt(s) + 1e-8);
        });
    }

    /// <summary>Both sides descend f(w) = Σ aᵢ w²/2 + cos w from the same start with a rate that changes every step; the float64 side has its own gradients.</summary>
    private static void Follow(Optimizer optimizer, Tensor weights, double[] truth, Action<double, int, int, double> update)
    {
        for (var t = 1; t <= 200; t++)
        {
            optimizer.LearningRate = 0.02 / (1 + (0.01 * t));
            weights.Grad = Tensor.From(weights.ToArray<float>().Select((w, i) => (Curvature(i) * w) - MathF.Sin(w)).ToArray(), weights.Shape);
            optimizer.Step();
            for (var i = 0; i < truth.Length; i++)
                update(optimizer.LearningRate, t, i, (Curvature(i) * truth[i]) - Math.Sin(truth[i]));
        }
        var actual = weights.ToArray<float>();
        for (var i = 0; i < truth.Length; i++)
            Assert.True(Math.Abs(actual[i] - truth[i]) < 2e-5, $"weight {i} is {actual[i]}, the rule gives {truth[i]}");
    }

    private static float Curvature(int i) => 2 + (i % 5);

    private static (Tensor Weights, double[] Truth) Start()
    {
        var random = new Philox(1, 2);
        // Longer than one piece of the parallel loop, and not a multiple of a register.
        var values = Enumerable.Range(0, 40_003).Select(i => (4 * random.Uniform((ulong)i)) - 2).ToArray();
        var weights = Tensor.From(values, [values.Length]);
        weights.RequiresGrad = true;
        return (weights, Array.ConvertAll(values, v => (double)v));
    }

    [Fact]
    public void Updates_have_the_same_bits_on_any_number_of_threads()
    {
        var former = Workers.Count;
        try
        {
            var (one, two) = (RunWith(1), RunWith(2));
            Assert.Equal(one.Weights, two.Weights);
            Assert.Equal(one.Norm, two.Norm);
        }
        finally
        {
            Workers.Count = former;
        }

        static (float[] Weights, double Norm) RunWith(int threads)
        {
            Workers.Count = threads;
            var (weights, _) = Start();
            weights.Grad = weights.Clone();
            var optimizer = new Adam([new([new("w", weights)])]) { LearningRate = 0.1 };
            var norm = optimizer.GradientNorm();
            optimizer.Step();
            return (weights.ToArray<float>(), norm);
        }
    }

    [Fact]
    public void Decay_is_for_weights_of_two_axes_and_more()
    {
        var net = new TinyNet();
        var groups = ParameterGroup.Of(net, 0.1);
        Assert.Equal(["fc1.weight", "fc2.weight"], groups[0].Parameters.Select(p => p.Name));
        Assert.Equal(["fc1.bias", "fc2.bias"], groups[1].Parameters.Select(p => p.Name));
        Assert.Equal((0.1, 0.0), (groups[0].WeightDecay, groups[1].WeightDecay));
    }

    [Fact]
    public void Gradient_norm_is_that_of_all_gradients_together()
    {
        var (a, b) = (Tensor.Zeros([70_001]), Tensor.Zeros([2, 3]));
        (a.Grad, b.Grad) = (Tensor.Full(a.Shape, 0.5f), Tensor.Full(b.Shape, -3));
        var optimizer = new Sgd([new([new("a", a)]), new([new("b", b), new("c", Tensor.Zeros([9]))])]);
        Assert.Equal(Math.Sqrt((70_001 * 0.25) + (6 * 9)), optimizer.GradientNorm(), 1e-6);
    }

    [Fact]
    public void Saved_state_continues_with_the_same_bits_and_a_foreign_one_is_refused()
    {
        var (reference, _) = Start();
        var first = new Adam([new([new("w", reference)])]) { LearningRate = 0.01 };
        void Steps(Optimizer optimizer, Tensor weights, int count)
        {
            for (var i = 0; i < count; i++)
            {
                weights.Grad = weights.Clone();
                optimizer.Step();
            }
        }
        Steps(first, reference, 3);
        var weights = reference.Clone();
        var second = new Adam([new([new("w", weights)])]) { LearningRate = 0.01 };
        second.Load(first.State().ToDictionary(s => s.Name, s => s.Tensor.Clone()), first.StepCount);
        Steps(first, reference, 3);
        Steps(second, weights, 3);
        Assert.Equal(reference.ToArray<float>(), weights.ToArray<float>());
        Assert.Equal(["w/exp_avg", "w/exp_avg_sq"], first.State().Select(s => s.Name));
        var error = Assert.Throws<VertebraException>(() => new Sgd(first.Groups, 0.9).Load(first.State().ToDictionary(s => s.Name, s => s.Tensor), 3));
        Assert.Contains("w/momentum_buffer", error.Message);
    }
}
