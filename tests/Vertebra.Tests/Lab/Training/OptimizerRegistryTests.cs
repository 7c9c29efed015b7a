using Vertebra.Kernels;
using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

/// <summary>What must hold for every name of <c>--opt</c>.</summary>
public class OptimizerRegistryTests
{
    public static TheoryData<string> Names => [.. Optimizers.Names, "lookahead_sgd", "lookahead_radam", "lookahead_muon"];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_optimizer_descends(string name)
    {
        var problem = new Problem(name);
        var before = problem.Loss();
        problem.Run(40);
        Assert.True(problem.Loss() < 0.995 * before, $"the loss went from {before} to {problem.Loss()}");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_optimizer_continues_with_the_same_bits(string name)
    {
        var whole = new Problem(name);
        whole.Run(7);
        var saved = whole.Optimizer.State().ToDictionary(s => s.Name, s => s.Tensor.Clone());
        var resumed = new Problem(name);
        foreach (var (from, to) in whole.Weights.Zip(resumed.Weights))
            to.CopyFrom(from);
        resumed.Optimizer.Load(saved, whole.Optimizer.StepCount);
        Assert.Equal(7, resumed.Optimizer.StepCount);
        whole.Run(8);
        resumed.Run(8);
        Assert.Equal(whole.Bits(), resumed.Bits());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_optimizer_has_the_same_bits_on_any_number_of_threads(string name)
    {
        var former = Workers.Count;
        try
        {
            Assert.Equal(BitsWith(1), BitsWith(2));
        }
        finally
        {
            Workers.Count = former;
        }

        float[] BitsWith(int threads)
        {
            Workers.Count = threads;
            var problem = new Problem(name);
            problem.Run(3);
            return problem.Bits();
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_optimizer_leaves_parameters_without_a_gradient_alone(string name)
    {
        var problem = new Problem(name);
        var before = problem.Weights[1].ToArray<float>();
        problem.Run(2, frozen: 1);
        Assert.Equal(before, problem.Weights[1].ToArray<float>());
    }

    /// <summary>f(w) = Σ aᵢ (wᵢ - tᵢ)² / 2 over tensors of every kind: longer than a piece of the parallel loop, a convolution, a matrix, a bias.</summary>
    private sealed class Problem
    {
        private readonly Tensor[] _targets;

        public Problem(string name)
        {
            Shape[] shapes = [[190, 200], [20, 18, 3, 3], [24, 40], [37]];
            Weights = [.. shapes.Select((s, i) => Random(s, (ulong)i))];
            _targets = [.. shapes.Select((s, i) => Random(s, (ulong)i + 10))];
            var parameters = Weights.Select((w, i) => new NamedParameter($"p{i}", w)).ToArray();
            ParameterGroup[] groups = [new(parameters[..3], 1e-3), new(parameters[3..])];
            Optimizer = Optimizers.Create(groups, new() { Opt = name });
            Optimizer.LearningRate = Math.Min(1, 2 * Optimizers.Find(name)!.Rate);
        }

        public Tensor[] Weights { get; }

        public Optimizer Optimizer { get; }

        public double Loss() => Weights.Zip(_targets).Sum(p => p.First.ToArray<float>().Zip(p.Second.ToArray<float>(), (w, t) => 0.5 * (w - t) * (w - t)).Select((e, i) => e * Curvature(i)).Sum());

        public void Run(int steps, int frozen = -1)
        {
            for (var step = 0; step < steps; step++)
            {
                for (var i = 0; i < Weights.Length; i++)
                {
                    var gradient = Weights[i].ToArray<float>().Zip(_targets[i].ToArray<float>(), (w, t) => w - t).Select((e, k) => e * Curvature(k)).ToArray();
                    Weights[i].Grad = i == frozen ? null : Tensor.From(gradient, Weights[i].Shape);
                }
                Optimizer.Step();
            }
        }

        public float[] Bits() => [.. Weights.Concat(Optimizer.State().Select(s => s.Tensor).Where(t => t.DType == DType.Float32)).SelectMany(t => t.ToArray<float>())];

        private static float Curvature(int i) => 0.25f * (1 + (i % 4));

        private static Tensor Random(Shape shape, ulong stream)
        {
            var random = new Philox(5, stream);
            var tensor = Tensor.From(Enumerable.Range(0, (int)shape.ElementCount).Select(i => random.Normal((ulong)i)).ToArray(), shape);
            tensor.RequiresGrad = true;
            return tensor;
        }
    }
}
