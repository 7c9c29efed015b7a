using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Branches and loops. What decides over them must be known: in a graph only constants are.</summary>
internal static class ControlRows
{
    public static void AddTo(OperatorTable table)
    {
        table.AddMany("If", c => c.Execute(c.Subgraph(Truth(c, c[0]) ? "then_branch" : "else_branch")));
        table.AddMany("Loop", Loop);
        table.AddMany("Scan", c => c.Opset < 9 ? ScanBatches(c) : Scan(c, c.Inputs));
        table.AddMany("SequenceMap", MapSequence);
    }

    private static bool Truth(OnnxCall c, OnnxValue value)
    {
        var tensor = value.AsPlain();
        if (tensor.IsMeta)
            throw new DataDependenceException("which way the network goes");
        return tensor.DType == DType.Bool && tensor.ElementCount == 1 ? tensor.ToArray<bool>()[0] : throw c.Bad($"a condition must be one boolean, it is {value}");
    }

    // Operands: most turns, condition, then what is carried from turn to turn. The body takes turn, condition and carried
    // values, and gives condition, carried values and what is collected.
    private static OnnxValue[] Loop(OnnxCall c)
    {
        var body = c.Subgraph("body");
        var turns = c.Has(0) ? c.Long(0) : long.MaxValue;
        var goesOn = !c.Has(1) || Truth(c, c[1]);
        var carried = Enumerable.Range(2, Math.Max(0, c.Inputs.Count - 2)).Select(i => c[i]).ToArray();
        var collected = Collections(c, body.Outputs.Count - 1 - carried.Length);
        for (long turn = 0; turn < turns && goesOn; turn++)
        {
            var results = c.Execute(body, [Tensor.From([turn], Shape.Scalar), Tensor.From([true], Shape.Scalar), .. carried]);
            goesOn = Truth(c, results[0]);
            carried = results[1..(1 + carried.Length)];
            Collect(collected, results[(1 + carried.Length)..]);
        }
        return [.. carried, .. collected.Select(parts => Stacked(parts, 0))];
    }

    /// <summary>Operands: states, then what is scanned along an axis, one slice a turn. The body gives states, then slices that are collected.</summary>
    private static OnnxValue[] Scan(OnnxCall c, IReadOnlyList<OnnxValue?> operands)
    {
        var body = c.Subgraph("body");
        var scans = c.ToInt(c.Int("num_scan_inputs"), "num_scan_inputs");
        if (scans < 1 || scans > operands.Count || operands.Contains(null))
            throw c.Bad($"num_scan_inputs is {scans} with {operands.Count} operands");
        var states = operands.Take(operands.Count - scans).Select(o => o!).ToArray();
        var sources = operands.Skip(states.Length).Select(o => o!).ToArray();
        var axes = Positions(c, "scan_input_axes", scans).Zip(sources, (axis, s) => s.Shape.NormalizeAxis(axis, "Scan")).ToArray();
        var directions = Positions(c, c.Opset < 9 ? "directions" : "scan_input_directions", scans);
        var length = sources[0].Shape[axes[0]];
        if (sources.Zip(axes).Any(s => s.First.Shape[s.Second] != length))
            throw c.Bad($"what is scanned differs in length: {string.Join(", ", sources.AsEnumerable())}");
        var collected = Collections(c, body.Outputs.Count - states.Length);
        for (var turn = 0; turn < length; turn++)
        {
            var slices = sources.Select((s, i) => OnnxValue.Plain(Part(s.AsPlain(), axes[i], directions[i] == 0 ? turn : length - 1 - turn)));
            var results = c.Execute(body, [.. states, .. slices]);
            states = results[..states.Length];
            Collect(collected, results[states.Length..]);
        }
        var targetAxes = Positions(c, "scan_output_axes", collected.Length);
        var backwards = Positions(c, "scan_output_directions", collected.Length);
        return [.. states, .. collected.Select((parts, i) => Stacked(backwards[i] == 0 ? parts : [.. parts.AsEnumerable().Reverse()], targetAxes[i]))];
    }

    // Up to opset 8 the first operand is the sequences' lengths, and every other one has a batch in front.
    private static OnnxValue[] ScanBatches(OnnxCall c)
    {
        if (c.Has(0))
            throw c.Bad("sequences of several lengths are not supported; convert the file to opset 9 or later");
        var batch = c[1].Shape[0];
        var results = Enumerable.Range(0, batch).Select(b =>
            Scan(c, [.. Enumerable.Range(1, c.Inputs.Count - 1).Select(i => OnnxValue.Plain(Part(c.Plain(i), 0, b)))])).ToArray();
        return [.. Enumerable.Range(0, c.OutputCount).Select(i => Stacked([.. results.Select(r => r[i])], 0))];
    }

    private static OnnxValue[] MapSequence(OnnxCall c)
    {
        var body = c.Subgraph("body");
        var length = SequenceRows.Elements(c, 0).Count;
        var results = Collections(c, body.Outputs.Count);
        for (var turn = 0; turn < length; turn++)
        {
            var at = turn;
            Collect(results, c.Execute(body, [.. c.Inputs.Select((value, i) => value?.Elements is null ? c[i]
                : at < value.Elements.Count ? value.Elements[at] : throw c.Bad($"the sequences differ in length: {value} against {length}"))]));
        }
        return [.. results.Select(OnnxValue.Sequence)];
    }

    private static List<OnnxValue>[] Collections(OnnxCall c, int count) =>
        count >= 0 ? [.. Enumerable.Range(0, count).Select(_ => new List<OnnxValue>())] : throw c.Bad("the body gives fewer results than are carried from turn to turn");

    private static void Collect(List<OnnxValue>[] collected, OnnxValue[] results)
    {
        for (var i = 0; i < collected.Length; i++)
            collected[i].Add(results[i]);
    }

    private static int[] Positions(OnnxCall c, string name, int count)
    {
        var list = c.IntList(name) ?? new int[count];
        return list.Length == count ? list : throw c.Bad($"{name} has {list.Length} entries, {count} are needed");
    }

    private static Tensor Part(Tensor x, int axis, int position) => x.Slice(axis, position, position + 1).Squeeze(axis);

    private static OnnxValue Stacked(List<OnnxValue> parts, int axis)
    {
        if (parts.Count == 0)
            return Tensor.Zeros([0]); // of no turns not even the shape is known
        axis = axis < 0 ? axis + parts[0].Rank + 1 : axis;
        var tensors = parts.Select(p => p.AsPlain().Unsqueeze(axis)).ToArray();
        return tensors.Length == 1 ? tensors[0] : new Concat(axis).Apply(tensors);
    }
}
