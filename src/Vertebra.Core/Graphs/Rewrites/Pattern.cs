using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>
/// What a piece of a graph looks like, written as the piece is: <c>Op&lt;Multiply&gt;(x, Op&lt;Sigmoid&gt;(x))</c>. A pattern that stands
/// in two places must be the same value in both. Operands of commutative ops match in either order.
/// </summary>
public abstract class Pattern
{
    /// <summary>Any value.</summary>
    public static Pattern Any() => new ValuePattern(static _ => true);

    /// <summary>A value of which something holds.</summary>
    public static Pattern Any(Func<Value, bool> holds) => new ValuePattern(holds);

    /// <summary>A parameter, buffer or other constant whose data are there.</summary>
    public static Pattern Constant() => new ValuePattern(static v => v.Data is { IsMeta: false });

    /// <summary>A float32 constant whose elements are all this number, up to float32's rounding.</summary>
    public static Pattern Number(double number) => new ValuePattern(v =>
        v.Data is { IsMeta: false, DType: DType.Float32, ElementCount: > 0 } data && Array.TrueForAll(data.ToArray<float>(), e => Math.Abs(e - number) <= 1e-6 * Math.Max(1e-3, Math.Abs(number))));

    /// <summary>The first result of an op with these operands.</summary>
    public static OpPattern<TOp> Op<TOp>(params IReadOnlyList<Pattern> operands) where TOp : Op => new(operands);

    /// <summary>Whether an operand may be absent at the end of the list (a convolution's bias).</summary>
    internal bool IsOptional { get; private init; }

    /// <summary>The same pattern as a last operand that may be absent.</summary>
    public Pattern Optional() => new OptionalPattern(this) { IsOptional = true };

    internal abstract bool Matches(Value value, Match match);

    private sealed class ValuePattern(Func<Value, bool> holds) : Pattern
    {
        internal override bool Matches(Value value, Match match) => holds(value) && match.Bind(this, value);
    }

    private sealed class OptionalPattern(Pattern inner) : Pattern
    {
        internal override bool Matches(Value value, Match match) => inner.Matches(value, match) && match.Bind(this, value);
    }
}

/// <summary>The first result of an op of one type.</summary>
public sealed class OpPattern<TOp> : OpPattern where TOp : Op
{
    private readonly IReadOnlyList<Pattern> _operands;
    private Func<TOp, bool> _holds = static _ => true;

    internal OpPattern(IReadOnlyList<Pattern> operands) => _operands = operands;

    /// <summary>The same, where something holds of the op's attributes.</summary>
    public OpPattern<TOp> Where(Func<TOp, bool> holds)
    {
        var former = _holds;
        _holds = op => former(op) && holds(op);
        return this;
    }

    /// <summary>The result may have readers outside the pattern; it is then computed for them as before.</summary>
    public OpPattern<TOp> Shared()
    {
        IsShared = true;
        return this;
    }

    internal override bool MatchesNode(Node node, Match match)
    {
        if (node.Op is not TOp op || !_holds(op) || node.Inputs.Count > _operands.Count)
            return false;
        if (node.Inputs.Count < _operands.Count && !_operands[node.Inputs.Count].IsOptional)
            return false;
        var before = match.Save();
        if (OperandsMatch(node, match, swapped: false) && match.Bind(this, node))
            return true;
        match.Restore(before);
        if (op.IsCommutative && node.Inputs.Count == 2 && OperandsMatch(node, match, swapped: true) && match.Bind(this, node))
            return true;
        match.Restore(before);
        return false;
    }

    private bool OperandsMatch(Node node, Match match, bool swapped)
    {
        for (var i = 0; i < node.Inputs.Count; i++)
        {
            if (!_operands[swapped ? 1 - i : i].Matches(node.Inputs[i], match))
                return false;
        }
        return true;
    }
}

/// <summary>The first result of an op.</summary>
public abstract class OpPattern : Pattern
{
    /// <summary>Whether readers outside the pattern are allowed.</summary>
    internal bool IsShared { get; private protected set; }

    internal abstract bool MatchesNode(Node node, Match match);

    internal override bool Matches(Value value, Match match) =>
        match.Graph.ProducerOf(value) is { } node && ReferenceEquals(node.Outputs[0], value) && MatchesNode(node, match);
}
