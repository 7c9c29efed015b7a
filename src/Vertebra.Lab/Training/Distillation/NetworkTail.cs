using Vertebra.Graphs;
using Vertebra.Zoo;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// The part of a network that stands between two of its levels, cut out of its traced graph: what ScaleKD hands a student's map to. Gradients
/// flow through it; the network stays as it is, in evaluation mode.
/// </summary>
internal sealed class NetworkTail(Backbone network, FeatureInfo from, FeatureInfo to)
{
    private (Shape Images, Graph Graph)? _cut;

    /// <summary>What the module of the further level returns, had that of the nearer one returned this.</summary>
    /// <param name="returned">float32, of the shape that the module returns for such images.</param>
    /// <param name="images">Shape of the images [N, H, W, C].</param>
    /// <exception cref="VertebraException">The further level reads more of the network than the nearer one.</exception>
    public Tensor Forward(Tensor returned, Shape images) => GraphFor(images).Run(returned)[0];

    private Graph GraphFor(Shape images)
    {
        if (_cut is { } known && known.Images == images)
            return known.Graph;
        var graph = Graph.Trace(network, images);
        var cut = Cut(graph, graph.OutputOf(from.Path), graph.OutputOf(to.Path));
        _cut = (images, cut);
        return cut;
    }

    private Graph Cut(Graph graph, Value start, Value end)
    {
        var needed = new HashSet<Value>(ReferenceEqualityComparer.Instance) { end };
        var nodes = new List<Node>();
        foreach (var node in graph.Nodes.Reverse())
        {
            if (node.Outputs.Contains(start) || !node.Outputs.Any(needed.Contains))
                continue;
            nodes.Add(node);
            needed.UnionWith(node.Inputs);
        }
        if (needed.Overlaps(graph.Inputs) || !needed.Contains(start))
            throw new VertebraException($"the teacher's level {to.Path} cannot be computed of {from.Path} alone: choose a teacher whose stages follow one another");
        nodes.Reverse();
        return new([start], nodes, [end]);
    }
}
