using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>
/// Brings operands that are combined element by element into one order, with as little moving as possible: an image stays an
/// image, and what broadcasts against it is turned to fit.
/// </summary>
internal static class Alignment
{
    /// <summary>A function of one value that does not care for axes.</summary>
    public static OnnxValue Unary(OnnxValue x, Func<Tensor, Tensor> function) => x.With(function(x.Stored));

    /// <summary>A function of two values with NumPy's broadcasting.</summary>
    public static OnnxValue Binary(OnnxValue a, OnnxValue b, Func<Tensor, Tensor, Tensor> function)
    {
        var order = CommonOrder([a, b]);
        return OnnxValue.Ordered(function(Fit(a, order), Fit(b, order)), order);
    }

    /// <summary>The order in which the result of combining these values is to lie.</summary>
    public static int[] CommonOrder(IReadOnlyList<OnnxValue> values)
    {
        var rank = values.Max(v => v.Rank);
        var flowing = values.Where(v => v.Rank == rank && !v.IsConstant).ToList();
        if (flowing.Count == 0)
            return Orders.Plain(rank);
        var chosen = flowing.Find(v => v.IsChannelsLast) ?? flowing[0];
        return chosen.IsChannelsLast || flowing.TrueForAll(v => Orders.Same(v.Order, chosen.Order)) ? chosen.Order : Orders.Plain(rank);
    }

    /// <summary>A tensor that broadcasts against others in an order as the value does against them in ONNX's.</summary>
    public static Tensor Fit(OnnxValue value, int[] order)
    {
        if (value.Rank == order.Length)
            return value.In(order);
        if (value.Rank <= 1 && value.Shape.ElementCount == 1)
            return value.AsPlain();
        var plain = value.AsPlain();
        var lead = order.Length - value.Rank;
        if (Orders.Same(order, Orders.Plain(order.Length)))
            return plain;
        var padded = plain.Reshape([.. Enumerable.Repeat(1, lead), .. plain.Shape]);
        return WithoutLeadingOnes(value, Orders.Permuted(padded, order));
    }

    // [1, 1, 1, C] broadcasts as [C] does; the latter is what other parts of the project know a vector over channels by.
    private static Tensor WithoutLeadingOnes(OnnxValue value, Tensor tensor)
    {
        if (!value.IsConstant || tensor.Rank < 2 || value.IsMeta)
            return tensor;
        var ones = 0;
        while (ones < tensor.Rank - 1 && tensor.Shape[ones] == 1)
            ones++;
        return ones == 0 ? tensor : tensor.Reshape(tensor.Shape.Span[ones..].ToArray());
    }
}
