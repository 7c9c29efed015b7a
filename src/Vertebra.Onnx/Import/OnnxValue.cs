using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>
/// What flows between the nodes of an ONNX file while it is executed: a tensor, and the order its axes lie in. ONNX says
/// [N, C, H, W] where this project computes on [N, H, W, C]; instead of moving elements at every border, a value remembers
/// how it lies, and is brought into another order where a row asks for one. Each order is made once.
/// A value may also be a sequence of values, or nothing (an empty optional).
/// </summary>
internal sealed class OnnxValue
{
    private readonly IReadOnlyList<OnnxValue>? _elements;
    private readonly List<(Tensor Tensor, int[] Order)> _forms = [];
    private readonly Func<Tensor>? _make;

    private OnnxValue(Tensor tensor, int[] order)
    {
        _forms.Add((tensor, order));
        var sizes = new int[order.Length];
        for (var axis = 0; axis < order.Length; axis++)
            sizes[order[axis]] = tensor.Shape[axis];
        Shape = sizes;
    }

    private OnnxValue(IReadOnlyList<OnnxValue>? elements) => _elements = elements;

    private OnnxValue(OnnxValue image, Shape groups)
    {
        (Image, Shape) = (image, groups);
        _make = () => image.AsPlain().Reshape(Orders.WithOpenBatch(groups.Span.ToArray(), image.Shape));
    }

    /// <summary>A tensor whose axes are ONNX's.</summary>
    public static OnnxValue Plain(Tensor tensor) => new(tensor, Orders.Plain(tensor.Rank));

    /// <summary>A tensor that is known before any input was given.</summary>
    public static OnnxValue Constant(Tensor tensor) => new(tensor, Orders.Plain(tensor.Rank)) { IsConstant = true };

    /// <summary>A tensor [N, ..., C] that ONNX knows as [N, C, ...].</summary>
    public static OnnxValue ChannelsLast(Tensor tensor) => new(tensor, Orders.ChannelsLast(tensor.Rank));

    /// <summary>A tensor whose axis i is ONNX's axis <paramref name="order"/>[i].</summary>
    public static OnnxValue Ordered(Tensor tensor, int[] order) => new(tensor, order);

    /// <summary>
    /// An image [N, C, H, W] under the shape [N, groups, rest]: how group normalisation is written as an instance
    /// normalisation. The elements are moved only if something but that asks for them.
    /// </summary>
    public static OnnxValue Grouped(OnnxValue image, Shape groups) => new(image, groups);

    public static OnnxValue Sequence(IReadOnlyList<OnnxValue> elements) => new(elements);

    /// <summary>An optional that holds nothing.</summary>
    public static OnnxValue Nothing { get; } = new(null);

    public static implicit operator OnnxValue(Tensor tensor) => Plain(tensor);

    /// <summary>The values of a sequence; null when this is no sequence.</summary>
    public IReadOnlyList<OnnxValue>? Elements => _elements;

    /// <summary>The image that this is the groups of; null for all other values.</summary>
    public OnnxValue? Image { get; }

    public bool IsTensor => _forms.Count > 0 || _make is not null;

    /// <summary>The shape as ONNX has it.</summary>
    public Shape Shape { get; }

    public int Rank => Shape.Rank;

    public DType DType => Image?.DType ?? Stored.DType;

    public bool IsMeta => Image?.IsMeta ?? Stored.IsMeta;

    /// <summary>Known before any input was given: an initialiser or a Constant. Other operands' order wins over a constant's.</summary>
    public bool IsConstant { get; private init; }

    /// <summary>The tensor as it was made.</summary>
    /// <exception cref="VertebraException">This is no tensor.</exception>
    public Tensor Stored
    {
        get
        {
            if (_forms.Count == 0)
                _forms.Add((_make?.Invoke() ?? throw new VertebraException("a sequence or an empty optional stands where a tensor is needed"), Orders.Plain(Rank)));
            return _forms[0].Tensor;
        }
    }

    /// <summary>The order it was made in: axis i of <see cref="Stored"/> is ONNX's axis Order[i].</summary>
    public int[] Order => _forms.Count > 0 ? _forms[0].Order : Orders.Plain(Rank);

    /// <summary>Made as [N, ..., C].</summary>
    public bool IsChannelsLast => Rank > 2 && Orders.Same(Order, Orders.ChannelsLast(Rank));

    /// <summary>The tensor with ONNX's axes.</summary>
    public Tensor AsPlain() => In(Orders.Plain(Rank));

    /// <summary>The tensor as [N, ..., C].</summary>
    public Tensor AsChannelsLast() => In(Orders.ChannelsLast(Rank));

    /// <summary>The tensor with its axes in another order; made once.</summary>
    public Tensor In(int[] order)
    {
        var stored = Stored;
        // Constants outlive a run, and two runs may go on at once.
        lock (_forms)
        {
            foreach (var form in _forms)
            {
                if (Orders.Same(form.Order, order))
                    return form.Tensor;
            }
            var permutation = Array.ConvertAll(order, axis => Array.IndexOf(Order, axis));
            var tensor = Orders.Permuted(stored, permutation);
            _forms.Add((tensor, order));
            return tensor;
        }
    }

    /// <summary>Every tensor made of this value so far.</summary>
    public IReadOnlyList<Tensor> Forms
    {
        get
        {
            lock (_forms)
                return [.. _forms.Select(f => f.Tensor)];
        }
    }

    /// <summary>A tensor with ONNX's elements in ONNX's order, whatever its shape: no element moves where only axes of size 1 would.</summary>
    public Tensor InPlainSequence()
    {
        var toPlain = Array.ConvertAll(Orders.Plain(Rank), axis => Array.IndexOf(Order, axis));
        return Orders.MovesNothing(Stored.Shape, toPlain) ? Stored : AsPlain();
    }

    /// <summary>
    /// The matrix [n, k] of a constant [k, n]: what <see cref="TensorOps.Linear"/> takes. Where the file stores it so and transposes it, as
    /// this project's files do, it is the stored tensor itself, and what a kernel made of it serves every run.
    /// </summary>
    public Tensor TransposedMatrix() => In([1, 0]);

    /// <summary>A value in the same order: the result of something that treats all elements, or all but some axes, alike.</summary>
    public OnnxValue With(Tensor tensor) => new(tensor, Order);

    /// <summary>The same elements, ONNX's axis i being what was axis <paramref name="permutation"/>[i]. No element moves.</summary>
    public OnnxValue Transposed(int[] permutation) =>
        new(Stored, Array.ConvertAll(Order, axis => Array.IndexOf(permutation, axis))) { IsConstant = IsConstant };

    /// <summary>Where ONNX's axis stands in <see cref="Stored"/>; negative counts from the end.</summary>
    /// <exception cref="ShapeException">There is no such axis.</exception>
    public int StoredAxis(long axis, string what = "axis")
    {
        var normal = axis < 0 ? axis + Rank : axis;
        return normal >= 0 && normal < Rank ? Array.IndexOf(Order, (int)normal)
            : throw new ShapeException($"{what} {axis} does not exist in shape {Shape}");
    }

    public override string ToString() => IsTensor ? $"{DType.ToString().ToLowerInvariant()}{Shape}" : _elements is null ? "nothing" : $"a sequence of {_elements.Count}";
}

/// <summary>Orders of axes.</summary>
internal static class Orders
{
    /// <summary>As it is.</summary>
    public static int[] Plain(int rank) => [.. Enumerable.Range(0, rank)];

    /// <summary>[N, C, H, W] as [N, H, W, C].</summary>
    public static int[] ChannelsLast(int rank) => rank < 3 ? Plain(rank) : [0, .. Enumerable.Range(2, rank - 2), 1];

    public static bool Same(int[] a, int[] b) => a.AsSpan().SequenceEqual(b);

    /// <summary>True when a permutation only moves axes of size 1 past others: the elements stay where they are.</summary>
    public static bool MovesNothing(Shape shape, int[] permutation)
    {
        var last = -1;
        foreach (var axis in permutation)
        {
            if (shape[axis] == 1)
                continue;
            if (axis < last)
                return false;
            last = axis;
        }
        return true;
    }

    /// <summary>The permuted tensor; a view where no element moves, which keeps the first axis open where it is the batch.</summary>
    public static Tensor Permuted(Tensor tensor, int[] permutation)
    {
        if (!MovesNothing(tensor.Shape, permutation))
            return tensor.Permute(permutation);
        var sizes = Array.ConvertAll(permutation, axis => tensor.Shape[axis]);
        return tensor.Reshape(WithOpenBatch(sizes, tensor.Shape));
    }

    /// <summary>Target sizes of a reshape, the first of them -1 where it is that of the source: then the graph works at other batch sizes too.</summary>
    public static int[] WithOpenBatch(int[] sizes, Shape source)
    {
        if (source.ElementCount > 0 && sizes.Length > 0 && source.Rank > 0 && sizes[0] == source[0])
            return [-1, .. sizes[1..]];
        return sizes;
    }
}
