using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Sequences of tensors and optional values.</summary>
internal static class SequenceRows
{
    private const int MostParts = 1 << 20;

    public static void AddTo(OperatorTable table)
    {
        table.Add("SequenceEmpty", _ => OnnxValue.Sequence([]));
        table.Add("SequenceConstruct", c => OnnxValue.Sequence([.. Enumerable.Range(0, c.Inputs.Count).Select(i => c[i])]));
        table.Add("SequenceLength", c => Tensor.From([(long)Elements(c, 0).Count], Shape.Scalar));
        table.Add("SequenceAt", c => Elements(c, 0)[Position(c, 1, Elements(c, 0).Count)]);
        table.Add("SequenceInsert", Insert);
        table.Add("SequenceErase", Erase);
        table.Add("SplitToSequence", Split);
        table.Add("ConcatFromSequence", Concatenate);
        table.Add("Optional", c => c.Has(0) ? c[0] : OnnxValue.Nothing);
        table.Add("OptionalHasElement", c => Tensor.From([c.Has(0) && !ReferenceEquals(c[0], OnnxValue.Nothing)], Shape.Scalar));
        table.Add("OptionalGetElement", c => c[0]);
    }

    /// <summary>The elements of an operand that must be a sequence.</summary>
    public static IReadOnlyList<OnnxValue> Elements(OnnxCall c, int operand) => c[operand].Elements ?? throw c.Bad($"operand {operand} must be a sequence, it is {c[operand]}");

    private static int Position(OnnxCall c, int operand, int count)
    {
        var position = c.Long(operand);
        var normal = position < 0 ? position + count : position;
        return normal >= 0 && normal < count ? (int)normal : throw c.Bad($"position {position} lies outside a sequence of {count}");
    }

    private static OnnxValue Insert(OnnxCall c)
    {
        var elements = Elements(c, 0).ToList();
        elements.Insert(c.Has(2) ? Position(c, 2, elements.Count + 1 - (c.Long(2) < 0 ? 1 : 0)) : elements.Count, c[1]);
        return OnnxValue.Sequence(elements);
    }

    private static OnnxValue Erase(OnnxCall c)
    {
        var elements = Elements(c, 0).ToList();
        elements.RemoveAt(c.Has(1) ? Position(c, 1, elements.Count) : elements.Count - 1);
        return OnnxValue.Sequence(elements);
    }

    private static OnnxValue Split(OnnxCall c)
    {
        var x = c.Plain(0);
        var axis = x.Shape.NormalizeAxis(c.Axis("axis", 0), "SplitToSequence");
        var size = x.Shape[axis];
        int[] sizes;
        if (c.Has(1) && c[1].Rank > 0)
        {
            sizes = c.Ints(1);
        }
        else
        {
            var step = c.Has(1) ? c.ToInt(c.Long(1), "the size of the parts") : 1;
            if (step < 1)
                throw c.Bad($"parts of size {step} do not cut {c[0]}");
            if (size / step > MostParts)
                throw c.Bad($"{c[0]} would fall into {size / step} parts");
            sizes = [.. Enumerable.Range(0, (int)((size + step - 1L) / step)).Select(i => Math.Min(step, size - (i * step)))];
        }
        var parts = sizes.Length == 0 ? [] : x.Split(sizes, axis);
        // Only parts of size 1 that nobody asked for lose their axis.
        return OnnxValue.Sequence([.. parts.Select(p => OnnxValue.Plain(!c.Has(1) && !c.Flag("keepdims", true) ? p.Squeeze(axis) : p))]);
    }

    private static OnnxValue Concatenate(OnnxCall c)
    {
        var stacks = c.Flag("new_axis");
        var parts = Elements(c, 0).Select(e => e.AsPlain()).ToArray();
        if (parts.Length == 0)
            throw c.Bad("an empty sequence cannot be concatenated");
        var rank = parts[0].Rank + (stacks ? 1 : 0);
        var axis = c.ToInt(c.Int("axis"), "axis");
        axis = axis < 0 ? axis + rank : axis;
        return new Concat(axis).Apply(stacks ? Array.ConvertAll(parts, p => p.Unsqueeze(axis)) : parts);
    }
}
