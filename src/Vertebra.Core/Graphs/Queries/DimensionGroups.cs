namespace Vertebra.Graphs;

/// <summary>
/// The dimensions of a graph's weights, and how they hang together: see <see cref="GraphDimensions.DimensionGroups"/>. Every
/// position of every axis of every weight belongs to at least one group, unless the axis has a single position: to one group
/// where the axis is a sum of dimensions, to one for each factor where it is a product (heads · width).
/// </summary>
public sealed class DimensionGroups
{
    private readonly Dictionary<Dimension, DimensionGroup> _groups = [];
    private readonly bool _hasParameters;

    internal DimensionGroups(DimensionAnalysis analysis)
    {
        Analysis = analysis;
        var constants = analysis.Graph.Constants;
        _hasParameters = constants.Any(c => c.Data!.RequiresGrad);
        var members = new Dictionary<Dimension, List<GroupMember>>();
        var uses = new ConstantUses(analysis);
        foreach (var constant in constants)
        {
            for (var axis = 0; axis < constant.Shape.Rank; axis++)
            {
                foreach (var leaf in analysis.Axes(constant)[axis].Leaves().Where(l => l.Size > 1))
                {
                    if (!members.TryGetValue(leaf, out var list))
                        members.Add(leaf, list = []);
                    list.Add(new(constant, axis, uses.AlwaysContract(constant, axis, leaf)));
                }
            }
        }
        foreach (var (dimension, list) in members)
            _groups.Add(dimension, new(this, dimension, list));
        All = [.. _groups.Values];
    }

    /// <summary>Every group of two or more elements that runs along a weight, in the order of first use.</summary>
    public IReadOnlyList<DimensionGroup> All { get; }

    /// <summary>The groups whose elements can go.</summary>
    public IEnumerable<DimensionGroup> Prunable => All.Where(g => g.IsPrunable);

    /// <summary>The groups whose elements can change places.</summary>
    public IEnumerable<DimensionGroup> Permutable => All.Where(g => g.IsPermutable);

    /// <summary>The groups whose elements leave no trace when their parameters are zero; see <see cref="DimensionGroup.IsZeroInvariant"/>.</summary>
    public IEnumerable<DimensionGroup> ZeroInvariant => All.Where(g => g.IsZeroInvariant);

    /// <summary>The graph that was asked.</summary>
    public Graph Graph => Analysis.Graph;

    internal DimensionAnalysis Analysis { get; }

    /// <summary>The groups that run along an axis of any value of the graph: those of a convolution's result are its output channels.</summary>
    public IReadOnlyList<DimensionGroup> Along(Value value, int axis) =>
        [.. Analysis.Axes(value)[value.Shape.NormalizeAxis(axis, nameof(Along))].Leaves().Where(_groups.ContainsKey).Select(l => _groups[l])];

    // What an imported file holds does not say what was trained: there every number may be.
    internal bool IsParameter(Value constant) => _hasParameters ? constant.Data!.RequiresGrad : constant.Spec.DType.IsFloat();

    /// <summary>How nodes use constants.</summary>
    private sealed class ConstantUses
    {
        private readonly DimensionAnalysis _analysis;
        private readonly ILookup<Value, (Node Node, int Operand)> _uses;

        public ConstantUses(DimensionAnalysis analysis)
        {
            _analysis = analysis;
            _uses = analysis.Graph.Nodes
                .SelectMany(node => node.Inputs.Select((value, operand) => (Value: value, Node: node, Operand: operand)))
                .Where(use => use.Value.IsConstant)
                .ToLookup(use => use.Value, use => (use.Node, use.Operand));
        }

        public bool AlwaysContract(Value constant, int axis, Dimension dimension) => _uses[constant].All(use =>
            _analysis[use.Node].Contractions.Any(c => c.Places.Contains(new Place(use.Operand, axis)) && c.Extent.Leaves().Contains(dimension)));
    }
}
