using Vertebra.Autograd;
using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Ops;
using Conv2d = Vertebra.Nn.Conv2d;

namespace Vertebra.Tests.Lab.Training;

public class GradientTreatmentTests
{
    /// <summary>Brock et al. 2021, equation 3, unit by unit in float64; the classifier keeps its gradient.</summary>
    [Fact]
    public void Adaptive_clipping_goes_by_units()
    {
        const double Share = 0.1, Scale = 0.5;
        var (filters, bias, classifier) = (Noise([4, 3, 2, 2], 1, 0.3f), Tensor.Zeros([5]), Noise([3, 7], 2, 0.01f));
        (filters.Grad, bias.Grad, classifier.Grad) = (Noise([4, 3, 2, 2], 3, 0.2f), Noise([5], 4, 1), Noise([3, 7], 5, 100));
        // The second filter's gradient is small enough.
        var gradient = filters.Grad.ToArray<float>();
        for (var i = 12; i < 24; i++)
            gradient[i] *= 1e-3f;
        filters.Grad = Tensor.From(gradient, filters.Shape);
        var before = new[] { filters, bias, classifier }.Select(t => t.Grad!.ToArray<float>()).ToArray();
        var memory = filters.Grad;

        AdaptiveClipping.Apply([new([new("f", filters), new("b", bias), new("head", classifier, ParameterKind.Classifier)])], Share, Scale);

        Assert.Equal(before[2], classifier.Grad.ToArray<float>());
        Assert.Equal(before[0], memory.ToArray<float>());
        for (var unit = 0; unit < 4; unit++)
            AssertClipped(before[0][(unit * 12)..((unit + 1) * 12)], filters.ToArray<float>()[(unit * 12)..((unit + 1) * 12)], filters.Grad.ToArray<float>()[(unit * 12)..((unit + 1) * 12)]);
        AssertClipped(before[1], bias.ToArray<float>(), bias.Grad.ToArray<float>());
        Assert.Equal(before[0][12..24], filters.Grad.ToArray<float>()[12..24]);

        static void AssertClipped(float[] gradient, float[] weights, float[] actual)
        {
            var largest = Share * Math.Max(1e-3, PaperRules.Norm(weights.Select(w => (double)w)));
            var norm = Scale * PaperRules.Norm(gradient.Select(g => (double)g));
            var factor = norm < largest ? 1 : largest / norm;
            for (var i = 0; i < gradient.Length; i++)
                Assert.Equal(gradient[i] * factor, actual[i], 1e-6);
        }
    }

    [Fact]
    public void Noise_has_the_annealed_variance_and_comes_after_clipping()
    {
        var weights = Tensor.Zeros([300, 300]);
        var optimizer = new Sgd([new([new("w", weights)])]);
        var treatment = new GradientTreatment(new() { GradNoise = 0.3, ClipGrad = 0.5, ClipMode = "value", Seed = 3 }, optimizer);
        foreach (var update in new long[] { 0, 99, 100 })
        {
            weights.Grad = Tensor.Full(weights.Shape, 8);
            Assert.Equal((1f, float.PositiveInfinity), treatment.Apply(4, update, n => n));
            var values = weights.Grad.ToArray<float>();
            // 8 / 4 batches is cut off at 0.5.
            Assert.Equal(0.5, values.Average(), 0.01);
            Assert.Equal(0.3 / Math.Pow(1 + update, 0.55), values.Average(v => (v - 0.5) * (v - 0.5)), 0.02 * 0.3 / Math.Pow(1 + update, 0.55));
        }
        var first = weights.Grad!.ToArray<float>();
        weights.Grad = Tensor.Full(weights.Shape, 8);
        treatment.Apply(4, 100, n => n);
        Assert.Equal(first, weights.Grad.ToArray<float>());
    }

    private static Tensor Noise(Shape shape, ulong stream, float size)
    {
        var random = new Philox(3, stream);
        return Tensor.From(Enumerable.Range(0, (int)shape.ElementCount).Select(i => size * random.Normal((ulong)i)).ToArray(), shape);
    }

    // ---------------------------------------------------------------- sharpness

    /// <summary>Foret et al. 2021, equation 2, and Kwon et al. 2021, in float64: which parameters move, and how far.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void The_ascent_is_that_of_the_papers_and_is_undone_bit_for_bit(bool adaptive, bool onlyNorm)
    {
        const double Rho = 0.2, Eta = 0.01, Scale = 0.25;
        var net = new NormNet();
        net.Initialise(3);
        net.Train();
        (net.Forward(Noise([4, 6, 6, 2], 9, 1)) * Noise([4, 6, 6, 3], 10, 1)).Sum().Backward();
        var parameters = net.NamedParameters().ToArray();
        var state = net.State().Select(e => Bits(e.Tensor)).ToArray();
        var weights = parameters.Select(p => p.Tensor.ToArray<float>()).ToArray();
        var moved = parameters.Select(p => !onlyNorm || p.Name.StartsWith("bn", StringComparison.Ordinal)).ToArray();
        double[][] t = [.. parameters.Select((p, k) => weights[k].Select(w => adaptive && p.Name.EndsWith("weight", StringComparison.Ordinal) ? Math.Abs(w) + Eta : 1).ToArray())];
        double[][] g = [.. parameters.Select(p => p.Tensor.Grad!.ToArray<float>().Select(v => v * Scale).ToArray())];
        var norm = PaperRules.Norm(g.SelectMany((values, k) => moved[k] ? values.Select((v, i) => t[k][i] * v) : []));

        var sharpness = new SharpnessAware(net, Rho, adaptive, Eta, onlyNorm);
        sharpness.Ascend((float)Scale);
        for (var k = 0; k < parameters.Length; k++)
        {
            var actual = parameters[k].Tensor.ToArray<float>();
            for (var i = 0; i < actual.Length; i++)
                Assert.Equal(weights[k][i] + (moved[k] ? Rho * t[k][i] * t[k][i] * g[k][i] / norm : 0), actual[i], 1e-6);
        }
        net.Forward(Noise([4, 6, 6, 2], 11, 1));
        Assert.NotEqual(state, net.State().Select(e => Bits(e.Tensor)));
        sharpness.Descend();
        Assert.Equal(state, net.State().Select(e => Bits(e.Tensor)));
    }

    private static string Bits(Tensor tensor) => tensor.DType == DType.Int64 ? string.Join(' ', tensor.ToArray<long>()) : string.Join(' ', tensor.ToArray<float>().Select(BitConverter.SingleToInt32Bits));

    private sealed class NormNet : Module
    {
        private readonly Conv2d _conv;
        private readonly BatchNorm2d _bn;

        public NormNet()
        {
            _conv = Child("conv", new Conv2d(2, 3, 3, padding: 1));
            _bn = Child("bn", new BatchNorm2d(3));
        }

        protected override Tensor OnForward(Tensor x) => _bn.Forward(_conv.Forward(x));
    }

    /// <summary>One update of two accumulated batches by hand: the second pass sees the same images and the same noise at the weights above, and running statistics move once a batch.</summary>
    [Theory]
    [InlineData("sam")]
    [InlineData("asam")]
    public void The_trainer_takes_the_gradient_above_with_the_same_noise(string kind)
    {
        using var place = new TemporaryFolder();
        var options = SmallRun.Options;
        (options.Sam, options.Epochs, options.ClipGrad, options.ModelEma, options.WeightDecay, options.WarmupEpochs) = (kind, 1, null, false, 0, 0);
        (options.Opt, options.Momentum, options.Sched, options.GradAccumSteps) = ("momentum", 0, "constant", 2);
        var setup = SmallRun.Setup(RunFolder.Create(place.Path, "run"), options);
        new Trainer(setup).Run();

        var twin = SmallRun.Setup(RunFolder.Create(place.Path, "twin"), options);
        var net = twin.Network;
        net.Train();
        var sharpness = new SharpnessAware(net, kind == "sam" ? 0.05 : 0.5, kind == "asam");
        var batches = twin.Training.Epoch(0, 0, CancellationToken.None).ToArray();
        foreach (var group in batches.Chunk(2))
        {
            void Gradients()
            {
                net.ZeroGrad();
                foreach (var batch in group)
                {
                    using var random = TrainingRandom.Begin((ulong)options.Seed, batch.Number);
                    net.Forward(batch.Images).CrossEntropy(batch.Labels, (float)options.Smoothing).Backward();
                }
            }
            Gradients();
            sharpness.Ascend(1f / group.Length);
            Gradients();
            sharpness.Descend();
            new Sgd(ParameterGroup.Of(net, 0)) { LearningRate = options.Lr!.Value }.Step(1f / group.Length);
        }
        Assert.Equal(setup.Network.State().Select(e => Bits(e.Tensor)), net.State().Select(e => Bits(e.Tensor)));
        Assert.Equal(7, net.State().Single(e => e.Name == "num_batches_tracked").Tensor.ToArray<long>()[0]);
    }

    [Fact]
    public void Perturbing_only_norms_needs_some() =>
        Assert.Contains("--sam-only-norm", Assert.Throws<VertebraException>(() => new SharpnessAware(new TinyNet(), 0.05, onlyNorm: true)).Message);
}
