namespace Vertebra.Graphs.Drawing;

/// <summary>Finds lanes and tracks for the wires of one box, so that no two of them lie on each other.</summary>
internal sealed class WireRouter
{
    private readonly DrawnPart _part;
    private readonly int[] _rows;
    private readonly int[] _columns;
    private readonly int _firstPart;
    private readonly int _firstOutput;
    private readonly Dictionary<(int Row, int Column), object> _cells = [];
    private readonly List<(object Owner, double From, double To)>[] _departures;
    private readonly List<(object Owner, double From, double To)>[] _arrivals;

    public WireRouter(DrawnPart part, int[] rows, int[] columns, int firstPart, int firstOutput)
    {
        (_part, _rows, _columns, _firstPart, _firstOutput) = (part, rows, columns, firstPart, firstOutput);
        Columns = columns.Max() + 1;
        for (var item = firstPart; item < firstOutput; item++)
            _cells[(rows[item], columns[item])] = part.Parts[item - firstPart];
        var gaps = rows.Max();
        _departures = [.. Enumerable.Range(0, gaps).Select(_ => new List<(object, double, double)>())];
        _arrivals = [.. Enumerable.Range(0, gaps).Select(_ => new List<(object, double, double)>())];
    }

    /// <summary>Number of columns, lanes included.</summary>
    public int Columns { get; private set; }

    /// <summary>Number of tracks in each gap.</summary>
    public IReadOnlyList<int> Tracks { get; private set; } = [];

    public IReadOnlyList<Wire> Route(List<(int From, Value Value, List<int> To)> flows)
    {
        var ordered = flows.OrderBy(f => f.To.Max(t => _rows[t]) - _rows[f.From]).ThenBy(f => _rows[f.From]).ToList();
        var lanes = ordered.Select(f => f.To.Order().OrderBy(t => _rows[t]).Select(t => (To: t, Lane: LaneFor(f.Value, f.From, t))).ToList()).ToList();
        var plans = ordered.Zip(lanes, (f, l) => (Flow: f, Ends: l)).ToList();
        foreach (var (flow, ends) in plans)
            Reserve(flow.From, flow.Value, ends);
        var departures = _departures.Select(Colour).ToArray();
        var arrivals = _arrivals.Select(Colour).ToArray();
        Tracks = [.. departures.Zip(arrivals, (d, a) => d.Count + a.Count)];
        return [.. plans.Select(p => new Wire(p.Flow.Value, p.Flow.From, PortOut(p.Flow.From, p.Flow.Value),
            [.. p.Ends.Select(e => Branch(p.Flow.From, p.Flow.Value, e.To, e.Lane, departures, arrivals))]))];
    }

    // The column in which a wire passes the rows between its ends: the target's, the source's, or the nearest that is free.
    private int LaneFor(Value value, int from, int to)
    {
        var (first, last) = (_rows[from] + 1, _rows[to] - 1);
        if (first > last)
            return -1;
        bool IsFree(int column)
        {
            for (var row = first; row <= last; row++)
            {
                if (_cells.TryGetValue((row, column), out var owner) && !ReferenceEquals(owner, value))
                    return false;
            }
            return true;
        }
        var outward = Enumerable.Range(Math.Max(_columns[from], _columns[to]), Columns + 1);
        var lane = outward.Prepend(_columns[from]).Prepend(_columns[to]).First(IsFree);
        for (var row = first; row <= last; row++)
            _cells[(row, lane)] = value;
        Columns = Math.Max(Columns, lane + 1);
        return lane;
    }

    private void Reserve(int from, Value value, List<(int To, int Lane)> ends)
    {
        var start = Place(_columns[from], PortOut(from, value));
        foreach (var (to, lane) in ends)
        {
            var end = Place(_columns[to], PortIn(to, value));
            if (lane < 0)
            {
                AddSpan(_arrivals[_rows[to] - 1], value, start, end);
                continue;
            }
            AddSpan(_departures[_rows[from]], value, start, lane);
            AddSpan(_arrivals[_rows[to] - 1], value, lane, end);
        }
    }

    private static void AddSpan(List<(object Owner, double From, double To)> spans, object owner, double a, double b)
    {
        if (a == b)
            return;
        var known = spans.FindIndex(s => ReferenceEquals(s.Owner, owner));
        var span = (owner, Math.Min(a, b), Math.Max(a, b));
        if (known < 0)
            spans.Add(span);
        else
            spans[known] = (owner, Math.Min(span.Item2, spans[known].From), Math.Max(span.Item3, spans[known].To));
    }

    // Tracks such that spans on the same one do not touch: the narrow first, so that nested turns lie inside each other.
    private static List<List<(object Owner, double From, double To)>> Colour(List<(object Owner, double From, double To)> spans)
    {
        var tracks = new List<List<(object Owner, double From, double To)>>();
        foreach (var span in spans.OrderBy(s => s.To - s.From))
        {
            var track = tracks.Find(t => t.All(o => o.To < span.From || o.From > span.To));
            if (track is null)
                tracks.Add(track = []);
            track.Add(span);
        }
        return tracks;
    }

    private WireBranch Branch(int from, Value value, int to, int lane, List<List<(object Owner, double From, double To)>>[] departures, List<List<(object Owner, double From, double To)>>[] arrivals)
    {
        var (start, end) = (Place(_columns[from], PortOut(from, value)), Place(_columns[to], PortIn(to, value)));
        var departure = lane >= 0 && start != lane ? TrackOf(departures[_rows[from]], value) : -1;
        var needsArrival = lane < 0 ? start != end : lane != end;
        var arrival = needsArrival ? departures[_rows[to] - 1].Count + TrackOf(arrivals[_rows[to] - 1], value) : -1;
        return new(to, PortIn(to, value), lane, departure, arrival);
    }

    private static int TrackOf(List<List<(object Owner, double From, double To)>> tracks, Value value) => tracks.FindIndex(t => t.Any(s => ReferenceEquals(s.Owner, value)));

    // Ports stand to the right of their column's axis, and all lie left of the next column.
    private static double Place(int column, int port) => column + (port / 1000.0);

    private int PortOut(int item, Value value) => item < _firstPart ? 0 : IndexOf(_part.Parts[item - _firstPart].Outputs, value);

    private int PortIn(int item, Value value) => item >= _firstOutput ? 0 : IndexOf(_part.Parts[item - _firstPart].Inputs, value);

    private static int IndexOf(IReadOnlyList<Value> values, Value value)
    {
        for (var i = 0; i < values.Count; i++)
        {
            if (ReferenceEquals(values[i], value))
                return i;
        }
        throw new InvalidOperationException($"{value} is not a port");
    }
}
