using Vertebra.Graphs;

namespace Vertebra.Onnx;

/// <summary>A network that has been written to a file, and under which names its values stand there.</summary>
public sealed class ExportedNetwork
{
    private readonly IReadOnlyDictionary<string, (Value Value, AxisOrder Order)> _names;

    internal ExportedNetwork(string path, BuiltModel built)
    {
        (Path, Graph, _names) = (path, built.Graph, built.Names);
        (NodeCount, TransposeCount) = (built.Model.Graph.Node.Count, built.TransposeCount);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What was written, after rewrites.</summary>
    public Graph Graph { get; }

    /// <summary>Nodes of the file.</summary>
    public int NodeCount { get; }

    /// <summary>How many of them transpose something that is not a weight.</summary>
    public int TransposeCount { get; }

    /// <summary>
    /// Runs the file with the importer of this project and compares every value that it computes with the network's own.
    /// </summary>
    /// <param name="fileInputs">What the file is given, in its own layout.</param>
    /// <param name="inputs">The same for the network: images as [N, H, W, C].</param>
    /// <returns>Differences of the values in the order in which the file computes them; the outputs last.</returns>
    /// <exception cref="VertebraException">The file cannot be read or executed.</exception>
    public IReadOnlyList<NodeDifference> Check(IReadOnlyList<Tensor> fileInputs, IReadOnlyList<Tensor> inputs)
    {
        var own = OwnValues(inputs);
        var differences = new List<NodeDifference>();
        var model = OnnxModel.Load(Path);
        var given = model.Inputs.Zip(fileInputs).ToDictionary(p => p.First.Name, p => p.Second);
        var outputs = model.Run(given, (name, tensor) =>
        {
            if (_names.TryGetValue(name, out var known) && own.TryGetValue(known.Value, out var expected))
                differences.Add(Difference(name, known.Value, tensor, Arranged(expected, known.Order)));
        });
        for (var i = 0; i < outputs.Length; i++)
        {
            var name = model.Outputs[i].Name;
            differences.Add(Difference(name, Graph.Outputs[i], outputs[i], Arranged(own[Graph.Outputs[i]], _names[name].Order)));
        }
        return differences;
    }

    private Dictionary<Value, Tensor> OwnValues(IReadOnlyList<Tensor> inputs)
    {
        var own = new Dictionary<Value, Tensor>(ReferenceEqualityComparer.Instance);
        for (var i = 0; i < inputs.Count; i++)
            own[Graph.Inputs[i]] = inputs[i];
        // Node by node, because all values are kept until they are compared.
        foreach (var node in Graph.Nodes)
        {
            var results = node.Op.ApplyAll([.. node.Inputs.Select(v => v.Data ?? own[v])]);
            for (var o = 0; o < results.Length; o++)
                own[node.Outputs[o]] = results[o];
        }
        return own;
    }

    private static Tensor Arranged(Tensor tensor, AxisOrder order) => order.IsPlain ? tensor : Vertebra.Ops.TensorOps.Permute(tensor, order.Axes);

    private NodeDifference Difference(string name, Value value, Tensor actual, Tensor expected)
    {
        var module = Graph.ProducerOf(value)?.ModulePath ?? "";
        if (actual.Spec != expected.Spec)
            return new(name, module, double.PositiveInfinity);
        if (actual.DType != DType.Float32)
            return new(name, module, actual.ContentEquals(expected) ? 0 : double.PositiveInfinity);
        var x = actual.AsSpan<float>();
        var y = expected.AsSpan<float>();
        double distance = 0, norm = 0;
        for (var i = 0; i < x.Length; i++)
        {
            if (x[i].Equals(y[i]))
                continue;
            distance += Math.Pow((double)x[i] - y[i], 2);
        }
        foreach (var element in y)
            norm += float.IsFinite(element) ? (double)element * element : 0;
        GC.KeepAlive(actual);
        GC.KeepAlive(expected);
        // Of values that are zero but for rounding, the distance itself is told.
        return new(name, module, distance == 0 ? 0 : Math.Sqrt(distance) / Math.Max(Math.Sqrt(norm), 1e-6 * Math.Sqrt(x.Length)));
    }
}

/// <summary>How far a value of a file is from the network's own.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Module">The module that computes it.</param>
/// <param name="Error">L2 distance relative to the expected values' norm; infinite where shapes or whole numbers differ.</param>
public sealed record NodeDifference(string Name, string Module, double Error);
