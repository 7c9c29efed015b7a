using Vertebra.Graphs.Profiling;

namespace Vertebra.Graphs.Drawing;

/// <summary>
/// A box of a drawing: one node, or a module with the boxes of its parts inside. A module that is applied several times has
/// a box for each.
/// </summary>
public sealed class DrawnPart
{
    internal DrawnPart(string name, string path, IReadOnlyList<NodeProfile> nodes, IReadOnlyList<DrawnPart> parts)
    {
        (Name, Path, Nodes, Parts) = (name, path, nodes, parts);
        Cost = nodes.Aggregate(Cost.None, (sum, n) => sum + n.Cost);
    }

    /// <summary>Last part of the module path, or the op's name.</summary>
    public string Name { get; }

    /// <summary>Path of the module that the box belongs to.</summary>
    public string Path { get; }

    /// <summary>All nodes inside, in order.</summary>
    public IReadOnlyList<NodeProfile> Nodes { get; }

    /// <summary>The boxes inside; none for a single node.</summary>
    public IReadOnlyList<DrawnPart> Parts { get; }

    /// <summary>What all nodes inside cost.</summary>
    public Cost Cost { get; }

    /// <summary>What comes in from outside, constants aside, in the order of the ports from left to right.</summary>
    public IReadOnlyList<Value> Inputs { get; internal set; } = [];

    /// <summary>What others read, in the order of the ports from left to right.</summary>
    public IReadOnlyList<Value> Outputs { get; internal set; } = [];

    /// <summary>Where the parts stand; null for a single node.</summary>
    public PartLayout? Layout { get; internal set; }

    /// <summary>This box and all inside, depth first.</summary>
    public IEnumerable<DrawnPart> All() => Parts.SelectMany(p => p.All()).Prepend(this);

    /// <summary>The boxes of a graph, laid out at every level.</summary>
    public static DrawnPart Of(GraphProfile profile) => new DrawnPartBuilder(profile).Build();
}

/// <summary>
/// The parts of a box on a grid that does not depend on which of them are unfolded: rows from top to bottom in the order of
/// computation, columns from left to right with the longest chain in the first. The items are the box's inputs, its parts and its
/// outputs, in this order.
/// </summary>
/// <param name="Items">Row and column of each item.</param>
/// <param name="Tracks">For each gap below a row, how many horizontal lines lie beside each other in it.</param>
/// <param name="Columns">Number of columns.</param>
/// <param name="Wires">One for each value that flows between items.</param>
public sealed record PartLayout(IReadOnlyList<(int Row, int Column)> Items, IReadOnlyList<int> Tracks, int Columns, IReadOnlyList<Wire> Wires);

/// <summary>A value on its way from the item that gives it to those that read it.</summary>
public sealed record Wire(Value Value, int From, int Port, IReadOnlyList<WireBranch> To);

/// <summary>
/// One end of a wire. It leaves the source downwards, moves on the departure track to the column of its lane, goes down there past
/// the rows between, and moves on the arrival track to its port.
/// </summary>
/// <param name="To">The item that reads the value.</param>
/// <param name="Port">Which of its inputs that is.</param>
/// <param name="Lane">Column in which it passes the rows between; -1 when there are none.</param>
/// <param name="Departure">Track in the gap below the source; -1 when it leaves straight.</param>
/// <param name="Arrival">Track in the gap above the target; -1 when it arrives straight.</param>
public sealed record WireBranch(int To, int Port, int Lane, int Departure, int Arrival);
