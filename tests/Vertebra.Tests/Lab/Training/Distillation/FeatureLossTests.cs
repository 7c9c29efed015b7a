using System.Text.Json;
using Vertebra.Autograd;
using Vertebra.Lab.Training.Distillation;
using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Tests.Lab.Training.Distillation;

/// <summary>Losses of maps and relations against values and gradients that PyTorch computes in float64 (Golden/distillation/make_features.py), and what must change nothing.</summary>
public class FeatureLossTests
{
    private static readonly Lazy<JsonDocument> Golden = new(() =>
        JsonDocument.Parse(File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/distillation/features.json"))));

    /// <summary>A case: the tensor that the gradient is of, and what is computed of it.</summary>
    private static readonly Dictionary<string, (Func<Tensor> Student, Func<Tensor, Tensor> Loss)> Cases = new()
    {
        ["distances"] = (() => Fill([6, 5], 1), x => RelationalLosses.Distances(x, Fill([6, 4], 2))),
        ["angles"] = (() => Fill([6, 5], 1), x => RelationalLosses.Angles(x, Fill([6, 4], 2))),
        ["alignment"] = (() => Fill([6, 2, 2, 3], 1), x => KernelAlignment.Linear(x, Fill([6, 4], 2))),
        ["hint"] = (() => Fill([2, 5, 5, 3], 1), x => Hint(5, activated: false).Loss(x, Fill([2, 3, 3, 4], 2))),
        ["hint activated"] = (() => Fill([2, 3, 3, 3], 1), x => Hint(3, activated: true).Loss(x, Fill([2, 3, 3, 4], 2))),
        ["hint resized"] = (() => Fill([2, 2, 2, 3], 1), x => Hint(2, activated: false).Loss(x, Fill([2, 3, 3, 4], 2))),
        ["discriminator"] = (() => Fill([2, 1000], 1, 3), x => Discriminator().Loss(x, Fill([2, 1000], 2, 3))),
        ["discriminator together"] = (() => Fill([2, 1000], 1, 3), x => Discriminator().Loss(x, Fill([2, 1000], 2, 3), adversarial: false)),
        ["cosines"] = (() => Fill([2, 3, 4, 2], 1), x => new CosineTransform(3, 4).Forward(x)),
        ["original view"] = (() => Fill([2, 3, 4, 5], 1), x => DualViewMimicking.Original(x, Fill([2, 3, 4, 5], 2))),
        ["alternative view"] = (() => Fill([2, 3, 4, 5], 1), x => DualViewMimicking.Alternative(x, Fill([2, 3, 4, 5], 2))),
        ["projector"] = (() => Fill([2, 4, 5, 3], 1), x => Projector().Forward(x)),
    };

    public static TheoryData<string> CaseNames => [.. Cases.Keys];

    /// <summary>As fill() of the script.</summary>
    private static Tensor Fill(Shape shape, int salt, double scale = 1) =>
        Tensor.From(Enumerable.Range(0, (int)shape.ElementCount).Select(i => (float)((((((long)i * i * 31) + (i * 7919L) + (salt * 104729L)) % 1999) - 999) / 999.0 * scale)).ToArray(), shape);

    private static void Set(Module module, params (string Name, int Salt, double Scale)[] parameters)
    {
        foreach (var (name, salt, scale) in parameters)
        {
            var tensor = module.NamedParameters().Single(p => p.Name == name).Tensor;
            tensor.CopyFrom(Fill(tensor.Shape, salt, scale));
        }
    }

    private static HintRegressor Hint(int size, bool activated)
    {
        var regressor = new HintRegressor(3, size, 4, 3, activated);
        Set(regressor, ("conv.weight", 11, 0.3), ("conv.bias", 12, 0.3));
        return regressor;
    }

    private static LogitDiscriminator Discriminator()
    {
        var discriminator = new LogitDiscriminator(1000);
        for (var i = 0; i < 3; i++)
            Set(discriminator, ($"conv{i + 1}.weight", 20 + i, 0.1), ($"conv{i + 1}.bias", 30 + i, 0.1));
        return discriminator;
    }

    private static CrossAttentionProjector Projector()
    {
        var projector = new CrossAttentionProjector(3, (4, 5), 8, (2, 3), 2, ownQueries: true);
        Set(projector, ("proj_student.weight", 40, 0.3), ("proj_student.bias", 41, 0.2), ("norm_student.weight", 42, 1), ("norm_student.bias", 43, 1),
            ("pos_embed", 44, 1), ("query", 45, 1), ("proj_query.weight", 46, 0.5), ("proj_query.bias", 47, 0.2), ("q.weight", 48, 0.5), ("q.bias", 49, 0.2),
            ("k.weight", 50, 0.5), ("k.bias", 51, 0.2), ("v.weight", 52, 0.5), ("v.bias", 53, 0.2), ("proj.weight", 54, 0.5), ("proj.bias", 55, 0.2),
            ("norm.weight", 56, 1), ("norm.bias", 57, 1), ("ffn.fc1.weight", 58, 0.5), ("ffn.fc1.bias", 59, 0.2), ("ffn.fc2.weight", 60, 0.5), ("ffn.fc2.bias", 61, 0.2));
        foreach (var name in new[] { "norm_student.weight", "norm.weight" })
        {
            var tensor = projector.NamedParameters().Single(p => p.Name == name).Tensor;
            tensor.CopyFrom(tensor.Detach() + 1.5f);
        }
        projector.Train();
        return projector;
    }

    [Theory]
    [MemberData(nameof(CaseNames))]
    public void Values_and_gradients_are_those_of_the_reference(string name)
    {
        var (student, loss) = Cases[name];
        var x = student();
        x.RequiresGrad = true;
        var value = loss(x);
        AssertClose(name, "value", value.ToArray<float>());
        (value.Rank == 0 ? value : (value * Fill(value.Shape, 99)).Sum()).Backward();
        AssertClose(name, "gradient", x.Grad!.ToArray<float>());
    }

    private static void AssertClose(string name, string what, float[] actual)
    {
        var expected = Golden.Value.RootElement.GetProperty(name).GetProperty(what).EnumerateArray().Select(v => v.GetDouble()).ToArray();
        var largest = expected.Max(Math.Abs);
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), p => Assert.True(Math.Abs(p.First - p.Second) <= 2e-5 * largest, $"{name}: {what} {p.Second} is not {p.First}"));
    }

    [Theory]
    [InlineData("distances", 3e-3)]
    [InlineData("angles", 3e-3)]
    [InlineData("alignment", 2e-3)]
    [InlineData("hint", 2e-3)]
    [InlineData("original view", 2e-3)]
    [InlineData("alternative view", 2e-3)]
    [InlineData("projector", 2e-2)] // ReLUs of a small map: a step crosses some
    public void Gradients_are_those_of_finite_differences(string name, double bound)
    {
        var error = GradientCheck.LargestError(x => [Cases[name].Loss(x[0])], [Cases[name].Student()], 3e-3f);
        Assert.True(error < bound, $"{name}: {error}");
    }

    // ---------------------------------------------------------------- what changes nothing

    /// <summary>An orthogonal matrix: a product of reflections.</summary>
    private static Tensor Orthogonal(int size)
    {
        var q = Identity(size);
        for (var i = 0; i < 3; i++)
        {
            var v = Fill([size, 1], 70 + i);
            q = q.MatMul(Identity(size) - (v.MatMul(v, transposeB: true) * 2 / v.Square().Sum()));
        }
        return q;
    }

    private static Tensor Identity(int size) => Tensor.From(Enumerable.Range(0, size).Select(i => (long)i).ToArray(), [size]).OneHot(size);

    [Fact]
    public void Relations_do_not_see_rigid_motion_and_scale()
    {
        var (x, teacher) = (Fill([7, 5], 1), Fill([7, 4], 2));
        var moved = (x.MatMul(Orthogonal(5)) * 3.5f) + Fill([1, 5], 9);
        Assert.Equal(RelationalLosses.Distances(x, teacher).ToScalar(), RelationalLosses.Distances(moved, teacher).ToScalar(), 1e-6);
        Assert.Equal(RelationalLosses.Angles(x, teacher).ToScalar(), RelationalLosses.Angles(moved, teacher).ToScalar(), 1e-6);
        Assert.Equal(0, RelationalLosses.Distances(moved, x).ToScalar(), 1e-9);
        Assert.Equal(0, RelationalLosses.Angles(moved, x).ToScalar(), 1e-9);
    }

    [Fact]
    public void Relations_see_a_stretched_axis()
    {
        var x = Fill([7, 5], 1);
        var stretched = x * Tensor.From(4f, 1, 1, 1, 1);
        Assert.True(RelationalLosses.Distances(stretched, x).ToScalar() > 1e-3);
        Assert.True(RelationalLosses.Angles(stretched, x).ToScalar() > 1e-3);
    }

    [Fact]
    public void Equal_images_have_finite_relations()
    {
        var x = Tensor.Concat([Fill([3, 5], 1), Fill([3, 5], 1)], 0);
        x.RequiresGrad = true;
        (RelationalLosses.Distances(x, Fill([6, 4], 2)) + RelationalLosses.Angles(x, Fill([6, 4], 2))).Backward();
        Assert.All(x.Grad!.ToArray<float>(), g => Assert.True(float.IsFinite(g) && Math.Abs(g) < 10));
    }

    [Fact]
    public void Alignment_does_not_see_orthogonal_maps_shifts_and_scales()
    {
        var (x, y) = (Fill([8, 6], 1), Fill([8, 3], 2));
        var moved = (x.MatMul(Orthogonal(6)) * 0.01f) + Fill([1, 6], 9);
        Assert.Equal(KernelAlignment.Linear(x, y).ToScalar(), KernelAlignment.Linear(moved, y).ToScalar(), 1e-5);
        Assert.Equal(1, KernelAlignment.Linear(x, moved).ToScalar(), 1e-5);
        Assert.Equal(KernelAlignment.Linear(x, y).ToScalar(), KernelAlignment.Linear(y, x).ToScalar(), 1e-6);
        Assert.True(KernelAlignment.Linear(x, x * Tensor.From(9f, 1, 1, 1, 1, 1)).ToScalar() < 0.95);
        Assert.Equal(0, KernelAlignment.Linear(x, Tensor.Ones([8, 3])).ToScalar(), 1e-6);
    }

    [Theory]
    [InlineData(3, 5, "0-0 1-2 2-4")]
    [InlineData(4, 4, "0-0 1-1 2-2 3-3")]
    [InlineData(6, 3, "1-0 3-1 5-2")] // of 0, 0.4 to the first, 0.8, 1.2 to the middle, 1.6, 2 to the last
    [InlineData(1, 4, "0-0")]
    [InlineData(4, 1, "3-0")]
    public void Layers_are_paired_evenly(int guides, int targets, string expected) =>
        Assert.Equal(expected, string.Join(' ', KernelAlignment.Pair(guides, targets).Select(p => $"{p.Guide}-{p.Target}")));

    [Fact]
    public void The_cosine_transform_is_orthonormal_and_its_direct_component_the_mean()
    {
        var (x, y, transform) = (Fill([2, 3, 4, 5], 1), Fill([2, 3, 4, 5], 2), new CosineTransform(3, 4));
        var back = transform.Inverse(transform.Forward(x));
        Assert.All(x.ToArray<float>().Zip(back.ToArray<float>()), p => Assert.Equal(p.First, p.Second, 1e-5));
        Assert.Equal((x * y).Sum().ToScalar(), (transform.Forward(x) * transform.Forward(y)).Sum().ToScalar(), 1e-4);
        var rest = transform.WithoutDirectComponent(x);
        Assert.All((x - x.Mean([1, 2], keepAxes: true)).ToArray<float>().Zip(rest.ToArray<float>()), p => Assert.Equal(p.First, p.Second, 1e-5));
    }

    [Fact]
    public void The_alternative_view_does_not_see_what_all_positions_share()
    {
        var (x, y) = (Fill([2, 3, 4, 5], 1), Fill([2, 3, 4, 5], 2));
        var shifted = x + Fill([2, 1, 1, 5], 3, 4);
        Assert.Equal(DualViewMimicking.Alternative(x, y).ToScalar(), DualViewMimicking.Alternative(shifted, y).ToScalar(), 1e-3);
        Assert.NotEqual(DualViewMimicking.Original(x, y).ToScalar(), DualViewMimicking.Original(shifted, y).ToScalar(), 1e-1);
    }

    [Fact]
    public void The_discriminator_has_the_published_widths_and_its_student_the_other_sign()
    {
        Assert.Equal("conv1.weight [125, 1000], conv1.bias [125], conv2.weight [15, 125], conv2.bias [15], conv3.weight [2, 15], conv3.bias [2]",
            string.Join(", ", new LogitDiscriminator(1000).NamedParameters().Select(p => $"{p.Name} {p.Tensor.Shape}")));
        var (against, together) = (Gradients(adversarial: true), Gradients(adversarial: false));
        Assert.Equal(together.Student, Array.ConvertAll(against.Student, g => -g));
        Assert.Equal(together.Discriminator, against.Discriminator);

        (float[] Student, float[] Discriminator) Gradients(bool adversarial)
        {
            var (x, discriminator) = (Fill([2, 1000], 1, 3), Discriminator());
            x.RequiresGrad = true;
            discriminator.Loss(x, Fill([2, 1000], 2, 3), adversarial).Backward();
            return (x.Grad!.ToArray<float>(), discriminator.NamedParameters().First().Tensor.Grad!.ToArray<float>());
        }
    }
}
