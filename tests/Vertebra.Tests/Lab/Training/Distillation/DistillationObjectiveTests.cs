using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Distillation;
using Vertebra.Lab.Training.Losses;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Tests.Lab.Training.Distillation;

public class DistillationObjectiveTests
{
    private const int Classes = 3;

    private static readonly Preprocessing Plain = Preprocessing.Whole(32, [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]);

    public static TheoryData<string> Methods => [.. DistillationTerms.Names];

    /// <summary>Whatever a method is: its term is finite, teaches the student, and leaves the teachers as they are.</summary>
    [Theory]
    [MemberData(nameof(Methods))]
    public void Every_method_teaches_the_student_and_leaves_the_teachers(string method)
    {
        var options = OptionsFor(method);
        var student = Student(method == "token");
        Backbone[] teachers = [Network("resnet20_cifar", 2), .. DistillationTerms.Find(method).TakesOneTeacher ? Array.Empty<Backbone>() : [Network("resnet20_cifar", 3)]];
        var before = teachers.SelectMany(State).ToArray();
        var objective = Objective(options, student, new LiveTeachers([.. teachers.Select(t => new Teacher(t, Plain, Plain))]));
        student.Train();
        objective.Companion?.Train();
        var (logits, loss) = Compute(objective, student, Images(4));
        Assert.Equal([4, Classes], logits.Shape.Span.ToArray());
        Assert.True(float.IsFinite(loss.ToScalar()));
        loss.Backward();
        Assert.Contains(student.NamedParameters(), p => p.Tensor.Grad is { } g && g.ToArray<float>().Any(v => v != 0));
        Assert.All(teachers.SelectMany(t => t.NamedParameters()), p => Assert.Null(p.Tensor.Grad));
        Assert.Equal(before, teachers.SelectMany(State));
    }

    [Fact]
    public void The_loss_is_the_weighted_sum_of_labels_and_terms()
    {
        var options = OptionsFor("kl", "ssld");
        (options.TaskLossWeight, options.DistillLossWeight, options.KdTemperature, options.Smoothing) = (0.25, [2, 3], 3, 0);
        var (student, teacher) = (Network("resnet20_cifar", 1), Network("resnet20_cifar", 2));
        var batch = Images(4);
        var (logits, loss) = Compute(Objective(options, student, Live(teacher)), student, batch);
        var teacherLogits = Eval(teacher, batch.Images);
        var expected = (0.25 * logits.CrossEntropy(batch.Labels).ToScalar())
            + (2 * DistillationLosses.KullbackLeibler(logits, (teacherLogits / 3).Softmax(), 3).ToScalar())
            + (3 * DistillationLosses.JensenShannon(logits, teacherLogits.Softmax()).ToScalar());
        Assert.Equal(expected, loss.ToScalar(), 1e-4 * expected);
    }

    [Fact]
    public void Labels_count_only_where_there_are_any()
    {
        var options = OptionsFor("kl");
        (options.TaskLossWeight, options.DistillLossWeight, options.Smoothing) = (1, [0], 0);
        var (student, teacher) = (Network("resnet20_cifar", 1), Network("resnet20_cifar", 2));
        var batch = Images(4) with { Labels = Tensor.From([1L, -1L, 2L, -1L], [4]) };
        var objective = Objective(options, student, Live(teacher));
        var (logits, loss) = Compute(objective, student, batch);
        var labelled = logits.IndexSelect(0, Tensor.From([0L, 2L], [2])).CrossEntropy(Tensor.From([1L, 2L], [2]));
        Assert.Equal(labelled.ToScalar(), loss.ToScalar(), 1e-6);
        var none = Compute(objective, student, batch with { Labels = Tensor.From([-1L, -1L, -1L, -1L], [4]) }).Loss;
        Assert.Equal(0, none.ToScalar());
    }

    /// <summary>The class head learns from labels alone, the distillation head from teachers alone; the answer is their mean.</summary>
    [Theory]
    [InlineData("hard")]
    [InlineData("soft")]
    public void The_distillation_token_learns_from_teachers_and_the_class_token_from_labels(string type)
    {
        var (student, teacher) = (Student(isDistilled: true), Network("resnet20_cifar", 2));
        var batch = Images(4);
        foreach (var (task, distill, learning, idle) in ((double, double, string, string)[])[(1, 0, "head", "head_dist"), (0, 1, "head_dist", "head")])
        {
            var options = OptionsFor("token");
            (options.TaskLossWeight, options.DistillLossWeight, options.KdTokenDistillType) = (task, [distill], type);
            student.Train();
            student.ZeroGrad();
            Compute(Objective(options, student, Live(teacher)), student, batch).Loss.Backward();
            Assert.Contains(Gradient(learning), g => g != 0);
            Assert.DoesNotContain(Gradient(idle), g => g != 0);
        }

        IEnumerable<float> Gradient(string head) => student[head].NamedParameters().SelectMany(p => p.Tensor.Grad?.ToArray<float>() ?? []);
    }

    /// <summary>Every family with a distillation token has its two heads found, and answers with their mean.</summary>
    [Theory]
    [InlineData("deit_tiny_distilled_patch16_224", 32)]
    [InlineData("pit_ti_distilled_224", 64)]
    [InlineData("levit_128s", 64)]
    public void Heads_are_found_and_their_mean_is_the_answer(string name, int side)
    {
        var network = Network(name, 1, side);
        var seen = new List<DistillationPass>();
        var objective = new DistillationObjective(TrainingLosses.Create(new()), 1, [new("token", new Listener(seen), 1)], Live(Network("resnet20_cifar", 2)));
        network.Train();
        var batch = Images(4) with { Images = Uniform([4, side, side, 3], 9) };
        var (logits, _) = Compute(objective, network, batch);
        var heads = seen.Single().HeadLogits;
        Assert.Equal(2, heads.Count);
        Assert.NotEqual(heads[0].ToArray<float>(), heads[1].ToArray<float>());
        AssertNear((heads[0] + heads[1]) * 0.5f, logits);
        _ = DistillationTerms.Find("token").Make(new(OptionsFor("token"), network, [], Classes));
    }

    private sealed class Listener(List<DistillationPass> seen) : IDistillationTerm
    {
        public bool NeedsHeads => true;

        public Tensor Compute(DistillationPass pass)
        {
            seen.Add(pass);
            return pass.HeadLogits[1].Mean();
        }
    }

    [Fact]
    public void The_token_is_refused_by_networks_without_one()
    {
        var error = Assert.Throws<VertebraException>(() => Objective(OptionsFor("token"), Network("resnet20_cifar", 1), Live(Network("resnet20_cifar", 2))));
        Assert.Contains("deit_tiny_distilled_patch16_224", error.Message);
    }

    /// <summary>A teacher with another mean, deviation and size sees what it would see by itself.</summary>
    [Fact]
    public void A_teacher_sees_images_as_it_is_used_to()
    {
        var own = Preprocessing.Whole(32, [0.4, 0.45, 0.5], [0.2, 0.3, 0.25]);
        var network = Network("resnet20_cifar", 2);
        var pixels = Uniform([2, 32, 32, 3], 5);
        var forStudent = (pixels - Tensor.From(0.5f, 0.5f, 0.5f)) / Tensor.From(0.25f, 0.25f, 0.25f);
        var forTeacher = (pixels - Tensor.From(0.4f, 0.45f, 0.5f)) / Tensor.From(0.2f, 0.3f, 0.25f);
        AssertNear(Eval(network, forTeacher), new Teacher(network, own, Plain).Answer(forStudent).Logits);
        var larger = own with { Height = 48, Width = 48 };
        AssertNear(Eval(network, forTeacher.Interpolate(new(48, 48), Vertebra.Kernels.InterpolationMode.Bilinear)), new Teacher(network, larger, Plain).Answer(forStudent).Logits);
    }

    [Fact]
    public void A_teachers_maps_are_those_of_its_pyramid()
    {
        var network = Network("resnet20_cifar", 2);
        var images = Images(2).Images;
        var (logits, maps, _) = new Teacher(network, Plain, Plain).Answer(images, withFeatures: true);
        using var off = GradMode.Off();
        AssertNear(network.Forward(images), logits);
        var expected = new FeaturePyramid(network).Forward(images);
        Assert.Equal(expected.Length, maps.Count);
        Assert.All(expected.Zip(maps), p => AssertNear(p.First, p.Second));
    }

    /// <summary>timm's rules for weights that are not given, and each method's own.</summary>
    [Fact]
    public void Weights_that_are_not_given_follow()
    {
        var kl = new TrainingOptions { Teacher = "t" }.WithEffectiveValues();
        Assert.Equal((0.1, 0.9, 4.0), (kl.TaskLossWeight, kl.DistillLossWeight![0], kl.KdTemperature));
        var task = new TrainingOptions { Teacher = "t", TaskLossWeight = 0.3 }.WithEffectiveValues();
        Assert.Equal(0.7, task.DistillLossWeight![0], 1e-12);
        var ssld = new TrainingOptions { Teacher = "t", Distill = ["ssld"] }.WithEffectiveValues();
        Assert.Equal((0.0, 1.0), (ssld.TaskLossWeight, ssld.DistillLossWeight![0]));
        var stored = new TrainingOptions { Reinforced = "f" }.WithEffectiveValues();
        Assert.Equal((0.0, 1.0, 1.0), (stored.TaskLossWeight, stored.DistillLossWeight![0], stored.KdTemperature));
        Assert.Null(new TrainingOptions().WithEffectiveValues().DistillLossWeight);
    }

    [Theory]
    [InlineData("distill", "osmosis")]
    [InlineData("kd-temperature", "0")]
    [InlineData("task-loss-weight", "-1")]
    [InlineData("distill-loss-weight", "-1")]
    [InlineData("kd-token-distill-type", "firm")]
    [InlineData("unlabeled", "dir")]
    public void Values_out_of_range_name_their_flag(string name, string value)
    {
        var options = new TrainingOptions();
        TrainingOption.Find(name)!.Set(options, [value]);
        Assert.Contains($"--{name} is {value}; it must be", Assert.Throws<VertebraException>(options.Validate).Message);
    }

    // ---------------------------------------------------------------- making

    private static TrainingOptions OptionsFor(params string[] methods) => new TrainingOptions { Teacher = "t", Distill = methods, Model = "student" }.WithEffectiveValues();

    private static Backbone Student(bool isDistilled) => isDistilled ? Network("deit_tiny_distilled_patch16_224", 1) : Network("resnet20_cifar", 1);

    private static Backbone Network(string name, ulong seed, int side = 32)
    {
        var network = Models.Create(name, new() { NumClasses = Classes, ImgSize = side });
        network.Initialise(seed);
        // Some classifiers start at zero, where nothing flows through.
        foreach (var (parameter, tensor) in network.NamedParameters().Where(p => p.Name.StartsWith("head", StringComparison.Ordinal) && p.Name.EndsWith("weight", StringComparison.Ordinal)))
            tensor.CopyFrom(Uniform(tensor.Shape, Hashing.Fnv1a(parameter)) - 0.5f);
        return network;
    }

    private static LiveTeachers Live(Backbone teacher) => new([new Teacher(teacher, Plain, Plain)]);

    private static DistillationObjective Objective(TrainingOptions options, Backbone student, ITeaching teaching) =>
        (DistillationObjective)Teaching.ObjectiveOf(options, student, Plain, teaching)(TrainingLosses.Create(options));

    private static (Tensor Logits, Tensor Loss) Compute(DistillationObjective objective, Backbone student, Batch batch)
    {
        using var random = TrainingRandom.Begin(1, 1);
        return objective.Compute(student, batch);
    }

    private static Batch Images(int count) => new(
        0, (Uniform([count, 32, 32, 3], 9) - 0.5f) * 4, Tensor.From(Enumerable.Range(0, count).Select(i => (long)(i % Classes)).ToArray(), [count]), new int[count], TimeSpan.Zero);

    private static Tensor Uniform(Shape shape, ulong seed)
    {
        var random = new Philox(seed, 1);
        return Tensor.From(Enumerable.Range(0, (int)shape.ElementCount).Select(i => random.Uniform((ulong)i)).ToArray(), shape);
    }

    private static Tensor Eval(Backbone network, Tensor images)
    {
        using var off = GradMode.Off();
        return network.Eval() is Backbone backbone ? backbone.Forward(images) : images;
    }

    private static IEnumerable<float> State(Module network) => network.State().Where(e => e.Tensor.DType == DType.Float32).SelectMany(e => e.Tensor.ToArray<float>());

    private static void AssertNear(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        var scale = expected.ToArray<float>().Max(MathF.Abs);
        Assert.All(expected.ToArray<float>().Zip(actual.ToArray<float>()), p => Assert.True(Math.Abs(p.First - p.Second) <= 1e-4 * scale, $"{p.Second} is not {p.First}"));
    }
}
