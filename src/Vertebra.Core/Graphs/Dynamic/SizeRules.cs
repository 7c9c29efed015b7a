using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>The attributes of a node's op that follow the size of the graph's input.</summary>
/// <param name="Attributes">Each of them.</param>
public sealed record SizeRules(IReadOnlyList<SizedAttribute> Attributes)
{
    /// <summary>The op for these sizes of the input's open axes.</summary>
    /// <exception cref="VertebraException">The sizes do not fit the network.</exception>
    public Op At(Op op, ReadOnlySpan<int> sizes)
    {
        var values = new List<(string, object?)>();
        foreach (var attribute in Attributes)
            values.Add((attribute.Name, attribute.At(sizes)));
        return OpAttributes.With(op, values);
    }

    public override string ToString() => string.Join(", ", Attributes);
}

/// <summary>An attribute that follows the size: a whole number, or a list of them.</summary>
/// <param name="Name">Name of the op's property.</param>
/// <param name="Type">Type of the property: <see cref="int"/>, <see cref="float"/> or <see cref="IntList"/>.</param>
/// <param name="Sizes">Its number or numbers.</param>
public sealed record SizedAttribute(string Name, Type Type, IReadOnlyList<SizeExpression> Sizes)
{
    internal object At(ReadOnlySpan<int> sizes)
    {
        var numbers = new int[Sizes.Count];
        for (var i = 0; i < numbers.Length; i++)
            numbers[i] = Sizes[i].At(sizes);
        return Type == typeof(IntList) ? (IntList)numbers : Type == typeof(int) ? numbers[0] : (object)(float)numbers[0];
    }

    public override string ToString() => Type == typeof(IntList) ? $"{Name} = [{string.Join(", ", Sizes)}]" : $"{Name} = {Sizes[0]}";
}
