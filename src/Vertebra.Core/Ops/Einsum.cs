namespace Vertebra.Ops;

/// <summary>
/// Einstein sums, composed of Permute, Reshape, Sum, Multiply and MatMul: gradients, traces and multiply-accumulates are theirs.
/// Every label of an operand is kept, or summed over; a label twice within one operand takes its diagonal.
/// </summary>
internal sealed class EinsteinSum
{
    // Stand-ins for the axes of an ellipsis: the last is (char)1, the one before it (char)2, ...
    private const char FirstEllipsisLabel = (char)1;

    private readonly string _equation;
    private readonly Dictionary<char, int> _sizes = [];

    private EinsteinSum(string equation) => _equation = equation;

    public static Tensor Run(string equation, ReadOnlySpan<Tensor> operands) => new EinsteinSum(equation).Contract(operands);

    /// <summary>An operand and the labels of its axes.</summary>
    private readonly record struct Term(Tensor Tensor, string Labels);

    private Tensor Contract(ReadOnlySpan<Tensor> operands)
    {
        var sides = _equation.Replace(" ", "").Split("->");
        var inputs = sides[0].Split(',');
        if (sides.Length > 2 || inputs.Length != operands.Length || operands.Length == 0)
            throw Broken(sides.Length > 2 ? "more than one ->" : $"{inputs.Length} operands in the equation, {operands.Length} given");
        var (tensors, labels) = (operands.ToArray(), new string[inputs.Length]);
        for (var i = 0; i < labels.Length; i++)
        {
            labels[i] = LabelsOf(inputs[i], tensors[i].Shape, i);
            (tensors[i], labels[i]) = WithoutRepeats(new(tensors[i], labels[i]), i);
        }
        var output = OutputLabels(sides.Length == 2 ? sides[1] : null, inputs, labels);

        var result = Fit(new(tensors[0], labels[0]));
        for (var i = 1; i < labels.Length; i++)
        {
            var later = string.Concat(labels[(i + 1)..]) + output;
            result = Product(result, Fit(new(tensors[i], labels[i])), later);
        }
        result = SumAway(result, output);
        return Ordered(result, output).Tensor;
    }

    // ---------------------------------------------------------------- reading the equation

    private string LabelsOf(string input, Shape shape, int operand)
    {
        var letters = input.Replace("...", "");
        var hidden = shape.Rank - letters.Length;
        if (hidden < 0 || (hidden > 0 && letters.Length == input.Length))
            throw Broken($"operand {operand} is written '{input}' and has shape {shape} of rank {shape.Rank}");
        var labels = Expanded(input, hidden);
        for (var axis = 0; axis < labels.Length; axis++)
        {
            var known = _sizes.GetValueOrDefault(labels[axis], 1);
            if (known != 1 && shape[axis] != 1 && known != shape[axis])
                throw Broken($"label '{Shown(labels[axis])}' is {known} before and {shape[axis]} in operand {operand} of shape {shape}");
            _sizes[labels[axis]] = known == 1 ? shape[axis] : known;
        }
        return labels;
    }

    private string Expanded(string labels, int hidden)
    {
        var ellipsis = new string([.. Enumerable.Range(0, hidden).Select(i => (char)(FirstEllipsisLabel + hidden - 1 - i))]);
        var at = labels.IndexOf("...", StringComparison.Ordinal);
        var expanded = at < 0 ? labels : labels[..at] + ellipsis + labels[(at + 3)..];
        foreach (var label in expanded)
        {
            if (!char.IsAsciiLetter(label) && !ellipsis.Contains(label))
                throw Broken($"'{label}' is not a label; labels are letters, and one ... stands for the axes without");
        }
        return expanded;
    }

    private string OutputLabels(string? written, string[] inputs, string[] labels)
    {
        var hidden = _sizes.Keys.Count(label => !char.IsAsciiLetter(label));
        // Without an arrow: the labels that stand only once, in alphabetical order, after the ellipsis.
        written ??= (hidden > 0 ? "..." : "") + string.Concat(string.Concat(inputs).Where(char.IsAsciiLetter).GroupBy(l => l).Where(g => g.Count() == 1).Select(g => g.Key).Order());
        var output = Expanded(written, hidden);
        for (var i = 0; i < output.Length; i++)
        {
            if (output.IndexOf(output[i]) != i)
                throw Broken($"label '{output[i]}' stands twice in the output");
            if (!Array.Exists(labels, l => l.Contains(output[i])))
                throw Broken($"output label '{output[i]}' is in no operand");
        }
        return output;
    }

    private static string Shown(char label) => char.IsAsciiLetter(label) ? $"{label}" : "...";

    private ShapeException Broken(string message) => new($"Einsum '{_equation}': {message}");

    // ---------------------------------------------------------------- computing

    /// <summary>Axes of size 1 under a label of another size broadcast: without them, the label is simply not in this operand.</summary>
    /// <summary>A label that stands twice asks for the diagonal: every (n + 1)-th element of the two axes of size n as one.</summary>
    private Term WithoutRepeats(Term term, int operand)
    {
        while (true)
        {
            var (tensor, labels) = term;
            var second = Enumerable.Range(0, labels.Length).FirstOrDefault(axis => labels.IndexOf(labels[axis]) != axis, -1);
            if (second < 0)
                return term;
            var first = labels.IndexOf(labels[second]);
            var size = tensor.Shape[first];
            if (tensor.Shape[second] != size)
                throw Broken($"label '{Shown(labels[first])}' stands for {size} and {tensor.Shape[second]} in operand {operand} of shape {tensor.Shape}");
            var others = Enumerable.Range(0, labels.Length).Where(axis => axis != first && axis != second).ToArray();
            var square = tensor.Permute([.. others, first, second]).Reshape([.. others.Select(axis => tensor.Shape[axis]), checked(size * size)]);
            term = new(square.Slice(others.Length, 0, int.MaxValue, size + 1), string.Concat(others.Select(axis => labels[axis])) + labels[first]);
        }
    }

    private Term Fit(Term term)
    {
        for (var axis = term.Labels.Length - 1; axis >= 0; axis--)
        {
            if (term.Tensor.Shape[axis] == 1 && _sizes[term.Labels[axis]] != 1)
                term = new(term.Tensor.Squeeze(axis), term.Labels.Remove(axis, 1));
        }
        return term;
    }

    /// <summary>The product of two operands, summed over the labels that nobody needs later.</summary>
    private Term Product(Term a, Term b, string later)
    {
        a = SumAway(a, b.Labels + later);
        b = SumAway(b, a.Labels + later);
        var shared = Only(a.Labels, b.Labels.Contains);
        var batch = Only(shared, later.Contains);
        var summed = Only(shared, label => !later.Contains(label));
        var (left, right) = (Only(a.Labels, label => !shared.Contains(label)), Only(b.Labels, label => !shared.Contains(label)));
        var result = summed.Length == 0 ? Elementwise(a, b, batch, left, right) : Contracted(a, b, batch, left, right, summed);
        return new(result, batch + left + right);
    }

    private Tensor Elementwise(Term a, Term b, string batch, string left, string right)
    {
        var (x, y) = (Ordered(a, batch + left).Tensor, Ordered(b, batch + right).Tensor);
        foreach (var _ in right)
            x = x.Unsqueeze(-1);
        foreach (var _ in left)
            y = y.Unsqueeze(batch.Length);
        return x * y;
    }

    private Tensor Contracted(Term a, Term b, string batch, string left, string right, string summed)
    {
        // An operand that lies the other way round is read transposed rather than permuted.
        var transposeA = a.Labels == batch + summed + left && left.Length > 0;
        var transposeB = b.Labels == batch + right + summed && right.Length > 0;
        var x = transposeA ? Matrices(a, batch, summed, left) : Matrices(a, batch, left, summed);
        var y = transposeB ? Matrices(b, batch, right, summed) : Matrices(b, batch, summed, right);
        var product = x.MatMul(y, transposeA, transposeB);
        if (left.Length == 1 && right.Length == 1)
            return product;
        var sizes = Array.ConvertAll((batch + left + right).ToCharArray(), label => _sizes[label]);
        // The first size is left open where it can be, so that a traced network runs at any batch size.
        if (sizes.Length > 1 && !sizes.AsSpan(1).Contains(0))
            sizes[0] = -1;
        return product.Reshape((IntList)sizes);
    }

    /// <summary>The operand as [batch..., rows, columns].</summary>
    private static Tensor Matrices(Term term, string batch, string rows, string columns)
    {
        var x = Ordered(term, batch + rows + columns).Tensor;
        if (columns.Length != 1)
            x = columns.Length == 0 ? x.Unsqueeze(-1) : x.Flatten(batch.Length + rows.Length, -1);
        if (rows.Length != 1)
            x = rows.Length == 0 ? x.Unsqueeze(batch.Length) : x.Flatten(batch.Length, batch.Length + rows.Length - 1);
        return x;
    }

    private static Term SumAway(Term term, string needed)
    {
        var axes = Enumerable.Range(0, term.Labels.Length).Where(axis => !needed.Contains(term.Labels[axis])).ToArray();
        return axes.Length == 0 ? term : new(term.Tensor.Sum(axes), Only(term.Labels, needed.Contains));
    }

    private static Term Ordered(Term term, string order) =>
        term.Labels == order ? term : new(term.Tensor.Permute(Array.ConvertAll(order.ToCharArray(), label => term.Labels.IndexOf(label))), order);

    private static string Only(string labels, Func<char, bool> chosen) => string.Concat(labels.Where(chosen));
}

public static partial class TensorOps
{
    extension(Tensor)
    {
        /// <summary>
        /// The Einstein sum of float32 tensors, in NumPy's notation: <c>"bhid,bhjd->bhij"</c> multiplies matrices per batch and head.
        /// Labels missing in the output are summed over; <c>...</c> stands for leading axes that broadcast; without an arrow the
        /// labels that stand once make the output. Operands are multiplied from left to right.
        /// </summary>
        /// <exception cref="ShapeException">The equation does not fit the operands, or repeats a label within one operand.</exception>
        public static Tensor Einsum(string equation, params ReadOnlySpan<Tensor> operands) => EinsteinSum.Run(equation, operands);
    }
}
