using System.Text.Json;
using Vertebra.Autograd;
using Vertebra.Lab.Training.Distillation;
using Vertebra.Ops;

namespace Vertebra.Tests.Lab.Training.Distillation;

/// <summary>Distances from teachers against values and gradients that PyTorch computes in float64 (Golden/distillation/make.py).</summary>
public class DistillationLossTests
{
    private static readonly Lazy<JsonDocument> Golden = new(() =>
        JsonDocument.Parse(File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/distillation/distillation.json"))));

    private static readonly Dictionary<string, Func<Tensor, Tensor>> Cases = new()
    {
        ["kl 4"] = x => DistillationLosses.KullbackLeibler(x, Mean(1, 4), 4),
        ["kl 1"] = x => DistillationLosses.KullbackLeibler(x, Mean(1, 1), 1),
        ["kl ensemble"] = x => DistillationLosses.KullbackLeibler(x, Mean(2, 2), 2),
        ["js"] = x => DistillationLosses.JensenShannon(x, Mean(1, 1)),
        ["js ensemble"] = x => DistillationLosses.JensenShannon(x, Mean(2, 1)),
        ["hard"] = x => DistillationLosses.Hard(x, Mean(1, 1)),
        ["hard ensemble"] = x => DistillationLosses.Hard(x, Mean(2, 1)),
    };

    public static TheoryData<string> CaseNames => [.. Cases.Keys];

    private static Tensor Student => Tensor.From(Numbers(Golden.Value.RootElement.GetProperty("student")), [6, 5]);

    private static Tensor Mean(int teachers, double temperature) => TeacherAnswers.MeanProbabilities(
        [.. Golden.Value.RootElement.GetProperty("teachers").EnumerateArray().Take(teachers).Select(t => Tensor.From(Numbers(t), [6, 5]))], temperature);

    private static float[] Numbers(JsonElement element) => [.. element.EnumerateArray().Select(v => (float)v.GetDouble())];

    [Theory]
    [MemberData(nameof(CaseNames))]
    public void Values_and_gradients_are_those_of_the_reference(string name)
    {
        var expected = Golden.Value.RootElement.GetProperty("cases").GetProperty(name);
        var logits = Student;
        logits.RequiresGrad = true;
        var value = Cases[name](logits);
        var reference = expected.GetProperty("value").GetDouble();
        Assert.True(Math.Abs(value.ToScalar() - reference) <= 3e-6 * Math.Max(1, reference), $"{name}: {value.ToScalar()} is not {reference}");
        value.Backward();
        var gradient = Numbers(expected.GetProperty("gradient"));
        var largest = gradient.Max(MathF.Abs);
        Assert.All(gradient.Zip(logits.Grad!.ToArray<float>()), p => Assert.True(Math.Abs(p.First - p.Second) <= 1e-5 * largest, $"{name}: gradient {p.Second} is not {p.First}"));
    }

    [Theory]
    [MemberData(nameof(CaseNames))]
    public void Gradients_are_those_of_finite_differences(string name)
    {
        var error = GradientCheck.LargestError(x => [Cases[name](x[0])], [Student / 4]);
        Assert.True(error < 2e-3, $"{name}: {error}");
    }

    [Theory]
    [MemberData(nameof(CaseNames))]
    public void Sure_logits_give_finite_gradients(string name)
    {
        var leaf = (Student * 40).Clone();
        leaf.RequiresGrad = true;
        var value = Cases[name](leaf);
        value.Backward();
        Assert.True(float.IsFinite(value.ToScalar()));
        Assert.All(leaf.Grad!.ToArray<float>(), g => Assert.True(float.IsFinite(g)));
    }

    /// <summary>Both are divergences: nothing where student and teacher agree.</summary>
    [Fact]
    public void A_student_that_answers_as_its_teacher_has_nothing_to_learn()
    {
        var p = Student.Softmax();
        Assert.Equal(0, DistillationLosses.KullbackLeibler(Student, p, 1).ToScalar(), 2e-6);
        Assert.Equal(0, DistillationLosses.JensenShannon(Student, p).ToScalar(), 1e-7);
    }
}
