
namespace Vertebra.Graphs.Drawing;

/// <summary>
/// A layered layout (Sugiyama, Tagawa and Toda 1981) for graphs that are mostly chains with branches, as networks are. Rows:
/// longest path from the inputs. Columns instead of crossing reduction: the longest chain stands in the first, each further chain
/// in the nearest column that is free beside it, and wires that pass rows get a lane the same way, the shortest first, so that nested
/// residual connections lie inside each other.
/// </summary>
internal sealed class GridLayout
{
    private readonly DrawnPart _part;
    private readonly int _firstPart;
    private readonly int _firstOutput;
    private readonly List<(int From, Value Value, List<int> To)> _flows = [];
    private readonly List<int>[] _before; // items that an item reads
    private readonly List<int>[] _after;
    private readonly int[] _rows;
    private readonly int[] _columns;

    private GridLayout(DrawnPart part)
    {
        _part = part;
        (_firstPart, _firstOutput) = (part.Inputs.Count, part.Inputs.Count + part.Parts.Count);
        var count = _firstOutput + part.Outputs.Count;
        (_rows, _columns) = (new int[count], new int[count]);
        (_before, _after) = (Lists(count), Lists(count));
        Connect();
    }

    /// <summary>Lays out a box and all inside, the innermost first: their ports are known then.</summary>
    public static void Arrange(DrawnPart part)
    {
        if (part.Parts.Count == 0)
            return;
        foreach (var child in part.Parts)
            Arrange(child);
        var layout = new GridLayout(part);
        layout.AssignRows();
        layout.AssignColumns();
        layout.SortPorts();
        part.Layout = layout.Route();
    }

    private static List<int>[] Lists(int count) => [.. Enumerable.Range(0, count).Select(_ => new List<int>())];

    private void Connect()
    {
        var source = new Dictionary<Value, int>(ReferenceEqualityComparer.Instance);
        for (var i = 0; i < _part.Inputs.Count; i++)
            source[_part.Inputs[i]] = i;
        for (var p = 0; p < _part.Parts.Count; p++)
        {
            foreach (var value in _part.Parts[p].Outputs)
                source[value] = _firstPart + p;
        }
        var readers = new Dictionary<Value, List<int>>(ReferenceEqualityComparer.Instance);
        void Read(Value value, int item)
        {
            if (!source.TryGetValue(value, out var from))
                return;
            if (!readers.TryGetValue(value, out var list))
            {
                readers[value] = list = [];
                _flows.Add((from, value, list));
            }
            list.Add(item);
            _after[from].Add(item);
            _before[item].Add(from);
        }
        for (var p = 0; p < _part.Parts.Count; p++)
        {
            foreach (var value in _part.Parts[p].Inputs)
                Read(value, _firstPart + p);
        }
        for (var o = 0; o < _part.Outputs.Count; o++)
            Read(_part.Outputs[o], _firstOutput + o);
    }

    // Parts stand in topological order, so one pass finds the longest paths.
    private void AssignRows()
    {
        for (var item = _firstPart; item < _firstOutput; item++)
            _rows[item] = _before[item].Select(b => _rows[b] + 1).DefaultIfEmpty(1).Max();
        var last = Enumerable.Range(_firstPart, _firstOutput - _firstPart).Max(i => _rows[i]) + 1;
        for (var item = _firstOutput; item < _rows.Length; item++)
            _rows[item] = last;
        // What reads nothing (weights being prepared) stands right above its reader.
        for (var item = _firstOutput - 1; item >= _firstPart; item--)
        {
            if (_before[item].Count == 0 && _after[item].Count > 0)
                _rows[item] = Math.Max(1, _after[item].Min(a => _rows[a]) - 1);
        }
    }

    private void AssignColumns()
    {
        var free = Enumerable.Range(_firstPart, _firstOutput - _firstPart).ToHashSet();
        var taken = new HashSet<(int Row, int Column)>();
        var isMain = true;
        while (free.Count > 0)
        {
            var chain = LongestChain(free, isMain);
            var (from, to) = (_rows[chain[0]], _rows[chain[^1]]);
            // Branches keep the way to where they join clear.
            to = isMain ? to : Math.Max(to, _after[chain[^1]].Select(a => _rows[a] - 1).DefaultIfEmpty(to).Max());
            var column = _before[chain[0]].Count == 0 && !isMain ? 1 : 0; // prepared weights stand beside the way of the data
            while (Enumerable.Range(from, to - from + 1).Any(r => taken.Contains((r, column))))
                column++;
            for (var row = from; row <= to; row++)
                taken.Add((row, column));
            foreach (var item in chain)
            {
                _columns[item] = column;
                free.Remove(item);
            }
            isMain = false;
        }
        SpreadPorts(0, _firstPart, item => _after[item]);
        SpreadPorts(_firstOutput, _rows.Length, item => _before[item]);
    }

    private List<int> LongestChain(HashSet<int> free, bool isMain)
    {
        var (length, next) = (new Dictionary<int, (int Parts, long Macs)>(), new Dictionary<int, int>());
        for (var item = _firstOutput - 1; item >= _firstPart; item--)
        {
            if (!free.Contains(item))
                continue;
            var best = (Parts: 0, Macs: 0L);
            foreach (var after in _after[item].Where(free.Contains))
            {
                // Only direct steps: a chain that jumps rows would have others between its parts.
                if (_rows[after] == _rows[item] + 1 && length[after].CompareTo(best) > 0)
                    (best, next[item]) = (length[after], after);
            }
            length[item] = (best.Parts + 1, best.Macs + _part.Parts[item - _firstPart].Cost.Macs);
        }
        // The main chain begins at the first input, if anything does.
        var starts = free.Where(i => isMain && _firstPart > 0 && _before[i].Contains(0)).DefaultIfEmpty(-1).ToList();
        var start = (starts[0] < 0 ? [.. free] : starts).Order().MaxBy(i => length[i]);
        var chain = new List<int> { start };
        while (next.TryGetValue(chain[^1], out var following))
            chain.Add(following);
        return chain;
    }

    private void SpreadPorts(int start, int end, Func<int, List<int>> neighbours)
    {
        var used = new HashSet<int>();
        foreach (var item in Enumerable.Range(start, end - start).OrderBy(i => neighbours(i).Select(n => _columns[n]).DefaultIfEmpty(0).Min()))
        {
            var column = neighbours(item).Select(n => _columns[n]).DefaultIfEmpty(0).Min();
            while (!used.Add(column))
                column++;
            _columns[item] = column;
        }
    }

    // From left to right; items are numbered anew, so that port and item agree.
    private void SortPorts()
    {
        var inputs = Enumerable.Range(0, _firstPart).OrderBy(i => _columns[i]).ToArray();
        var outputs = Enumerable.Range(_firstOutput, _rows.Length - _firstOutput).OrderBy(i => _columns[i]).ToArray();
        var place = new int[_rows.Length];
        for (var i = 0; i < place.Length; i++)
            place[i] = i < _firstPart ? Array.IndexOf(inputs, i) : i < _firstOutput ? i : _firstOutput + Array.IndexOf(outputs, i);
        _part.Inputs = [.. inputs.Select(i => _part.Inputs[i])];
        _part.Outputs = [.. outputs.Select(o => _part.Outputs[o - _firstOutput])];
        var columns = _columns.ToArray();
        for (var i = 0; i < place.Length; i++)
            _columns[place[i]] = columns[i];
        for (var f = 0; f < _flows.Count; f++)
            _flows[f] = (place[_flows[f].From], _flows[f].Value, [.. _flows[f].To.Select(t => place[t])]);
        // A single node takes first what comes straight from above.
        foreach (var (part, item) in _part.Parts.Select((p, i) => (p, i + _firstPart)).Where(p => p.p.Parts.Count == 0))
        {
            var source = _flows.Where(f => f.To.Contains(item)).ToDictionary(f => f.Value, f => f.From);
            part.Inputs = [.. part.Inputs.OrderBy(v => source.TryGetValue(v, out var s) && _columns[s] == _columns[item] ? -_rows[s] - 1 : source.TryGetValue(v, out s) ? _columns[s] + 1 : int.MaxValue)];
        }
    }

    private PartLayout Route()
    {
        var router = new WireRouter(_part, _rows, _columns, _firstPart, _firstOutput);
        var wires = router.Route(_flows);
        return new([.. _rows.Zip(_columns)], router.Tracks, router.Columns, wires);
    }
}
