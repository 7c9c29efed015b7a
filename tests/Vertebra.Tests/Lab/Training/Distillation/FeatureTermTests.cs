using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Distillation;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Tests.Lab.Training.Distillation;

/// <summary>Terms that look into networks, on networks of the zoo: what they compare, what gradients reach, and runs with them.</summary>
public class FeatureTermTests
{
    private const int Side = 64;

    private static readonly Preprocessing Images = Preprocessing.Whole(Side, [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]);

    private static Backbone Network(string name, ulong seed)
    {
        var network = Models.Create(name, new() { NumClasses = 3, ImgSize = Side });
        network.Initialise(seed);
        return network;
    }

    private static (DistillationObjective Objective, Backbone Student, Backbone Teacher, IDistillationTerm Term) Objective(
        string name, string student = "test_resnet", string teacher = "test_vit", Action<TrainingOptions>? change = null)
    {
        var options = new TrainingOptions { Teacher = "given", Distill = [name], Seed = 5 };
        change?.Invoke(options);
        options.Validate();
        options = options.WithEffectiveValues();
        var (learner, source) = (Network(student, 1), new Teacher(Network(teacher, 2), Images, Images));
        var context = new DistillationContext(options, learner, [source.Network], 3) { StudentImages = [1, Side, Side, 3], TeacherImages = [source.Images] };
        var term = DistillationTerms.Find(name).Make(context);
        var labels = new Vertebra.Lab.Training.Losses.TrainingLoss((logits, batch) => logits.CrossEntropy(batch.Labels));
        var objective = new DistillationObjective(labels, options.TaskLossWeight!.Value, [new(name, term, options.DistillLossWeight![0])], new LiveTeachers([source]));
        return (objective, learner, source.Network, term);
    }

    private static Batch Batch(int count = 4, int stream = 0)
    {
        var random = new Philox(8, (ulong)stream);
        var pixels = Enumerable.Range(0, count * Side * Side * 3).Select(i => (2 * random.Uniform((ulong)i)) - 1).ToArray();
        return new(0, Tensor.From(pixels, [count, Side, Side, 3]), Tensor.From(Enumerable.Range(0, count).Select(i => i % 3L).ToArray(), [count]),
            [.. Enumerable.Range(0, count)], TimeSpan.Zero);
    }

    [Theory]
    [InlineData("meal-v2", "test_resnet", "test_vit")]
    [InlineData("hint", "test_resnet", "test_vit")]
    [InlineData("hint", "test_vit", "test_convnext")]
    [InlineData("rkd", "test_resnet", "test_vit")]
    [InlineData("guidance", "test_resnet", "test_vit")]
    [InlineData("guidance", "test_vit", "test_convnext")]
    [InlineData("scalekd", "test_resnet", "test_vit")]
    [InlineData("scalekd", "test_resnet", "test_vit2")] // a class token and registers
    [InlineData("scalekd", "test_vit", "test_convnext")]
    [InlineData("scalekd", "mixer_s32_224", "test_vit")]
    public void Gradients_reach_the_student_and_the_companion_and_not_the_teacher(string name, string student, string teacher)
    {
        var (objective, learner, source, term) = Objective(name, student, teacher);
        learner.Train();
        objective.Companion?.Train();
        var (logits, loss) = objective.Compute(learner, Batch());
        Assert.Equal([4, 3], logits.Shape);
        Assert.True(float.IsFinite(loss.ToScalar()));
        loss.Backward();
        Assert.All(source.NamedParameters(), p => Assert.Null(p.Tensor.Grad));
        Assert.Contains(learner.NamedParameters(), p => p.Tensor.Grad is not null);
        Assert.All(term.Companion?.NamedParameters() ?? [], p => Assert.True(p.Tensor.Grad is not null, p.Name));
    }

    [Theory]
    [InlineData("test_vit")]
    [InlineData("test_vit2")]
    [InlineData("test_convnext")]
    [InlineData("test_resnet")]
    public void What_follows_a_level_computes_of_it_what_the_network_did(string name)
    {
        var (network, images) = (Network(name, 3), Batch().Images);
        var levels = network.FeatureInfo;
        var (from, to) = (network[levels[^2].Path], network[levels[^1].Path]);
        using var watch = new ModuleWatch(from, to);
        network.Forward(images);
        var result = new NetworkTail(network, levels[^2], levels[^1]).Forward(watch[from], images.Shape);
        Assert.All(result.ToArray<float>().Zip(watch[to].ToArray<float>()), p => Assert.Equal(p.Second, p.First, 1e-4));
    }

    [Fact]
    public void A_level_that_needs_more_than_the_one_before_is_refused()
    {
        var network = Network("hrnet_w18_small", 3);
        var levels = network.FeatureInfo;
        Assert.Contains("cannot be computed of", Assert.Throws<VertebraException>(() =>
            new NetworkTail(network, levels[^2], levels[^1]).Forward(Tensor.Zeros([1, 4, 4, levels[^2].Channels]), [1, Side, Side, 3])).Message);
    }

    /// <summary>Were the teacher's last stage not part of the way, the projected map would not have to please it.</summary>
    [Fact]
    public void ScaleKD_perceives_the_weights_of_the_teachers_last_stage()
    {
        float Loss(Action<Backbone> change)
        {
            var (objective, student, teacher, _) = Objective("scalekd", change: o => o.TaskLossWeight = 0);
            change(teacher);
            objective.Companion!.Eval();
            return objective.Compute(student, Batch()).Loss.ToScalar();
        }
        var plain = Loss(_ => { });
        Assert.True(plain > 0);
        Assert.Equal(plain, Loss(t => Scale(t, "head.weight")), 1e-6);
        Assert.NotEqual(plain, Loss(t => Scale(t, "blocks.5.mlp.fc1.weight")), 1e-4);
        static void Scale(Backbone network, string name)
        {
            var tensor = network.NamedParameters().Single(p => p.Name == name).Tensor;
            tensor.CopyFrom(tensor.Detach() * 3);
        }
    }

    [Fact]
    public void A_network_guided_by_itself_lacks_nothing()
    {
        var (objective, _, teacher, term) = Objective("guidance", "test_vit", "test_vit", o => o.TaskLossWeight = 0);
        Assert.Equal(term.Layers, term.TeacherLayers);
        Assert.True(term.Layers.Count > 12);
        Assert.DoesNotContain("head", term.Layers);
        Assert.Equal(0, objective.Compute(teacher, Batch()).Loss.ToScalar(), 1e-3);
        var (other, student, _, _) = Objective("guidance", "test_vit", "test_vit", o => o.TaskLossWeight = 0);
        Assert.True(other.Compute(student, Batch()).Loss.ToScalar() > 0.1);
    }

    [Fact]
    public void Hints_are_of_the_level_that_is_asked_for()
    {
        var (_, student, _, term) = Objective("hint", "test_resnet", "test_resnet", o => o.HintLevel = -1);
        Assert.Equal(student.FeatureInfo[^1].Channels, term.Companion!.NamedParameters().First().Tensor.Shape[0]);
        Assert.Contains("--hint-level is 9", Assert.Throws<VertebraException>(() => Objective("hint", change: o => o.HintLevel = 9)).Message);
    }

    [Fact]
    public void Meal_learns_the_mean_of_the_ensemble_and_no_labels()
    {
        var options = new TrainingOptions { Teacher = "given", Distill = ["meal-v2"] }.WithEffectiveValues();
        Assert.Equal(0, options.TaskLossWeight);
        Tensor[] teachers = [Tensor.From([3f, 0, -1, 0, 2, 2], [2, 3]), Tensor.From([0f, 4, 1, 1, -2, 0], [2, 3])];
        var student = Network("test_resnet", 1);
        var term = DistillationTerms.Find("meal-v2").Make(new(options, student, [], 3));
        var mean = (teachers[0].Softmax() + teachers[1].Softmax()) / 2;
        var pass = new DistillationPass { Batch = Batch(2), Student = student, Logits = mean.Log(), TeacherLogits = teachers };
        var together = (LogitDiscriminator)term.Companion!;
        Assert.Equal(together.Loss(mean.Log(), (teachers[0] + teachers[1]) / 2).ToScalar(), term.Compute(pass).ToScalar(), 1e-5);
    }

    // ---------------------------------------------------------------- runs

    [Theory]
    [InlineData("meal-v2")]
    [InlineData("hint")]
    [InlineData("rkd")]
    [InlineData("guidance")]
    [InlineData("scalekd")]
    public void An_interrupted_run_ends_with_the_same_bits(string name)
    {
        TrainerSetup Setup(RunFolder folder, ITrainingProgress? progress = null)
        {
            var (objective, student, _, _) = Objective(name);
            var options = SmallRun.Options;
            (options.Epochs, options.BatchSize) = (2, 8);
            var input = new InputTransform(Images, Augmentation.SmallImages with { Padding = 1 });
            return SmallRun.Setup(folder, options, progress) with
            {
                Network = student,
                Training = new(new ColourDataset(24, Side), input, LoaderOptions.ForTraining(8, 9)),
                Validation = new(new ColourDataset(12, Side, 1), new InputTransform(Images), LoaderOptions.ForEvaluation(8)),
                Objective = _ => objective,
            };
        }
        Assert.Equal(InterruptedRun.Fingerprint(Setup), InterruptedRun.Fingerprint(Setup, 2, 2));
    }
}
