namespace Vertebra.Onnx;

/// <summary>The values of one execution of a graph, and those of the graphs around it.</summary>
internal sealed class OnnxScope(OnnxProgram program, OnnxScope? outer)
{
    private readonly Dictionary<string, OnnxValue> _values = new(StringComparer.Ordinal);

    public void Set(string name, OnnxValue value) => _values[name] = value;

    public void Remove(string name) => _values.Remove(name);

    public OnnxValue Find(string name) =>
        _values.TryGetValue(name, out var value) || program.Constants.TryGetValue(name, out value) ? value
        : outer?.Find(name) ?? throw new FileFormatException($"the value '{name}' is not there");
}
