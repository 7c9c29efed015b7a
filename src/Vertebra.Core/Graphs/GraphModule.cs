using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>
/// A graph as a module: its constants are parameters and buffers under their names, it runs, is differentiated, trained, saved
/// and traced again. The tensors are the graph's own, not copies. In training, batch norms use the batch's statistics and
/// move the running ones, and dropouts drop, as in the module that was traced in evaluation mode.
/// </summary>
public sealed class GraphModule : Module
{
    private readonly GraphRunner _runner;
    private readonly Dictionary<string, Module> _parts = new(StringComparer.Ordinal);
    private readonly Dictionary<Value, List<string>> _returns = [];

    /// <param name="graph">What the module computes.</param>
    public GraphModule(Graph graph)
    {
        Graph = graph;
        _runner = new GraphRunner(graph);
        _parts[""] = this;
        foreach (var path in graph.Nodes.Select(n => n.ModulePath).Concat(graph.ModuleOutputs.Keys))
            PartAt(path);
        foreach (var constant in graph.Constants)
            Place(constant);
        foreach (var (path, value) in graph.ModuleOutputs)
        {
            if (!_returns.TryGetValue(value, out var paths))
                _returns.Add(value, paths = []);
            paths.Add(path);
        }
        // A module returns after the modules inside it.
        foreach (var paths in _returns.Values)
            paths.Sort((a, b) => b.Length.CompareTo(a.Length));
    }

    /// <summary>What the module computes.</summary>
    public Graph Graph { get; }

    /// <summary>Applies a graph of several inputs or outputs.</summary>
    public Tensor[] ForwardAll(params ReadOnlySpan<Tensor> inputs) => _runner.Run(inputs, Apply);

    /// <summary>The values of these names (see <see cref="Graph.this[string]"/>) for an input, and nothing that they do not need.</summary>
    public Tensor[] Tap(Tensor x, params IReadOnlyList<string> names)
    {
        var cut = new GraphModule(Graph.WithOutputs([.. names.Select(n => Graph[n])]));
        cut.Train(IsTraining);
        return cut.ForwardAll(x);
    }

    protected override Tensor OnForward(Tensor x) => Graph.Outputs.Count == 1 ? ForwardAll(x)[0]
        : throw new VertebraException($"the graph has {Graph.Outputs.Count} outputs: apply it with ForwardAll");

    private Tensor[] Apply(Node node, Tensor[] operands)
    {
        using var scope = _parts[node.ModulePath].Enter();
        var results = IsTraining ? ApplyInTraining(node.Op, operands) : node.Op.ApplyAll(operands);
        if (OpRecording.Current is { } recorder)
        {
            for (var i = 0; i < results.Length; i++)
            {
                foreach (var path in _returns.TryGetValue(node.Outputs[i], out var paths) ? paths : [])
                    recorder.Returned(_parts[path], results[i]);
            }
        }
        return results;
    }

    private static Tensor[] ApplyInTraining(Op op, Tensor[] operands)
    {
        if (op is DropInTraining drop)
        {
            var (seed, stream) = TrainingRandom.Next();
            return drop.Dropping(seed, stream).ApplyAll(operands);
        }
        if (op is not BatchNorm norm)
            return op.ApplyAll(operands);
        var x = operands[0];
        var residual = norm.AddsResidual ? operands[5] : null;
        var (result, mean, variance) = x.BatchNormTraining(operands[1], operands[2], norm.Epsilon, norm.Activation, residual);
        if (RunningStatistics.AreMovedBy(mean))
            RunningStatistics.Track(operands[3], operands[4], mean, variance, x.ElementCount / x.Shape[-1], norm.Momentum);
        return [result];
    }

    private Module PartAt(string path)
    {
        if (_parts.TryGetValue(path, out var part))
            return part;
        var dot = path.LastIndexOf('.');
        var parent = dot < 0 ? this : PartAt(path[..dot]);
        return _parts[path] = parent is Part inner ? inner.Add(path[(dot + 1)..]) : Child(path, new Part());
    }

    // Names from foreign files need not be paths: one that does not fit into the tree stands at its root, without dots.
    private void Place(Value constant)
    {
        var dot = constant.Name.LastIndexOf('.');
        var (path, name) = dot < 0 ? ("", constant.Name) : (constant.Name[..dot], constant.Name[(dot + 1)..]);
        var isPath = !constant.Name.Split('.').Contains("");
        var isTaken = _parts.ContainsKey(constant.Name);
        if (!isPath || isTaken)
            Adopt(constant.Name.Replace('.', '_') + (isTaken ? "_" : ""), constant.Data!);
        else if (path.Length == 0)
            Adopt(name, constant.Data!);
        else
            ((Part)PartAt(path)).Take(name, constant.Data!);
    }

    /// <summary>A place in the tree of names.</summary>
    private sealed class Part : Module
    {
        public Part Add(string name) => Child(name, new Part());

        public void Take(string name, Tensor tensor) => Adopt(name, tensor);

        protected override Tensor OnForward(Tensor x) => throw new VertebraException("a part of a graph has no forward of its own: cut the graph with WithOutputs");
    }
}
