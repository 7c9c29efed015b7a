using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Distillation;
using Vertebra.Lab.Training.Losses;
using Vertebra.Lab.Training.Mixing;
using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Tests.Lab.Training.Distillation;

/// <summary>ORC: who teaches follows the ranking of every batch, feedback is what students find hard, and the loss is the paper's, written out in float64.</summary>
public class RoleChangeTests
{
    private const int Images = 6;
    private const int Classes = 3;

    private static readonly RoleChangeOptions Options = new() { Temperature = 3, TeacherShare = 0.3, MixAlpha = 0.8 };

    private static readonly ITrainingLoss Labels = new TrainingLoss((logits, batch) => logits.CrossEntropy(batch.Labels));

    private static Batch Batch(int stream = 0)
    {
        var random = new Philox(5, (ulong)stream);
        var pixels = Enumerable.Range(0, Images * 4).Select(i => (2 * random.Uniform((ulong)i)) - 1).ToArray();
        return new(0, Tensor.From(pixels, [Images, 1, 1, 4]), Tensor.From(0L, 1, 2, 1, 0, 2), [0, 1, 2, 3, 4, 5], TimeSpan.Zero);
    }

    private static Module Network(ulong seed)
    {
        var network = new TinyNet();
        network.Initialise(seed);
        return network.Train();
    }

    private static (RoleChangeObjective Objective, Module[] Students, Module Pivot) Group(RoleChangeOptions options, params ulong[] seeds)
    {
        var (students, pivot) = (Array.ConvertAll(seeds, Network), Network(99));
        return (new(Labels, options, pivot, students[1..]), students, pivot);
    }

    private static double[] LossesOf(IEnumerable<Module> networks, Batch batch)
    {
        using var off = GradMode.Off();
        return [.. networks.Select(n => (double)n.Forward(batch.Images).CrossEntropy(batch.Labels).ToScalar())];
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void The_students_of_the_least_losses_teach_anew_in_every_round(int promoted)
    {
        var (objective, students, _) = Group(Options with { Promoted = promoted }, 1, 2, 3, 4);
        var seen = new HashSet<int>();
        for (var round = 0; round < 12; round++)
        {
            var batch = Batch(round);
            var losses = LossesOf(students, batch);
            using (TrainingRandom.Begin(1, round))
                objective.Compute(students[0], batch);
            Assert.Equal(Enumerable.Range(0, 4).OrderBy(s => losses[s]).Take(promoted), objective.Promoted);
            seen.UnionWith(objective.Promoted);
        }
        Assert.True(seen.Count > promoted, "roles never changed");
    }

    [Fact]
    public void Roles_change_places_with_the_weights()
    {
        var batch = Batch();
        int Best(params ulong[] seeds)
        {
            var (objective, students, _) = Group(Options, seeds);
            using (TrainingRandom.Begin(1, 0))
                objective.Compute(students[0], batch);
            return objective.Promoted.Single();
        }
        ulong[] seeds = [1, 2, 3];
        var best = Best(seeds);
        var other = (best + 1) % 3;
        (seeds[best], seeds[other]) = (seeds[other], seeds[best]);
        Assert.Equal(other, Best(seeds));
    }

    [Fact]
    public void Feedback_is_what_each_finds_hardest_in_shares_of_a_softmax()
    {
        // Means 2 and 1: shares e / (e + 1) = 0.731 and 0.269 of 4 images, 3 and 1.
        Assert.Equal([0, 1, 2, 3], RoleChange.Feedback([[4, 3, 1, 0], [0.5f, 0.5f, 0, 3]]));
        Assert.Equal([1, 3, 1, 3], RoleChange.Feedback([[0, 9, 1, 2], [1, 7, 0, 4]]));
        Assert.Equal(5, RoleChange.Feedback([[1, 1, 1, 1, 1], [2, 2, 2, 2, 2], [3, 3, 3, 3, 3]]).Count);
    }

    [Fact]
    public void The_loss_is_that_of_the_three_ways_to_teach()
    {
        var (objective, students, pivot) = Group(Options, 1, 2, 3);
        var batch = Batch();
        Tensor loss;
        using (TrainingRandom.Begin(7, 11))
            loss = objective.Compute(students[0], batch).Loss;

        var answers = students.Select(s => Rows(s.Forward(batch.Images))).ToArray();
        var labels = batch.Labels.ToArray<long>();
        var perImage = answers.Select(a => a.Select((row, i) => -Math.Log(Softmax(row, 1)[labels[i]])).ToArray()).ToArray();
        var best = Enumerable.Range(0, 3).MinBy(s => perImage[s].Average());
        var pivotAnswer = Rows(pivot.Forward(batch.Images));
        var (share, dealt) = Mixing(RoleChange.Feedback([.. perImage.Select(l => l.Select(x => (float)x).ToArray())]));
        var mixed = (batch.Images * share) + (batch.Images.IndexSelect(0, Tensor.From(dealt.Select(i => (long)i).ToArray(), [Images])) * (1 - share));
        var expected = Rows(pivot.Forward(mixed)).Select((row, i) =>
            -((share * Math.Log(Softmax(row, 1)[labels[i]])) + ((1 - share) * Math.Log(Softmax(row, 1)[labels[dealt[i]]])))).Average();
        for (var s = 0; s < 3; s++)
        {
            var taught = Divergence(answers[s], pivotAnswer) + (s == best ? 0 : Divergence(answers[s], answers[best]));
            expected += ((1 - Options.TeacherShare) * perImage[s].Average()) + (Options.TeacherShare * taught);
        }
        Assert.Equal(expected, loss.ToScalar(), 1e-4);
    }

    [Fact]
    public void The_pivot_teacher_learns_from_feedback_alone_and_the_best_from_the_pivot_alone()
    {
        var (objective, students, pivot) = Group(Options, 1, 2, 3);
        var batch = Batch();
        void Run(RoleChangeObjective o)
        {
            foreach (var network in students.Append(pivot))
                network.ZeroGrad();
            using (TrainingRandom.Begin(7, 11))
                o.Compute(students[0], batch).Loss.Backward();
        }
        Run(objective);
        var best = objective.Promoted.Single();
        var (ofPivot, ofBest) = (Gradient(pivot), Gradient(students[best]));

        Run(new(Labels, Options with { TeacherShare = 0, Temperature = 1 }, pivot, students[1..]));
        Assert.Equal(ofPivot, Gradient(pivot));

        students[best].ZeroGrad();
        var logits = students[best].Forward(batch.Images);
        var taught = DistillationLosses.KullbackLeibler(logits, (pivot.Forward(batch.Images).Detach() / 3).Softmax(), 3);
        ((logits.CrossEntropy(batch.Labels) * 0.7f) + (taught * 0.3f)).Backward();
        Assert.All(ofBest.Zip(Gradient(students[best])), p => Assert.Equal(p.First, p.Second, 1e-5));
    }

    [Fact]
    public void A_student_must_be_left() =>
        Assert.Contains("one student must be left", Assert.Throws<VertebraException>(() => Group(Options with { Promoted = 2 }, 1, 2)).Message);

    [Theory]
    [InlineData("given together with one --teacher", null, 1, null)]
    [InlineData("given together with one --teacher", "a,b", 1, null)]
    [InlineData("--peers-promoted is 2; it must be 1 to 1", "a", 2, null)]
    [InlineData("--task-loss-weight is 1.5; it must be 0 to 1", "a", 1, 1.5)]
    public void Options_of_a_group_must_fit_each_other(string expected, string? teacher, int promoted, double? task)
    {
        var options = new TrainingOptions { Teacher = teacher, Peers = ["resnet20_cifar"], PeersPromoted = promoted, TaskLossWeight = task };
        Assert.Contains(expected, Assert.Throws<VertebraException>(options.Validate).Message);
    }

    [Fact]
    public void A_group_shares_the_loss_between_labels_and_teachers() =>
        Assert.Equal(0.5, new TrainingOptions { Teacher = "a", Peers = ["resnet20_cifar"] }.WithEffectiveValues().TaskLossWeight);

    private static float[] Gradient(Module network) => [.. network.NamedParameters().SelectMany(p => p.Tensor.Grad!.ToArray<float>())];

    private static (float Share, int[] Dealt) Mixing(IReadOnlyList<int> feedback)
    {
        using (TrainingRandom.Begin(7, 11))
        {
            var (seed, stream) = TrainingRandom.Next();
            var random = new SampleRandom(new Philox(seed, stream), 0);
            var share = (float)BetaDistribution.Draw(ref random, Options.MixAlpha);
            return (share, RoleChange.Deal(feedback, ref random));
        }
    }

    private static float[][] Rows(Tensor logits) => [.. logits.ToArray<float>().Chunk(Classes)];

    private static double[] Softmax(float[] row, double temperature)
    {
        var powers = row.Select(x => Math.Exp(x / temperature)).ToArray();
        return [.. powers.Select(p => p / powers.Sum())];
    }

    private static double Divergence(float[][] student, float[][] teacher) => Options.Temperature * Options.Temperature * student.Zip(teacher, (s, t) =>
        Softmax(t, Options.Temperature).Zip(Softmax(s, Options.Temperature), (p, q) => p * Math.Log(p / q)).Sum()).Average();

    // ---------------------------------------------------------------- runs

    [Theory]
    [InlineData(3)]
    [InlineData(10, 2)]
    public void An_interrupted_run_of_a_group_ends_with_the_same_bits(params int[] stops)
    {
        TrainerSetup Setup(RunFolder folder, ITrainingProgress? progress = null) => SmallRun.Setup(folder, progress: progress) with
        {
            Objective = loss => new RoleChangeObjective(loss, new(), Colour(21), [Colour(22), Colour(23)]),
        };
        Assert.Equal(InterruptedRun.Fingerprint(Setup), InterruptedRun.Fingerprint(Setup, stops));

        static Module Colour(ulong seed)
        {
            var network = new TinyConvNet();
            network.Initialise(seed);
            return network;
        }
    }
}
