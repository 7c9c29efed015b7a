using System.Text.Json;
using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Losses;
using Vertebra.Ops;

namespace Vertebra.Tests.Lab.Training.Losses;

/// <summary>Losses against values and gradients that PyTorch computes in float64 (Golden/losses/make.py).</summary>
public class LossTests
{
    private static readonly Lazy<JsonDocument> Golden = new(() =>
        JsonDocument.Parse(File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/losses/losses.json"))));

    private static Tensor Matrix(string name) => Tensor.From(Numbers(Golden.Value.RootElement.GetProperty(name)), [6, 5]);

    private static Tensor Weights => Tensor.From(Numbers(Golden.Value.RootElement.GetProperty("weights")), [5]);

    private static Tensor Labels => Tensor.From(Golden.Value.RootElement.GetProperty("labels").EnumerateArray().Select(v => v.GetInt64()).ToArray(), [6]);

    private static float[] Numbers(JsonElement element) => [.. element.EnumerateArray().Select(v => (float)v.GetDouble())];

    private static Batch Plain(int splits = 1) => new(0, Tensor.Zeros([6, 1, 1, 3]), Labels, new int[6 / splits], TimeSpan.Zero) { Splits = splits };

    private static Batch Mixed => Plain() with { Targets = Matrix("mixed") };

    // The beginning of the golden case's name is the loss's; what it is given with.
    private static readonly Dictionary<string, (string[] Flags, Func<Batch> Batch)> Cases = new()
    {
        ["ce"] = (["smoothing=0"], () => Plain()),
        ["ce smoothed"] = (["smoothing=0.1"], () => Plain()),
        ["ce weighted"] = (["smoothing=0.1", "class-weights=0.5 1 2 0.25 1.5"], () => Plain()),
        ["ce mixed"] = (["smoothing=0.1"], () => Mixed),
        ["ce mixed weighted"] = (["smoothing=0.1", "class-weights=0.5 1 2 0.25 1.5"], () => Mixed),
        ["bce"] = (["smoothing=0"], () => Mixed),
        ["bce smoothed"] = (["smoothing=0.1"], () => Mixed),
        ["bce threshold"] = (["smoothing=0", "bce-target-thresh=0.2"], () => Mixed),
        ["bce sum"] = (["smoothing=0", "bce-target-thresh=0.2", "bce-sum=true"], () => Mixed),
        ["bce positive"] = (["smoothing=0", "bce-pos-weight=3", "class-weights=0.5 1 2 0.25 1.5"], () => Mixed),
        ["focal"] = (["smoothing=0"], () => Mixed),
        ["focal weighted"] = (["smoothing=0", "focal-gamma=1.5", "class-weights=0.5 1 2 0.25 1.5"], () => Mixed),
        ["focal-sigmoid"] = (["smoothing=0", "focal-alpha=0.25"], () => Mixed),
        ["focal-sigmoid no alpha"] = (["smoothing=0", "focal-gamma=1.5"], () => Mixed),
        ["asl"] = (["smoothing=0.1"], () => Plain()),
        ["asl-multi-label"] = (["smoothing=0"], () => Plain() with { Targets = Matrix("multi") }),
        ["jsd"] = (["smoothing=0.1", "aug-splits=3"], () => Plain(splits: 3)),
        ["am-softmax"] = (["smoothing=0", "head=cosine"], () => Plain()),
        ["aam-softmax"] = (["smoothing=0", "head=cosine"], () => Plain()),
        ["supcon"] = ([], () => Plain()),
        ["supcon-in"] = ([], () => Plain()),
    };

    public static TheoryData<string> CaseNames => [.. Cases.Keys];

    private static ITrainingLoss Loss(string name)
    {
        var options = new TrainingOptions();
        foreach (var flag in Cases[name].Flags.Prepend($"loss={name.Split(' ')[0]}"))
        {
            var (option, value) = (flag.Split('=')[0], flag.Split('=')[1]);
            TrainingOption.Find(option)!.Set(options, option == "class-weights" ? value.Split(' ') : [value]);
        }
        options.Validate();
        return TrainingLosses.Create(options, options.ClassWeights.Count > 0 ? Weights : null);
    }

    private static void AssertGolden(string name, Func<Tensor, Tensor> loss)
    {
        var expected = Golden.Value.RootElement.GetProperty("cases").GetProperty(name);
        var logits = Matrix("logits");
        logits.RequiresGrad = true;
        var value = loss(logits);
        var reference = expected.GetProperty("value").GetDouble();
        Assert.True(Math.Abs(value.ToScalar() - reference) <= 2e-6 * Math.Max(1, reference), $"{name}: {value.ToScalar()} is not {reference}");
        value.Backward();
        var gradient = Numbers(expected.GetProperty("gradient"));
        var largest = gradient.Max(MathF.Abs);
        Assert.All(gradient.Zip(logits.Grad!.ToArray<float>()), p => Assert.True(Math.Abs(p.First - p.Second) <= 1e-5 * largest, $"{name}: gradient {p.Second} is not {p.First}"));
    }

    [Theory]
    [MemberData(nameof(CaseNames))]
    public void Values_and_gradients_are_those_of_the_reference(string name) =>
        AssertGolden(name, x => Loss(name).Compute(name.EndsWith("-softmax", StringComparison.Ordinal) ? x * 7.5f : x, Cases[name].Batch())); // 30 · cosines of up to 0.98

    [Fact]
    public void Every_loss_has_a_case() => Assert.Equal(TrainingLosses.Names.Order(), Cases.Keys.Select(k => k.Split(' ')[0]).Distinct().Order());

    [Theory]
    [MemberData(nameof(CaseNames))]
    public void Gradients_are_those_of_finite_differences(string name)
    {
        var error = GradientCheck.LargestError(x => [Loss(name).Compute(x[0], Cases[name].Batch())], [Matrix("logits") / 4]);
        Assert.True(error < 2e-3, $"{name}: {error}");
    }

    [Theory]
    [MemberData(nameof(CaseNames))]
    public void Sure_logits_give_finite_gradients(string name)
    {
        var logits = Matrix("logits") * 40;
        var leaf = logits.Clone();
        leaf.RequiresGrad = true;
        var value = Loss(name).Compute(leaf, Cases[name].Batch());
        value.Backward();
        Assert.True(float.IsFinite(value.ToScalar()));
        Assert.All(leaf.Grad!.ToArray<float>(), g => Assert.True(float.IsFinite(g)));
    }

    [Fact]
    public void Focal_losses_without_focus_are_the_plain_ones()
    {
        var (x, t) = (Matrix("logits"), Matrix("mixed"));
        Assert.Equal(x.SoftCrossEntropy(t).ToScalar(), ClassificationLosses.FocalSoftmax(x, t, 0).ToScalar(), 1e-5);
        Assert.Equal(x.BinaryCrossEntropyWithLogits(t).ToScalar() * 5, ClassificationLosses.FocalSigmoid(x, t, 0, null).ToScalar(), 1e-5);
    }

    [Fact]
    public void The_two_contrastive_forms_differ_as_Jensen_says()
    {
        var (x, labels) = (Matrix("logits"), Labels);
        Assert.True(ContrastiveLosses.Supervised(x, labels, 0.1, ContrastiveForm.In).ToScalar() < ContrastiveLosses.Supervised(x, labels).ToScalar());
        Assert.Equal(ContrastiveLosses.Supervised(x, labels).ToScalar(), ContrastiveLosses.Supervised(x * 3, labels).ToScalar(), 1e-5);
        var alone = Tensor.From(0L, 1, 2, 3, 4, 5);
        Assert.Equal(0, ContrastiveLosses.Supervised(x, alone).ToScalar());
    }

    [Fact]
    public void Class_weights_follow_their_rules()
    {
        Assert.Equal([0.5f, 2f, 0f, 1f / 1.5f], ClassWeights.OfCounts("balanced", [4, 1, 0, 3]));
        var effective = ClassWeights.OfCounts("effective", [10_000, 100]);
        Assert.Equal(2, effective.Sum(), 1e-5);
        Assert.Equal((1 - Math.Pow(0.9999, 10_000)) / (1 - Math.Pow(0.9999, 100)), effective[1] / effective[0], 1e-3);
    }

    [Theory]
    [InlineData("loss", "hinge", "--loss is hinge; it must be ce, bce")]
    [InlineData("jsd-loss", "true", "--aug-splits is 0; it must be 2 or more with --jsd-loss")]
    [InlineData("bce-target-thresh", "1", "--bce-target-thresh is 1; it must be")]
    [InlineData("class-weights", "heavy", "--class-weights is heavy; it must be balanced")]
    [InlineData("focal-alpha", "2", "--focal-alpha is 2; it must be 0 to 1")]
    public void Wrong_options_are_named(string name, string value, string expected)
    {
        var options = new TrainingOptions();
        TrainingOption.Find(name)!.Set(options, [value]);
        Assert.Contains(expected, Assert.Throws<VertebraException>(options.Validate).Message);
    }
}
