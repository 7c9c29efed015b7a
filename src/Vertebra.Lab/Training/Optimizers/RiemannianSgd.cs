using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>
/// Stochastic gradient descent with momentum on the Grassmann manifold (Wang, Li and Zhang, "Get the best of both worlds: improving
/// accuracy and transferability by Grassmann class representation", 2023, algorithm 1): gradient and momentum are projected on
/// the tangent space, the subspaces move along geodesics, and their bases are made orthonormal again by a QR decomposition.
/// Parameters are [count, dimension, features] with orthonormal rows; weight decay does not apply to them.
/// </summary>
/// <param name="groups">Parameters of <see cref="ParameterKind.Subspaces"/>.</param>
/// <param name="momentum">Momentum.</param>
/// <param name="nesterov">Nesterov's momentum.</param>
public sealed class RiemannianSgd(IReadOnlyList<ParameterGroup> groups, double momentum = 0.9, bool nesterov = true)
    : Optimizer(groups, p => [("momentum_buffer", Tensor.Zeros(p.Tensor.Shape))])
{
    /// <summary>An optimiser for everything: this one for the subspaces among the parameters, another for the rest.</summary>
    public static Optimizer Around(IReadOnlyList<ParameterGroup> groups, double momentum, Func<IReadOnlyList<ParameterGroup>, Optimizer> others)
    {
        var (subspaces, rest) = ParameterGroup.Split(groups, p => p.Kind == ParameterKind.Subspaces);
        return subspaces.Count == 0 ? others(groups) : new OptimizerUnion(groups, new RiemannianSgd(subspaces, momentum), others(rest));
    }

    private protected override void Update(GradientScaling scaling)
    {
        foreach (var parameter in Parameters.Where(p => p.Gradient is not null))
        {
            var shape = parameter.Tensor.Shape;
            if (shape.Rank != 3 || shape[1] > shape[2])
                throw new ShapeException($"'{parameter.Name}' of shape {shape} holds no subspaces: [count, dimension, features] is expected");
            var (dimension, features) = (shape[1], shape[2]);
            var gradient = parameter.Treated(scaling);
            var (rate, kept) = (LearningRate * parameter.Group.RateScale, Momentum ?? momentum);
            Workers.Run(shape[0], i =>
            {
                var range = i * dimension * features;
                var basis = new Subspace(parameter.Tensor.AsSpan<float>().Slice(range, dimension * features), dimension);
                var buffer = parameter.Slots[0].AsSpan<float>().Slice(range, dimension * features);
                Move(basis, buffer, gradient.AsSpan<float>().Slice(range, dimension * features), rate, kept);
            });
            parameter.MarkWritten();
            GC.KeepAlive(gradient);
        }
    }

    private void Move(Subspace basis, Span<float> buffer, Span<float> gradient, double rate, double kept)
    {
        var tangent = basis.Tangent(gradient);
        var velocity = basis.Tangent(buffer);
        for (var i = 0; i < velocity.Length; i++)
        {
            velocity[i] = (kept * velocity[i]) + tangent[i];
            buffer[i] = (float)velocity[i];
            velocity[i] = -rate * (nesterov ? tangent[i] + (kept * velocity[i]) : velocity[i]);
        }
        basis.Follow(velocity);
    }

    /// <summary>The basis of one subspace, [dimension, features] with orthonormal rows.</summary>
    private readonly ref struct Subspace(Span<float> rows, int dimension)
    {
        private readonly Span<float> _rows = rows;
        private readonly int _features = rows.Length / dimension;

        /// <summary>x - x·Sᵀ·S: what of x leaves the subspace.</summary>
        public double[] Tangent(ReadOnlySpan<float> x)
        {
            var result = new double[x.Length];
            for (var row = 0; row < dimension; row++)
            {
                var line = result.AsSpan(row * _features, _features);
                for (var i = 0; i < _features; i++)
                    line[i] = x[(row * _features) + i];
                for (var other = 0; other < dimension; other++)
                {
                    var basis = _rows.Slice(other * _features, _features);
                    double product = 0;
                    for (var i = 0; i < _features; i++)
                        product += (double)x[(row * _features) + i] * basis[i];
                    for (var i = 0; i < _features; i++)
                        line[i] -= product * basis[i];
                }
            }
            return result;
        }

        /// <summary>
        /// Along the geodesic that leaves in direction h for one unit of time. With h·hᵀ = V·Σ²·Vᵀ that is
        /// V·cos Σ·Vᵀ·S + V·(sin Σ / Σ)·Vᵀ·h, which needs no singular vectors of the long side.
        /// </summary>
        public void Follow(double[] direction)
        {
            var gram = new double[dimension, dimension];
            for (var a = 0; a < dimension; a++)
            {
                for (var b = 0; b < dimension; b++)
                {
                    for (var i = 0; i < _features; i++)
                        gram[a, b] += direction[(a * _features) + i] * direction[(b * _features) + i];
                }
            }
            var (squares, vectors) = SymmetricEigen.Decompose(gram);
            var angles = Array.ConvertAll(squares, s => Math.Sqrt(Math.Max(0, s)));
            var cosine = SymmetricEigen.Compose(vectors, Array.ConvertAll(angles, Math.Cos));
            var sine = SymmetricEigen.Compose(vectors, Array.ConvertAll(angles, a => a < 1e-8 ? 1 : Math.Sin(a) / a));
            var moved = new double[direction.Length];
            for (var a = 0; a < dimension; a++)
            {
                for (var b = 0; b < dimension; b++)
                {
                    for (var i = 0; i < _features; i++)
                        moved[(a * _features) + i] += (cosine[a, b] * _rows[(b * _features) + i]) + (sine[a, b] * direction[(b * _features) + i]);
                }
            }
            Orthonormalise(moved);
            for (var i = 0; i < moved.Length; i++)
                _rows[i] = (float)moved[i];
        }

        /// <summary>The Q of a QR decomposition with a positive diagonal, by Gram and Schmidt twice over; the geodesic has left little to do.</summary>
        private void Orthonormalise(double[] rows)
        {
            for (var row = 0; row < dimension; row++)
            {
                var line = rows.AsSpan(row * _features, _features);
                for (var former = 0; former < 2 * row; former++)
                {
                    var other = rows.AsSpan(former % row * _features, _features);
                    double product = 0;
                    for (var i = 0; i < _features; i++)
                        product += line[i] * other[i];
                    for (var i = 0; i < _features; i++)
                        line[i] -= product * other[i];
                }
                double square = 0;
                foreach (var value in line)
                    square += value * value;
                var length = Math.Sqrt(square);
                foreach (ref var value in line)
                    value /= length;
            }
        }
    }
}

/// <summary>Eigenvalues and vectors of small symmetric matrices.</summary>
internal static class SymmetricEigen
{
    private const int MostSweeps = 60;

    /// <summary>Jacobi's rotations until nothing is left beside the diagonal; column j of the vectors belongs to value j.</summary>
    public static (double[] Values, double[,] Vectors) Decompose(double[,] matrix)
    {
        var size = matrix.GetLength(0);
        var a = (double[,])matrix.Clone();
        var vectors = new double[size, size];
        for (var i = 0; i < size; i++)
            vectors[i, i] = 1;
        for (var sweep = 0; sweep < MostSweeps && OffDiagonal(a) > 0; sweep++)
        {
            for (var p = 0; p < size; p++)
            {
                for (var q = p + 1; q < size; q++)
                    Rotate(a, vectors, p, q);
            }
        }
        return ([.. Enumerable.Range(0, size).Select(i => a[i, i])], vectors);
    }

    /// <summary>V·diag(values)·Vᵀ.</summary>
    public static double[,] Compose(double[,] vectors, double[] values)
    {
        var size = values.Length;
        var result = new double[size, size];
        for (var i = 0; i < size; i++)
        {
            for (var j = 0; j < size; j++)
            {
                for (var k = 0; k < size; k++)
                    result[i, j] += vectors[i, k] * values[k] * vectors[j, k];
            }
        }
        return result;
    }

    // What is below a rounding of the diagonal counts as nothing.
    private static double OffDiagonal(double[,] a)
    {
        double sum = 0;
        for (var p = 0; p < a.GetLength(0); p++)
        {
            for (var q = p + 1; q < a.GetLength(0); q++)
            {
                if (Math.Abs(a[p, q]) > 1e-17 * (Math.Abs(a[p, p]) + Math.Abs(a[q, q])))
                    sum += Math.Abs(a[p, q]);
            }
        }
        return sum;
    }

    private static void Rotate(double[,] a, double[,] vectors, int p, int q)
    {
        if (a[p, q] == 0)
            return;
        var theta = (a[q, q] - a[p, p]) / (2 * a[p, q]);
        var t = (theta >= 0 ? 1 : -1) / (Math.Abs(theta) + Math.Sqrt((theta * theta) + 1));
        var c = 1 / Math.Sqrt((t * t) + 1);
        var s = t * c;
        for (var k = 0; k < a.GetLength(0); k++)
            (a[k, p], a[k, q]) = ((c * a[k, p]) - (s * a[k, q]), (s * a[k, p]) + (c * a[k, q]));
        for (var k = 0; k < a.GetLength(0); k++)
        {
            (a[p, k], a[q, k]) = ((c * a[p, k]) - (s * a[q, k]), (s * a[p, k]) + (c * a[q, k]));
            (vectors[k, p], vectors[k, q]) = ((c * vectors[k, p]) - (s * vectors[k, q]), (s * vectors[k, p]) + (c * vectors[k, q]));
        }
        (a[p, q], a[q, p]) = (0, 0);
    }
}
