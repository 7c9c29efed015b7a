using System.Collections.Concurrent;
using System.Reflection;

namespace Vertebra.Ops;

/// <summary>The attributes of ops by name, as the records declare them: for printing, comparing and changing what is the same for every op.</summary>
public static class OpAttributes
{
    private static readonly ConcurrentDictionary<Type, PropertyInfo[]> Known = new();
    private static readonly MethodInfo Clone = typeof(object).GetMethod("MemberwiseClone", BindingFlags.Instance | BindingFlags.NonPublic)!;

    /// <summary>Names and values, the record's own before its base's.</summary>
    public static IReadOnlyList<(string Name, object? Value)> Of(Op op) => [.. Properties(op).Select(p => (p.Name, p.GetValue(op)))];

    /// <summary>A copy of the op with other attributes.</summary>
    /// <exception cref="ArgumentException">The op has no attribute of that name.</exception>
    public static Op With(Op op, IEnumerable<(string Name, object? Value)> attributes)
    {
        var copy = (Op)Clone.Invoke(op, null)!;
        foreach (var (name, value) in attributes)
        {
            var property = Array.Find(Properties(op), p => p.Name == name) ?? throw new ArgumentException($"{op.Name} has no attribute {name}");
            property.SetValue(copy, value);
        }
        return copy;
    }

    // Attributes are what a record can be built with: public, and settable while it is built.
    private static PropertyInfo[] Properties(Op op)
    {
        var type = op.GetType();
        if (!Known.TryGetValue(type, out var properties))
            Known[type] = properties = [.. type.GetProperties(BindingFlags.Instance | BindingFlags.Public).Where(p => p.CanRead && p.CanWrite)];
        return properties;
    }
}
