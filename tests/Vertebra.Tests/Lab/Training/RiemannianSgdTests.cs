using Vertebra.Lab.Training;
using Vertebra.Nn;

namespace Vertebra.Tests.Lab.Training;

public class RiemannianSgdTests
{
    /// <summary>
    /// One step of known length: in the plane of e1 and a tangent direction a line turns by exactly the angle rate·|g|, a step
    /// in each of two planes turns a subspace by both angles.
    /// </summary>
    [Fact]
    public void Subspaces_move_along_geodesics()
    {
        var weights = Tensor.From([1f, 0, 0, 0, 0, 0, 1, 0, 0, 0], [1, 2, 5]);
        // Against e3 on the first row and along e4 on the second; what lies in the subspace itself changes nothing.
        weights.Grad = Tensor.From([7f, -9, -3, 0, 0, 4, 2, 0, 1, 0], [1, 2, 5]);
        new RiemannianSgd([Group(weights)], momentum: 0) { LearningRate = 0.1 }.Step();
        var (a, b) = (0.3, 0.1);
        Same([Math.Cos(a), 0, Math.Sin(a), 0, 0, 0, Math.Cos(b), 0, -Math.Sin(b), 0], weights);
    }

    /// <summary>The geodesic by its definition, in small steps: dS/dt stays tangent, and the speed's length is kept; with momentum, projected at each point, by hand.</summary>
    [Fact]
    public void A_geodesic_of_a_general_direction_has_constant_speed_and_orthonormal_bases()
    {
        var (one, half) = (Start(3, 4, 11), Start(3, 4, 11));
        var gradient = Random([3, 4, 11], 8);
        one.Grad = gradient;
        new RiemannianSgd([Group(one)], momentum: 0) { LearningRate = 0.4 }.Step();
        // Half the way; the velocity there is the transported one, which the same geodesic's end tells: the second half lands on the same subspace.
        half.Grad = gradient;
        new RiemannianSgd([Group(half)], momentum: 0) { LearningRate = 0.2 }.Step();
        for (var i = 0; i < 3; i++)
        {
            var (start, middle, end) = (Projector(Start(3, 4, 11), i), Projector(half, i), Projector(one, i));
            // Reflecting the start through the middle gives the end: 2P - 1 turns the start's projector into it.
            var reflection = Subtract(Scale(middle, 2), Identity(11));
            var reflected = Product(Product(reflection, start), reflection);
            for (var row = 0; row < 11; row++)
            {
                for (var column = 0; column < 11; column++)
                    Assert.Equal(end[row, column], reflected[row, column], 1e-5);
            }
        }
        AssertOrthonormal(one);
    }

    [Fact]
    public void The_basis_does_not_matter()
    {
        var (plain, turned) = (Start(1, 2, 6), Start(1, 2, 6));
        var (c, s) = ((float)Math.Cos(0.7), (float)Math.Sin(0.7));
        float[] Turn(float[] x) => [.. Enumerable.Range(0, 12).Select(i => i < 6 ? (c * x[i]) - (s * x[i + 6]) : (s * x[i - 6]) + (c * x[i]))];
        turned.CopyFrom<float>(Turn(turned.ToArray<float>()));
        var (first, second) = (new RiemannianSgd([Group(plain)]) { LearningRate = 0.05 }, new RiemannianSgd([Group(turned)]) { LearningRate = 0.05 });
        for (var step = 0; step < 5; step++)
        {
            // The gradient turns with the basis; Gram-Schmidt may turn a basis only by rounding.
            plain.Grad = Random([1, 2, 6], (ulong)step);
            turned.Grad = Tensor.From(Turn(plain.Grad.ToArray<float>()), [1, 2, 6]);
            first.Step();
            second.Step();
        }
        var (p, q) = (Projector(plain, 0), Projector(turned, 0));
        for (var row = 0; row < 6; row++)
        {
            for (var column = 0; column < 6; column++)
                Assert.Equal(p[row, column], q[row, column], 1e-5);
        }
    }

    /// <summary>The subspace that a cloud of points lies in: the largest eigenvectors are found by descending -|S·x|².</summary>
    [Fact]
    public void It_finds_principal_subspaces()
    {
        var points = Random([200, 6], 4).ToArray<float>().Select((v, i) => v * (i % 6 is 1 or 4 ? 3 : 0.5f)).ToArray();
        var weights = Start(1, 2, 6);
        var optimizer = new RiemannianSgd([Group(weights)]) { LearningRate = 0.01 };
        for (var step = 0; step < 150; step++)
        {
            var basis = weights.ToArray<float>();
            var gradient = new float[12];
            for (var p = 0; p < 200; p++)
            {
                for (var row = 0; row < 2; row++)
                {
                    var product = Enumerable.Range(0, 6).Sum(i => basis[(row * 6) + i] * points[(p * 6) + i]);
                    for (var i = 0; i < 6; i++)
                        gradient[(row * 6) + i] -= 2 * product * points[(p * 6) + i] / 200;
                }
            }
            weights.Grad = Tensor.From(gradient, weights.Shape);
            optimizer.Step();
        }
        AssertOrthonormal(weights);
        var projector = Projector(weights, 0);
        Assert.True(projector[1, 1] > 0.98 && projector[4, 4] > 0.98, $"{projector[1, 1]} {projector[4, 4]}");
    }

    [Fact]
    public void Subspaces_of_a_network_are_given_to_it_and_have_no_decay()
    {
        var net = new Head();
        var groups = ParameterGroup.Of(net, 0.1);
        Assert.Equal(["linear"], groups[0].Parameters.Select(p => p.Name));
        Assert.Equal(("subspaces", ParameterKind.Subspaces), (groups[1].Parameters[0].Name, groups[1].Parameters[0].Kind));
        Assert.Equal(
            ["subspaces/momentum_buffer", "linear/exp_avg", "linear/exp_avg_sq"],
            Optimizers.Create(groups, new() { Opt = "adamw" }).State().Select(s => s.Name));
    }

    private sealed class Head : Module, ISubspaceLayer
    {
        public Head()
        {
            Parameter("subspaces", [3, 2, 5], Init.Zeros);
            Parameter("linear", [3, 5], Init.Zeros);
        }

        public IReadOnlyList<string> SubspaceParameters => ["subspaces"];

        protected override Tensor OnForward(Tensor x) => x;
    }

    private static ParameterGroup Group(Tensor tensor) => new([new("s", tensor, ParameterKind.Subspaces)]);

    private static Tensor Random(Shape shape, ulong stream)
    {
        var random = new Philox(2, stream);
        return Tensor.From(Enumerable.Range(0, (int)shape.ElementCount).Select(i => random.Normal((ulong)i)).ToArray(), shape);
    }

    private static Tensor Start(int count, int dimension, int features)
    {
        var values = Random([count, dimension, features], 1).ToArray<float>();
        for (var row = 0; row < count * dimension; row++)
        {
            var line = values.AsSpan(row * features, features);
            for (var former = row / dimension * dimension; former < row; former++)
            {
                var other = values.AsSpan(former * features, features);
                var product = 0f;
                for (var i = 0; i < features; i++)
                    product += line[i] * other[i];
                for (var i = 0; i < features; i++)
                    line[i] -= product * other[i];
            }
            var length = MathF.Sqrt(line.ToArray().Sum(v => v * v));
            for (var i = 0; i < features; i++)
                line[i] /= length;
        }
        return Tensor.From(values, [count, dimension, features]);
    }

    private static void Same(double[] expected, Tensor actual) =>
        Assert.All(expected.Zip(actual.ToArray<float>()), p => Assert.Equal(p.First, p.Second, 1e-6));

    private static void AssertOrthonormal(Tensor weights)
    {
        var (dimension, features, values) = (weights.Shape[1], weights.Shape[2], weights.ToArray<float>());
        for (var i = 0; i < weights.Shape[0]; i++)
        {
            for (var a = 0; a < dimension; a++)
            {
                for (var b = 0; b < dimension; b++)
                {
                    var product = Enumerable.Range(0, features).Sum(k => (double)values[(((i * dimension) + a) * features) + k] * values[(((i * dimension) + b) * features) + k]);
                    Assert.Equal(a == b ? 1 : 0, product, 1e-6);
                }
            }
        }
    }

    private static double[,] Projector(Tensor weights, int index)
    {
        var (dimension, features, values) = (weights.Shape[1], weights.Shape[2], weights.ToArray<float>());
        var result = new double[features, features];
        for (var row = 0; row < features; row++)
        {
            for (var column = 0; column < features; column++)
            {
                for (var a = 0; a < dimension; a++)
                    result[row, column] += (double)values[(((index * dimension) + a) * features) + row] * values[(((index * dimension) + a) * features) + column];
            }
        }
        return result;
    }

    private static double[,] Identity(int size) => Map(size, (r, c) => r == c ? 1 : 0);

    private static double[,] Scale(double[,] x, double factor) => Map(x.GetLength(0), (r, c) => factor * x[r, c]);

    private static double[,] Subtract(double[,] x, double[,] y) => Map(x.GetLength(0), (r, c) => x[r, c] - y[r, c]);

    private static double[,] Product(double[,] x, double[,] y) => Map(x.GetLength(0), (r, c) => Enumerable.Range(0, x.GetLength(0)).Sum(k => x[r, k] * y[k, c]));

    private static double[,] Map(int size, Func<int, int, double> value)
    {
        var result = new double[size, size];
        for (var row = 0; row < size; row++)
        {
            for (var column = 0; column < size; column++)
                result[row, column] = value(row, column);
        }
        return result;
    }
}
