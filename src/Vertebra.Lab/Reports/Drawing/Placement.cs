using Vertebra.Graphs.Drawing;

namespace Vertebra.Lab.Reports.Drawing;

/// <summary>
/// Coordinates of a box and of all that is unfolded inside: columns are as wide and rows as high as what stands in them, and all
/// boxes of a column have their axis (the first column inside, or the middle) on one line, so that the main path runs straight
/// through all levels. <c>drawing.js</c> does the same in the page.
/// </summary>
internal sealed class Placement
{
    private readonly bool _isRoot;
    private readonly double[] _columns = [];
    private readonly double[] _rowTops = [];
    private readonly double[] _gapTops = [];

    public Placement(DrawnPart part, BoxText text, Func<DrawnPart, bool> isOpen, bool isRoot = false)
    {
        (Part, Name, Detail, _isRoot) = (part, part.Name, text.Detail(part), isRoot);
        if (part.Layout is not { } layout || !isOpen(part))
        {
            (Width, Height) = (Measures.BoxWidth(Name, Detail), Measures.BoxHeight);
            Axis = Width / 2;
            return;
        }
        Children = [.. part.Parts.Select(p => new Placement(p, text, isOpen))];
        _columns = ColumnAxes(layout);
        Axis = _columns[0];
        (_rowTops, _gapTops) = Rows(layout);
        Height = _rowTops[^1] + (isRoot ? Measures.InputHeight : 0);
        for (var i = 0; i < Children.Count; i++)
        {
            var (row, column) = layout.Items[part.Inputs.Count + i];
            (Children[i].X, Children[i].Y) = (_columns[column] - Children[i].Axis, _rowTops[row]);
        }
    }

    public DrawnPart Part { get; }

    public string Name { get; }

    public string Detail { get; }

    public IReadOnlyList<Placement> Children { get; } = [];

    public bool IsOpen => Children.Count > 0;

    /// <summary>Left upper corner inside the box around.</summary>
    public double X { get; private set; }

    public double Y { get; private set; }

    public double Width { get; private set; }

    public double Height { get; }

    /// <summary>Where the main path runs, from the left border.</summary>
    public double Axis { get; }

    private double[] ColumnAxes(PartLayout layout)
    {
        var left = Enumerable.Repeat(Measures.LaneHalf, layout.Columns).ToArray();
        var right = left.ToArray();
        for (var i = 0; i < layout.Items.Count; i++)
        {
            var column = layout.Items[i].Column;
            var child = ChildAt(i);
            var io = _isRoot && child is null ? Measures.BoxWidth("", ValueText(i)) / 2 : 0;
            left[column] = Math.Max(left[column], child?.Axis ?? io);
            right[column] = Math.Max(right[column], child is null ? io : child.Width - child.Axis);
        }
        var axes = new double[layout.Columns];
        var x = Measures.Pad;
        for (var c = 0; c < axes.Length; c++)
        {
            axes[c] = x + left[c];
            x = axes[c] + right[c] + Measures.ColumnGap;
        }
        Width = Math.Max(x - Measures.ColumnGap + Measures.Pad, _isRoot ? 0 : axes[0] + Measures.HeaderWidth(Name, Detail));
        return axes;
    }

    private (double[] RowTops, double[] GapTops) Rows(PartLayout layout)
    {
        var heights = new double[layout.Tracks.Count + 1];
        (heights[0], heights[^1]) = _isRoot ? (Measures.InputHeight, Measures.InputHeight) : (0, 0);
        for (var i = 0; i < Children.Count; i++)
        {
            var row = layout.Items[Part.Inputs.Count + i].Row;
            heights[row] = Math.Max(heights[row], Children[i].Height);
        }
        var (tops, gaps) = (new double[heights.Length], new double[layout.Tracks.Count]);
        for (var g = 0; g < gaps.Length; g++)
        {
            gaps[g] = tops[g] + heights[g] + (g == 0 && !_isRoot ? Measures.Header : 0);
            tops[g + 1] = gaps[g] + Measures.Gap + (Measures.TrackStep * layout.Tracks[g]);
        }
        return (tops, gaps);
    }

    /// <summary>The text in the box of the drawing's own input or output.</summary>
    public string ValueText(int item)
    {
        var isInput = item < Part.Inputs.Count;
        var value = isInput ? Part.Inputs[item] : Part.Outputs[item - Part.Inputs.Count - Part.Parts.Count];
        return $"{(isInput ? value.Name : "output")} {BoxText.Sizes(value.Shape)}";
    }

    /// <summary>Middle of the top of the box of an own input or output.</summary>
    public (double X, double Y) ItemPlace(int item)
    {
        var (row, column) = Part.Layout!.Items[item];
        return (_columns[column], _rowTops[row]);
    }

    /// <summary>A branch of a wire as an SVG path in this box's coordinates, and where its label stands.</summary>
    public (string Path, double LabelX, double LabelY) Trace(Wire wire, WireBranch branch)
    {
        var layout = Part.Layout!;
        var (fromRow, toRow) = (layout.Items[wire.From].Row, layout.Items[branch.To].Row);
        var (x1, y1) = Start(wire);
        var (x2, y2) = End(branch);
        var path = FormattableString.Invariant($"M{x1:0.#} {y1:0.#}");
        var x = x1;
        if (branch.Departure >= 0)
        {
            x = _columns[branch.Lane];
            path += FormattableString.Invariant($"V{TrackY(fromRow, branch.Departure):0.#}H{x:0.#}");
        }
        if (branch.Arrival >= 0 && x != x2)
            path += FormattableString.Invariant($"V{TrackY(toRow - 1, branch.Arrival):0.#}H{x2:0.#}");
        return (path + FormattableString.Invariant($"V{y2:0.#}"), x1 - 5, y1 + 11);
    }

    private double TrackY(int gap, int track) => _gapTops[gap] + Measures.TrackTop + (Measures.TrackStep * track);

    private (double X, double Y) Start(Wire wire)
    {
        if (ChildAt(wire.From) is { } child)
            return (child.X + child.PortX(wire.Port, child.Part.Outputs.Count, isInput: false), child.Y + child.Height);
        var (x, y) = ItemPlace(wire.From);
        return (x, y + (_isRoot ? Measures.InputHeight : 0));
    }

    private (double X, double Y) End(WireBranch branch) => ChildAt(branch.To) is { } child
        ? (child.X + child.PortX(branch.Port, child.Part.Inputs.Count, isInput: true), child.Y)
        : ItemPlace(branch.To);

    private double PortX(int port, int count, bool isInput)
    {
        if (IsOpen)
            return _columns[Part.Layout!.Items[isInput ? port : Part.Inputs.Count + Part.Parts.Count + port].Column];
        return Axis + (count < 2 ? 0 : port * Math.Min(Measures.PortStep, ((Width / 2) - 10) / (count - 1)));
    }

    private Placement? ChildAt(int item)
    {
        var index = item - Part.Inputs.Count;
        return index >= 0 && index < Children.Count ? Children[index] : null;
    }
}
