using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Adversarial;
using Vertebra.Lab.Training.Losses;
using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Tests.Lab.Training.Adversarial;

public class ConcurrentAdversarialTests
{
    private const int Side = 2;

    private static readonly float[] Bound = [0.01f, 0.02f, 0.04f];

    /// <summary>A linear network, whose gradient with respect to the image is known: (softmax(Wx) - y)·W.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Twins_go_up_the_loss_of_the_weights_of_so_many_updates_ago(int staleness)
    {
        var network = new Recorder();
        network.Initialise(4);
        var objective = new ConcurrentAdversarial(TrainingLosses.Create(new() { Smoothing = 0 }), network, staleness, Bound);
        network.Train();
        var weights = new List<float[]>();
        for (var update = 0; update < 6; update++)
        {
            // Other weights each time, as far apart as to turn signs.
            network.Initialise((ulong)(20 + update));
            weights.Add(network.Weight.ToArray<float>());
            var batch = BatchOf(update);
            // Two batches of one update: the weights are no older for the second.
            for (var accumulated = 0; accumulated < 2; accumulated++)
            {
                network.Seen.Clear();
                objective.Compute(network, batch).Loss.Backward();
                var (stale, clean, twin) = (network.Seen[0], network.Seen[1], network.Seen[2]);
                Assert.Equal(3, network.Seen.Count);
                Assert.Equal(update < staleness ? Start : weights[update - staleness], stale.Weight);
                Assert.Equal(weights[update], clean.Weight);
                Assert.Equal(weights[update], twin.Weight);
                Assert.Equal(batch.Images.ToArray<float>(), clean.Images);
                Assert.Equal(Expected(batch, stale.Weight), twin.Images);
                Assert.NotEqual(Expected(batch, clean.Weight), twin.Images);
            }
            Assert.Equal(weights[update], network.Weight.ToArray<float>());
            Assert.True(network.Weight.RequiresGrad);
        }
    }

    [Fact]
    public void The_loss_is_that_of_both_and_its_gradient_too()
    {
        var network = new Recorder();
        network.Initialise(4);
        var labels = TrainingLosses.Create(new() { Smoothing = 0.1 });
        var objective = new ConcurrentAdversarial(labels, network, 1, Bound);
        network.Train();
        var batch = BatchOf(1);
        var (logits, loss) = objective.Compute(network, batch);
        loss.Backward();
        var gradient = network.Weight.Grad!.ToArray<float>();
        var twins = Tensor.From(network.Seen[2].Images, batch.Images.Shape);
        network.ZeroGrad();
        var clean = network.Forward(batch.Images);
        var expected = labels.Compute(clean, batch) + labels.Compute(network.Forward(twins), batch);
        expected.Backward();
        Assert.Equal(expected.ToScalar(), loss.ToScalar(), 1e-6f);
        Assert.Equal(clean.ToArray<float>(), logits.ToArray<float>());
        Assert.Equal(network.Weight.Grad!.ToArray<float>(), gradient);
    }

    [Fact]
    public void Batch_norms_of_their_own_see_the_twins_and_nothing_else_does()
    {
        var (network, reference) = (new NormNet(), new NormNet());
        network.Initialise(1);
        reference.Initialise(1);
        var labels = TrainingLosses.Create(new() { Smoothing = 0 });
        var objective = new ConcurrentAdversarial(labels, network, 1, [0.5f, 0.5f, 0.5f]);
        network.Train();
        reference.Train();
        objective.Companion.Train();
        var batch = BatchOf(3);
        objective.Compute(network, batch).Loss.Backward();
        var own = objective.Companion.NamedModules().Select(m => m.Module).OfType<BatchNorm2d>().Single();

        // The network's own: as if there were no twins.
        var clean = reference.Forward(batch.Images);
        labels.Compute(clean, batch).Backward();
        Assert.Equal(reference.Norm.RunningMean.ToArray<float>(), network.Norm.RunningMean.ToArray<float>());
        Assert.Equal(reference.Norm.RunningVar.ToArray<float>(), network.Norm.RunningVar.ToArray<float>());
        Assert.Equal(reference.Norm.Weight.Grad!.ToArray<float>(), network.Norm.Weight.Grad!.ToArray<float>());

        // The others': as if a network had been shown the twins.
        var images = batch.Images.Clone();
        images.RequiresGrad = true;
        var other = new NormNet();
        other.Initialise(1);
        other.Train();
        var gradient = labels.Compute(other.Forward(images), batch).Gradients([images])[0];
        var shown = new NormNet();
        shown.Initialise(1);
        shown.Train();
        labels.Compute(shown.Forward(batch.Images + (gradient.Sign() * 0.5f)), batch).Backward();
        Assert.Equal(shown.Norm.RunningMean.ToArray<float>(), own.RunningMean.ToArray<float>());
        Assert.Equal(shown.Norm.RunningVar.ToArray<float>(), own.RunningVar.ToArray<float>());
        Assert.Equal(shown.Norm.Weight.Grad!.ToArray<float>(), own.Weight.Grad!.ToArray<float>());
        Assert.NotEqual(own.RunningMean.ToArray<float>(), network.Norm.RunningMean.ToArray<float>());
        Assert.Null(network.Norm.Substitute);
    }

    [Fact]
    public void A_run_goes_on_to_the_same_bits_and_learns()
    {
        using var place = new TemporaryFolder();
        var options = new TrainingOptions { Model = "tiny", BatchSize = 16, Epochs = 3, Lr = 0.05, WarmupEpochs = 0, Opt = "sgd", Conadv = true, ConadvStaleness = 2, ModelEma = true, ModelEmaDecay = 0.9, GradAccumSteps = 2, Seed = 9 };
        TrainerSetup Setup(RunFolder folder)
        {
            var network = new NormNet();
            network.Initialise(2);
            var setup = SmallRun.Setup(folder, options);
            return setup with { Network = network, Objective = ConcurrentAdversarial.Of(options, network, new ColourDataset(3).Preprocessing) };
        }
        var (whole, pieces) = (RunFolder.Create(place.Path, "whole"), RunFolder.Create(place.Path, "pieces"));
        var result = new Trainer(Setup(whole)).Run();
        Assert.True(result.Rows[^1].TrainLoss < result.Rows[0].TrainLoss);
        foreach (var stop in (int[])[3, 6])
        {
            using var source = new CancellationTokenSource();
            Assert.False(new Trainer(Setup(pieces) with { Progress = new StopAfter(stop, source) }).Run(source.Token).IsComplete);
        }
        new Trainer(Setup(pieces)).Run();
        Assert.Equal(SmallRun.Fingerprint(whole), SmallRun.Fingerprint(pieces));
        Assert.Contains("companion/norm/norm.running_mean", Safetensors.Read(whole.State).Tensors.Keys);
        Assert.DoesNotContain(Safetensors.Read(whole.Last).Tensors.Keys, k => k.Contains("age") || k.Contains('/'));
    }

    [Fact]
    public void Options_are_checked()
    {
        Refuses("--conadv-eps is 0", o => o.ConadvEps = 0);
        Refuses("--conadv-staleness is 0", o => o.ConadvStaleness = 0);
        Refuses("--sam is sam", o => (o.Conadv, o.Sam) = (true, "sam"));

        static void Refuses(string expected, Action<TrainingOptions> change)
        {
            var options = new TrainingOptions();
            change(options);
            Assert.Contains(expected, Assert.Throws<VertebraException>(options.Validate).Message);
        }
    }

    private static float[] Start
    {
        get
        {
            var network = new Recorder();
            network.Initialise(4);
            return network.Weight.ToArray<float>();
        }
    }

    private static float[] Expected(Batch batch, float[] weight)
    {
        var (x, labels) = (batch.Images.ToArray<float>(), batch.Labels.ToArray<long>());
        var inputs = Side * Side * 3;
        var result = (float[])x.Clone();
        for (var n = 0; n < labels.Length; n++)
        {
            var logits = Enumerable.Range(0, 3).Select(c => Enumerable.Range(0, inputs).Sum(i => (double)weight[(c * inputs) + i] * x[(n * inputs) + i])).ToArray();
            var exp = Array.ConvertAll(logits, l => Math.Exp(l - logits.Max()));
            for (var i = 0; i < inputs; i++)
            {
                var gradient = Enumerable.Range(0, 3).Sum(c => ((exp[c] / exp.Sum()) - (labels[n] == c ? 1 : 0)) * weight[(c * inputs) + i]);
                result[(n * inputs) + i] += Math.Sign(gradient) * Bound[i % 3];
            }
        }
        return result;
    }

    private static Batch BatchOf(int stream)
    {
        var random = new Philox(3, (ulong)stream);
        var images = Enumerable.Range(0, 4 * Side * Side * 3).Select(i => random.Uniform((ulong)i) - 0.5f).ToArray();
        return new(0, Tensor.From(images, [4, Side, Side, 3]), Tensor.From(0L, 1, 2, 1), [0, 1, 2, 3], TimeSpan.Zero);
    }

    /// <summary>Notes what it is shown and with which weights.</summary>
    private sealed class Recorder : Module
    {
        public Recorder() => Weight = Parameter("weight", [3, Side * Side * 3], Init.KaimingNormal(fanOut: false));

        public Tensor Weight { get; }

        public List<(float[] Images, float[] Weight)> Seen { get; } = [];

        protected override Tensor OnForward(Tensor x)
        {
            Seen.Add((x.ToArray<float>(), Weight.ToArray<float>()));
            return x.Reshape([x.Shape[0], -1]).Linear(Weight);
        }
    }

    private sealed class NormNet : Module
    {
        private readonly Tensor _conv;
        private readonly Tensor _linear;

        public NormNet()
        {
            _conv = Parameter("conv", [5, 3, 1, 1], Init.KaimingNormal(fanOut: false));
            Norm = Child("norm", new BatchNorm2d(5, activation: ActivationKind.Relu));
            _linear = Parameter("linear", [3, 5], Init.TorchDefault);
        }

        public BatchNorm2d Norm { get; }

        protected override Tensor OnForward(Tensor x) => Norm.Forward(x.Conv2d(_conv)).Mean([1, 2]).Linear(_linear);
    }
}
