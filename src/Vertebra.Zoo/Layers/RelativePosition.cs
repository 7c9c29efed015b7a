namespace Vertebra.Zoo.Layers;

/// <summary>Numbers that attention inside a window adds to its scores, by how far key and query lie apart.</summary>
internal abstract class RelativePositionBias : Module
{
    /// <summary>[1, heads, L, L] for the L = h · w tokens of a window.</summary>
    public Tensor Bias()
    {
        using var scope = Enter();
        return OnBias();
    }

    protected abstract Tensor OnBias();

    protected override Tensor OnForward(Tensor x) => x + Bias();
}

/// <summary>Tables of position biases as buffers, and as part of published weights.</summary>
internal static class PositionTables
{
    /// <summary>A float buffer made number by number, or without data inside <see cref="Construction.Meta"/>.</summary>
    public static Tensor Make(Shape shape, Func<int, float> valueAt)
    {
        var table = Construction.Zeros(shape);
        if (!table.IsMeta)
            table.CopyFrom<float>(Enumerable.Range(0, (int)shape.ElementCount).Select(valueAt).ToArray());
        return table;
    }

    /// <summary>Resamples the tables of weights that were published for other windows than a network has; see <see cref="Backbone.AdaptState"/>.</summary>
    public static void Adapt(Module network, IDictionary<string, Tensor> state, ICollection<string> notes)
    {
        foreach (var (name, own) in network.NamedParameters().Where(p => p.Name.EndsWith("relative_position_bias_table", StringComparison.Ordinal)))
        {
            if (!state.TryGetValue(name, out var table) || table.Shape == own.Shape || Resample(table.To(DType.Float32), own.Shape) is not { } resampled)
                continue;
            notes.Add($"{name}: resampled from {table.Shape} to {resampled.Shape}");
            state[name] = resampled;
        }
    }

    private static Tensor? Resample(Tensor table, Shape shape)
    {
        if (table.Rank != shape.Rank)
            return null;
        if (table.Rank == 2)
            return RelativePositions.Resample(table, ((int)Math.Round(Math.Sqrt(shape[0])) + 1) / 2, classToken: false);
        var image = table.Permute([1, 2, 0]).Reshape([1, table.Shape[1], table.Shape[2], table.Shape[0]]);
        return image.Interpolate((shape[1], shape[2]), Kernels.InterpolationMode.Bicubic).Squeeze(0).Permute([2, 0, 1]);
    }
}

/// <summary>One learned number per displacement and head: <c>relative_position_bias_table</c> [(2h - 1) · (2w - 1), heads].</summary>
internal sealed class RelativeTable : RelativePositionBias
{
    private readonly Tensor _table;
    private readonly Tensor _index;

    public RelativeTable(Size2d window, int heads)
    {
        _table = Parameter("relative_position_bias_table", [RelativePositions.Distances(window), heads], Init.TruncatedNormal(0.02f));
        _index = Buffer("relative_position_index", RelativePositions.Index(window, classToken: false), persistent: false);
    }

    protected override Tensor OnBias() => RelativePositions.Bias(_table, _index);
}

/// <summary>An MLP of the displacement, its logarithm with sign, instead of a table (after Liu et al. 2022, Swin V2).</summary>
internal sealed class RelativeMlp : RelativePositionBias
{
    private readonly int _prefix;
    private readonly Tensor _displacements;
    private readonly Tensor _index;
    private readonly Sequential _mlp;

    /// <param name="window">Height and width in tokens.</param>
    /// <param name="heads">Heads of the attention.</param>
    /// <param name="hidden">Hidden channels of the MLP.</param>
    /// <param name="prefix">Tokens before the window's, whose scores stay as they are.</param>
    public RelativeMlp(Size2d window, int heads, int hidden, int prefix = 0)
    {
        _prefix = prefix;
        var (rows, columns) = ((2 * window.H) - 1, (2 * window.W) - 1);
        _index = Buffer("relative_position_index", RelativePositions.Index(window, classToken: false), persistent: false);
        _displacements = Buffer("rel_coords_log", PositionTables.Make([rows, columns, 2], LogDisplacement), persistent: false);
        _mlp = Child("mlp", new Sequential(
        [
            ("fc1", new Linear(2, hidden)), ("act", new ActivationLayer(ActivationKind.Relu)), ("drop1", new Dropout(0.125f)), ("fc2", new Linear(hidden, heads)),
        ]));

        float LogDisplacement(int i)
        {
            var distance = i % 2 == 0 ? (i / 2 / columns) - window.H + 1 : (i / 2 % columns) - window.W + 1;
            return MathF.Sign(distance) * MathF.Log(1 + MathF.Abs(distance));
        }
    }

    protected override Tensor OnBias()
    {
        var numbers = _mlp.Forward(_displacements);
        var bias = RelativePositions.Bias(numbers.Reshape([numbers.Shape[0] * numbers.Shape[1], numbers.Shape[2]]), _index);
        return _prefix == 0 ? bias : bias.Pad([0, 0, _prefix, _prefix], [0, 0, 0, 0]);
    }
}

/// <summary>
/// As <see cref="RelativeTable"/>, with the table [heads, 2h - 1, 2w - 1] of the TensorFlow weights, read by products with
/// one-hot tensors, row by row and column by column.
/// </summary>
internal sealed class RelativeLookup : RelativePositionBias
{
    private readonly Tensor _table;
    private readonly Tensor _rows;
    private readonly Tensor _columns;

    public RelativeLookup(Size2d window, int heads)
    {
        _table = Parameter("relative_position_bias_table", [heads, (2 * window.H) - 1, (2 * window.W) - 1], Init.Normal(0.02f));
        _rows = Buffer("height_lookup", OneHot(window.H), persistent: false);
        _columns = Buffer("width_lookup", OneHot(window.W), persistent: false);
    }

    protected override Tensor OnBias()
    {
        var area = _rows.Shape[0] * _columns.Shape[0];
        var byRow = Tensor.Einsum("nhw,ixh->nixw", _table, _rows);
        return Tensor.Einsum("nixw,jyw->nijxy", byRow, _columns).Reshape([1, _table.Shape[0], area, area]);
    }

    private static Tensor OneHot(int length)
    {
        var distances = (2 * length) - 1;
        return PositionTables.Make([length, length, distances], i =>
        {
            var (query, key, distance) = (i / distances / length, i / distances % length, i % distances);
            return distance == key - query + length - 1 ? 1 : 0;
        });
    }
}
