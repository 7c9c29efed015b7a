namespace Vertebra.Zoo.Layers;

/// <summary>A classifier that measures angles between features and classes; the features' length does not count.</summary>
public abstract class MetricHead : Module
{
    /// <summary>What the cosines are multiplied by to make logits.</summary>
    public abstract float Scale { get; }

    /// <summary>Makes the head of a name.</summary>
    /// <param name="name">As <see cref="ModelOptions.Head"/> has it: <c>cosine</c>, or <c>grassmann</c> and the subspaces' dimension.</param>
    /// <param name="features">Size of the features.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="scale">Scale; the head's default if null.</param>
    /// <exception cref="VertebraException">There is no such head, or the subspaces do not fit into the features.</exception>
    internal static MetricHead Create(string name, int features, int classes, float? scale)
    {
        if (name == "cosine")
            return new CosineHead(features, classes, scale ?? CosineHead.DefaultScale);
        return new GrassmannHead(features, classes, DimensionIn(name), scale ?? GrassmannHead.DefaultScale);
    }

    /// <summary>Checks a name.</summary>
    /// <exception cref="VertebraException">There is no such head.</exception>
    internal static void CheckName(string name)
    {
        if (name != "cosine")
            _ = DimensionIn(name);
    }

    private static int DimensionIn(string name)
    {
        const string Prefix = "grassmann";
        if (name == Prefix)
            return GrassmannHead.DefaultDimension;
        if (name.StartsWith(Prefix, StringComparison.Ordinal) && int.TryParse(name.AsSpan(Prefix.Length), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var dimension) && dimension > 0)
            return dimension;
        throw new VertebraException($"head '{name}' is unknown; use cosine, grassmann or grassmannK with subspaces of K dimensions, as grassmann8");
    }

    /// <summary>x / max(|x|, 1e-12) over the last axis, as PyTorch's <c>normalize</c>.</summary>
    protected static Tensor Normalise(Tensor x) => x / x.Square().Sum([-1], keepAxes: true).Clamp(1e-24f).Sqrt();
}

/// <summary>
/// scale · cos θ between a feature and each class's vector, the rows of <c>weight</c> [classes, features]: the classifier that
/// margin losses are made for (Wang et al., "NormFace", 2017).
/// </summary>
public sealed class CosineHead : MetricHead
{
    /// <summary>As in "Additive margin softmax for face verification" (Wang et al. 2018).</summary>
    public const float DefaultScale = 30;

    private readonly Tensor _weight;

    /// <param name="features">Size of the features.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="scale">Factor on the cosines.</param>
    public CosineHead(int features, int classes, float scale = DefaultScale)
    {
        Scale = scale;
        _weight = Parameter("weight", [classes, features], Init.XavierUniform);
    }

    public override float Scale { get; }

    protected override Tensor OnForward(Tensor x) => Normalise(x).Linear(Normalise(_weight)) * Scale;
}

/// <summary>
/// Grassmann class representation (Wang, Li and Zhang, "Get the best of both worlds: improving accuracy and transferability by
/// Grassmann class representation", ICCV 2023): a class is a subspace, and its logit scale · |Sᵀx| / |x|, the length of the
/// feature's projection on it. <c>subspaces</c> [classes, dimension, features] hold an orthonormal basis each, which training must
/// keep so: by moving them on the Grassmann manifold.
/// </summary>
public sealed class GrassmannHead : MetricHead, ISubspaceLayer
{
    /// <summary>As in the paper.</summary>
    public const float DefaultScale = 25;

    /// <summary>The paper's for ImageNet.</summary>
    public const int DefaultDimension = 8;

    private readonly Tensor _subspaces;

    /// <param name="features">Size of the features.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="dimension">Dimension of each subspace.</param>
    /// <param name="scale">Factor on the cosines.</param>
    /// <exception cref="VertebraException">The features have fewer dimensions than a subspace.</exception>
    public GrassmannHead(int features, int classes, int dimension = DefaultDimension, float scale = DefaultScale)
    {
        if (dimension < 1 || dimension > features)
            throw new VertebraException($"class subspaces of {dimension} dimensions do not fit into {features} features");
        Scale = scale;
        _subspaces = Parameter("subspaces", [classes, dimension, features], Orthonormal);
    }

    public override float Scale { get; }

    public IReadOnlyList<string> SubspaceParameters { get; } = ["subspaces"];

    protected override Tensor OnForward(Tensor x)
    {
        var (classes, dimension, features) = (_subspaces.Shape[0], _subspaces.Shape[1], _subspaces.Shape[2]);
        var projections = Normalise(x).Linear(_subspaces.Reshape([classes * dimension, features])).Reshape([-1, classes, dimension]);
        // The length's gradient has no bound where a feature is orthogonal to a class.
        return projections.Square().Sum([2]).Clamp(1e-12f).Sqrt() * Scale;
    }

    /// <summary>Random subspaces, uniform over the Grassmann manifold: normal vectors, orthonormalised one after another (Gram and Schmidt, twice, in float64).</summary>
    private static void Orthonormal(Tensor subspaces, Philox random)
    {
        random.FillNormal(subspaces.AsSpan<float>());
        var (dimension, features) = (subspaces.Shape[1], subspaces.Shape[2]);
        var basis = new double[dimension][];
        for (var c = 0; c < subspaces.Shape[0]; c++)
        {
            for (var row = 0; row < dimension; row++)
            {
                var line = subspaces.AsSpan<float>().Slice(((c * dimension) + row) * features, features);
                basis[row] = new double[features];
                for (var i = 0; i < features; i++)
                    basis[row][i] = line[i];
                for (var pass = 0; pass < 2; pass++)
                {
                    foreach (var former in basis.AsSpan(0, row))
                        Move(basis[row], former, -Dot(basis[row], former));
                }
                var length = Math.Sqrt(Dot(basis[row], basis[row]));
                for (var i = 0; i < features; i++)
                    line[i] = (float)(basis[row][i] /= length);
            }
        }
    }

    private static double Dot(double[] a, double[] b)
    {
        double sum = 0;
        for (var i = 0; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }

    private static void Move(double[] target, double[] direction, double factor)
    {
        for (var i = 0; i < target.Length; i++)
            target[i] += factor * direction[i];
    }
}
