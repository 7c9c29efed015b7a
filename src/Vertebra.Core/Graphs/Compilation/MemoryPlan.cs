namespace Vertebra.Graphs;

/// <summary>
/// Where the results of a graph's nodes lie in one block of memory: results that are never needed at the same time share
/// places, a view lies on its operand, and an op that may write over an operand which dies there does so.
/// </summary>
internal sealed class MemoryPlan
{
    /// <summary>Every place is a multiple of this, in bytes.</summary>
    public const int Alignment = 64;

    private readonly Dictionary<Value, Buffer> _buffers;

    private MemoryPlan(Dictionary<Value, Buffer> buffers, IReadOnlyList<Value> copiedInputs)
    {
        (_buffers, CopiedInputs) = (buffers, copiedInputs);
        Buffers = [.. buffers.Values.Distinct()];
        MostLiveBytes = PeakOf(Buffers);
        ArenaBytes = Place(Buffers, MostLiveBytes);
    }

    /// <summary>A piece of the block, and the nodes from whose beginning to whose end it is in use.</summary>
    internal sealed class Buffer(long bytes, int start)
    {
        public long Bytes { get; } = (bytes + Alignment - 1) / Alignment * Alignment;

        public int Start { get; } = start;

        public int End { get; set; } = start;

        public long Offset { get; set; }

        public bool Meets(Buffer other) => Start <= other.End && other.Start <= End;
    }

    public IReadOnlyList<Buffer> Buffers { get; }

    /// <summary>Inputs that are copied into the block, because a view or an output lies on them; the others are read where the caller has them.</summary>
    public IReadOnlyList<Value> CopiedInputs { get; }

    /// <summary>Size of the block.</summary>
    public long ArenaBytes { get; }

    /// <summary>Most bytes in use at one time: no plan with these buffers can do with less.</summary>
    public long MostLiveBytes { get; }

    /// <summary>Where a value lies; null for constants and for inputs that are not copied.</summary>
    public Buffer? BufferOf(Value value) => _buffers.GetValueOrDefault(value);

    public static MemoryPlan Create(Graph graph)
    {
        var lastUse = LastUses(graph, out var ownerOf);
        var buffers = new Dictionary<Value, Buffer>();
        var copied = new List<Value>();
        foreach (var input in graph.Inputs.Where(i => NeedsCopy(graph, i)))
        {
            copied.Add(input);
            buffers[input] = new Buffer(input.Spec.Bytes, -1) { End = lastUse.GetValueOrDefault(input, -1) };
        }
        for (var n = 0; n < graph.Nodes.Count; n++)
        {
            var node = graph.Nodes[n];
            for (var i = 0; i < node.Outputs.Count; i++)
            {
                var value = node.Outputs[i];
                if (node.Op.IsView)
                {
                    if (buffers.TryGetValue(node.Inputs[0], out var under))
                        buffers[value] = under;
                    continue;
                }
                var buffer = i == 0 && Overwritten(node, n, buffers) is { } dying ? dying : new Buffer(value.Spec.Bytes, n);
                buffers[value] = buffer;
                buffer.End = Math.Max(n, lastUse.GetValueOrDefault(ownerOf(value), n));
            }
        }
        return new(buffers, copied);
    }

    // A view of an input must not move with the caller's tensor, and an output is not to be the caller's own memory.
    private static bool NeedsCopy(Graph graph, Value input) => graph.Outputs.Contains(input) || graph.ConsumersOf(input).Any(n => n.Op.IsView);

    // When each value that is no view is read for the last time, by itself or through views; outputs are never done with.
    private static Dictionary<Value, int> LastUses(Graph graph, out Func<Value, Value> ownerOf)
    {
        var owners = new Dictionary<Value, Value>();
        var lastUse = new Dictionary<Value, int>();
        for (var n = 0; n < graph.Nodes.Count; n++)
        {
            var node = graph.Nodes[n];
            foreach (var value in node.Inputs)
                lastUse[owners.GetValueOrDefault(value, value)] = n;
            if (node.Op.IsView)
                owners[node.Outputs[0]] = owners.GetValueOrDefault(node.Inputs[0], node.Inputs[0]);
        }
        foreach (var value in graph.Outputs)
            lastUse[owners.GetValueOrDefault(value, value)] = graph.Nodes.Count;
        ownerOf = value => owners.GetValueOrDefault(value, value);
        return lastUse;
    }

    // The buffer of an operand that is read here for the last time, and by no other operand, if the op may write over it.
    private static Buffer? Overwritten(Node node, int n, Dictionary<Value, Buffer> buffers)
    {
        for (var i = 0; i < node.Inputs.Count; i++)
        {
            var operand = node.Inputs[i];
            if (!node.Op.MayOverwrite(i) || operand.Spec != node.Outputs[0].Spec || !buffers.TryGetValue(operand, out var buffer) || buffer.End != n)
                continue;
            var isAlone = true;
            for (var other = 0; other < node.Inputs.Count; other++)
                isAlone &= other == i || !buffers.TryGetValue(node.Inputs[other], out var second) || !ReferenceEquals(second, buffer);
            if (isAlone)
                return buffer;
        }
        return null;
    }

    // Placing the largest first, each in the tightest gap that is free while it is in use, comes close to the bound. Where it
    // does not, what came to lie on top is placed earlier, over and over; then the same from what is in use longest or first
    // (many equal pieces, one after another, as split and dense blocks have them). The smallest block wins.
    private static long Place(IReadOnlyList<Buffer> buffers, long bound)
    {
        const int Attempts = 64;
        IEnumerable<Buffer>[] beginnings =
        [
            buffers.OrderByDescending(b => b.Bytes).ThenBy(b => b.Start),
            buffers.OrderByDescending(b => b.Bytes * (b.End - b.Start + 1)).ThenBy(b => b.Start),
            buffers.OrderByDescending(b => b.End - b.Start).ThenByDescending(b => b.Bytes),
            buffers.OrderBy(b => b.Start).ThenByDescending(b => b.End),
        ];
        var (best, offsets) = (long.MaxValue, Array.Empty<long>());
        foreach (var beginning in beginnings)
        {
            var order = beginning.ToList();
            for (var attempt = 0; attempt < Attempts && best > bound; attempt++)
            {
                var size = PlaceInOrder(order);
                if (size < best)
                    (best, offsets) = (size, [.. buffers.Select(b => b.Offset)]);
                var top = order.FindLastIndex(b => b.Offset + b.Bytes == size);
                if (top < 0)
                    break;
                var raised = order[top];
                order.RemoveAt(top);
                order.Insert(top / 2, raised);
            }
            // Close enough: the search is not worth its time.
            if (best <= bound + (bound / 10))
                break;
        }
        for (var i = 0; i < offsets.Length; i++)
            buffers[i].Offset = offsets[i];
        return buffers.Count == 0 ? 0 : best;
    }

    private static long PlaceInOrder(List<Buffer> order)
    {
        var placed = new List<Buffer>(order.Count);
        long size = 0;
        foreach (var buffer in order)
        {
            long gapStart = 0, tightest = long.MaxValue;
            var offset = -1L;
            foreach (var other in placed.Where(buffer.Meets).OrderBy(b => b.Offset))
            {
                var gap = other.Offset - gapStart;
                if (gap >= buffer.Bytes && gap < tightest)
                    (offset, tightest) = (gapStart, gap);
                gapStart = Math.Max(gapStart, other.Offset + other.Bytes);
            }
            buffer.Offset = offset >= 0 ? offset : gapStart;
            size = Math.Max(size, buffer.Offset + buffer.Bytes);
            placed.Add(buffer);
        }
        return size;
    }

    private static long PeakOf(IReadOnlyList<Buffer> buffers)
    {
        long live = 0, most = 0;
        // At one time, what begins counts before what ends: a node's operands and results are there together.
        var events = buffers.SelectMany(b => new[] { (Time: 2L * b.Start, b.Bytes), (Time: (2L * b.End) + 1, Bytes: -b.Bytes) });
        foreach (var (_, bytes) in events.OrderBy(e => e.Time))
        {
            live += bytes;
            most = Math.Max(most, live);
        }
        return most;
    }
}
