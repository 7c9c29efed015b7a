using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>LSTM, GRU and RNN, unrolled over time into matrix products and element-wise ops.</summary>
internal static class RecurrentRows
{
    public static void AddTo(OperatorTable table)
    {
        table.AddMany("LSTM", c => new RecurrentCall(c, gates: 4, ["Sigmoid", "Tanh", "Tanh"]).Run(Lstm));
        table.AddMany("GRU", c => new RecurrentCall(c, gates: 3, ["Sigmoid", "Tanh"]).Run(Gru));
        table.AddMany("RNN", c => new RecurrentCall(c, gates: 1, ["Tanh"]).Run(Plain));
    }

    // Gates i, o, f, c; peepholes i, o, f.
    private static State Lstm(RecurrentDirection d, Tensor input, State before)
    {
        var (f, g, h) = (d.Activations[0], d.Activations[1], d.Activations[2]);
        var gates = d.Gates(input + before.Hidden.Linear(d.Recurrence));
        var peeps = d.Peepholes;
        Tensor With(Tensor gate, int peep, Tensor cell) => peeps is null ? gate : gate + (cell * peeps[peep]);
        var cellBefore = before.Cell!;
        var i = f(With(gates[0], 0, cellBefore));
        var forget = d.CouplesInputAndForget ? 1 - i : f(With(gates[2], 2, cellBefore));
        var cell = (forget * cellBefore) + (i * g(gates[3]));
        var o = f(With(gates[1], 1, cell));
        return new(o * h(cell), cell);
    }

    // Gates z, r, h. The reset gate acts before the recurrent product, or after it on product and bias (as in PyTorch).
    private static State Gru(RecurrentDirection d, Tensor input, State before)
    {
        var (f, g) = (d.Activations[0], d.Activations[1]);
        var hidden = before.Hidden;
        var own = d.Gates(input);
        var (recurrence, bias) = (d.GateRecurrences, d.GateRecurrentBiases);
        Tensor Recurrent(Tensor state, int gate) => state.Linear(recurrence[gate], bias?[gate]);
        var z = f(own[0] + Recurrent(hidden, 0));
        var r = f(own[1] + Recurrent(hidden, 1));
        var candidate = g(own[2] + (d.ResetsAfterProduct ? r * Recurrent(hidden, 2) : Recurrent(r * hidden, 2)));
        return new(((1 - z) * candidate) + (z * hidden), null);
    }

    private static State Plain(RecurrentDirection d, Tensor input, State before) =>
        new(d.Activations[0](input + before.Hidden.Linear(d.Recurrence)), null);
}

/// <summary>What one time step hands to the next: [batch, hidden] each.</summary>
internal sealed record State(Tensor Hidden, Tensor? Cell);

/// <summary>One step of a recurrent layer: its share of the gates that comes from the input, [batch, gates · hidden], and the state before.</summary>
internal delegate State RecurrentStep(RecurrentDirection direction, Tensor input, State before);

/// <summary>One direction of a recurrent layer: weights [gates · hidden, ...] and activations.</summary>
internal sealed class RecurrentDirection
{
    private readonly int _hidden;
    private readonly int _gates;
    private readonly float _clip;
    private Tensor[]? _gateRecurrences;
    private Tensor[]? _gateRecurrentBiases;

    public RecurrentDirection(OnnxCall c, int direction, int gates, int hidden, string[] defaults, bool hasSeparateBiases)
    {
        (_gates, _hidden) = (gates, hidden);
        _clip = c.Float("clip", 0);
        IsReverse = direction == 1 || c.Text("direction", "forward") == "reverse";
        Tensor? Part(int operand, int length) => c.PlainOrNull(operand)?.Slice(0, direction, direction + 1).Reshape([length, -1]);
        Weight = Part(1, gates * hidden) ?? throw c.Bad("the weights are missing");
        Recurrence = Part(2, gates * hidden) ?? throw c.Bad("the recurrent weights are missing");
        if (Part(3, 2 * gates * hidden)?.Reshape([-1]) is { } biases)
        {
            var (own, recurrent) = (biases.Slice(0, 0, gates * hidden), biases.Slice(0, gates * hidden));
            (Bias, RecurrentBias) = hasSeparateBiases ? (own, recurrent) : (own + recurrent, null);
        }
        Peepholes = Part(7, 3 * hidden)?.Reshape([3, hidden]).Split([1, 1, 1], 0);
        CouplesInputAndForget = c.Flag("input_forget");
        ResetsAfterProduct = c.Flag("linear_before_reset");
        Activations = RecurrentActivations.Read(c, direction, defaults, _clip);
    }

    public bool IsReverse { get; }

    public Tensor Weight { get; }

    public Tensor Recurrence { get; }

    public Tensor? Bias { get; }

    private Tensor? RecurrentBias { get; }

    public Tensor[]? Peepholes { get; }

    public bool CouplesInputAndForget { get; }

    public bool ResetsAfterProduct { get; }

    public Func<Tensor, Tensor>[] Activations { get; }

    public Tensor[] GateRecurrences => _gateRecurrences ??= Recurrence.Split(Sizes, 0);

    public Tensor[]? GateRecurrentBiases => _gateRecurrentBiases ??= RecurrentBias?.Split(Sizes, 0);

    /// <summary>[batch, gates · hidden] cut into the gates.</summary>
    public Tensor[] Gates(Tensor x) => x.Split(Sizes, 1);

    private int[] Sizes => [.. Enumerable.Repeat(_hidden, _gates)];
}

/// <summary>The activations a recurrent node names, each with the clipping before it.</summary>
internal static class RecurrentActivations
{
    public static Func<Tensor, Tensor>[] Read(OnnxCall c, int direction, string[] defaults, float clip)
    {
        var names = c.TextList("activations") ?? [];
        var (alphas, betas) = (c.FloatList("activation_alpha") ?? [], c.FloatList("activation_beta") ?? []);
        var first = direction * defaults.Length;
        if (names.Length != 0 && names.Length < first + defaults.Length)
            throw c.Bad($"{names.Length} activations are named, {first + defaults.Length} are needed");
        return [.. defaults.Select((fallback, i) =>
        {
            var at = first + i;
            var activation = Find(c, names.Length == 0 ? fallback : names[at], at < alphas.Length ? alphas[at] : null, at < betas.Length ? betas[at] : null);
            return (Func<Tensor, Tensor>)(x => activation(clip > 0 ? x.Clamp(-clip, clip) : x));
        })];
    }

    private static Func<Tensor, Tensor> Find(OnnxCall c, string name, float? alpha, float? beta) => name.ToUpperInvariant() switch
    {
        "SIGMOID" => x => x.Sigmoid(),
        "TANH" => x => x.Tanh(),
        "RELU" => x => x.Relu(),
        "AFFINE" => x => (x * (alpha ?? 1)) + (beta ?? 0),
        "LEAKYRELU" => x => x.LeakyRelu(alpha ?? 0.01f),
        "THRESHOLDEDRELU" => x => x.Greater(alpha ?? 1).Where(x, 0),
        "SCALEDTANH" => x => (x * (beta ?? 1)).Tanh() * (alpha ?? 1),
        "HARDSIGMOID" => x => ((x * (alpha ?? 0.2f)) + (beta ?? 0.5f)).Clamp(0, 1),
        "ELU" => x => x.Elu(alpha ?? 1),
        "SOFTSIGN" => x => x / (x.Abs() + 1),
        "SOFTPLUS" => x => x.Softplus(),
        _ => throw c.Bad($"there is no activation '{name}'"),
    };
}

/// <summary>A recurrent node as it is executed: both directions, sequences of several lengths, either layout.</summary>
internal sealed class RecurrentCall(OnnxCall c, int gates, string[] activations)
{
    // Layout 1 has the batch first everywhere, layout 0 the time.
    private readonly bool _batchFirst = c.Flag("layout");

    public OnnxValue[] Run(RecurrentStep step)
    {
        var x = c.Plain(0);
        if (x.Rank != 3 || c[1].Rank != 3 || c[2].Rank != 3 || x.ElementCount == 0)
            throw c.Bad($"the input must have rank 3 and elements, the weights rank 3; got {c[0]}, {c[1]} and {c[2]}");
        x = _batchFirst ? x.Transpose(0, 1) : x;
        var (time, hidden) = (x.Shape[0], c[2].Shape[2]);
        var count = c.Text("direction", "forward") == "bidirectional" ? 2 : 1;
        if (c[2].Shape[0] != count || c[1].Shape[0] != count)
            throw c.Bad($"weights for {c[1].Shape[0]} directions, {count} asked for");
        var results = Enumerable.Range(0, count).Select(direction =>
        {
            var weights = new RecurrentDirection(c, direction, gates, hidden, activations, hasSeparateBiases: gates == 3);
            return Walk(weights, step, x, Initial(5, direction, x.Shape[1], hidden), gates == 4 ? Initial(6, direction, x.Shape[1], hidden) : null);
        }).ToArray();
        // Each step's hidden states: [time, directions, batch, hidden].
        var all = Joined(Enumerable.Range(0, time).Select(t => Joined(results.Select(r => r.Steps[t]), 0).Unsqueeze(0)), 0);
        var last = Joined(results.Select(r => r.Last.Hidden), 0);
        OnnxValue[] outputs = [_batchFirst ? all.Permute([2, 0, 1, 3]) : all, _batchFirst ? last.Transpose(0, 1) : last];
        if (gates != 4)
            return outputs;
        var cell = Joined(results.Select(r => r.Last.Cell!), 0);
        return [.. outputs, _batchFirst ? cell.Transpose(0, 1) : cell];
    }

    private (Tensor[] Steps, State Last) Walk(RecurrentDirection d, RecurrentStep step, Tensor x, Tensor hidden, Tensor? cell)
    {
        var (time, batch) = (x.Shape[0], x.Shape[1]);
        var inputs = x.Linear(d.Weight, d.Bias);
        var lengths = c.Has(4) ? c.Longs(4) : null;
        if (lengths is not null && lengths.Length != batch)
            throw c.Bad($"{lengths.Length} sequence lengths for a batch of {batch}");
        var state = new State(hidden, cell);
        var steps = new Tensor[time];
        for (var i = 0; i < time; i++)
        {
            var t = d.IsReverse ? time - 1 - i : i;
            var next = step(d, inputs.Slice(0, t, t + 1).Squeeze(0), state);
            steps[t] = next.Hidden;
            // Beyond its length a sequence keeps its state and gives zeros.
            if (lengths is not null && lengths.Any(length => length <= t))
            {
                var isInside = Tensor.From([.. lengths.Select(length => length > t)], [batch, 1]);
                steps[t] = isInside.Where(next.Hidden, 0);
                next = new(isInside.Where(next.Hidden, state.Hidden), next.Cell is null ? null : isInside.Where(next.Cell, state.Cell!));
            }
            state = next;
        }
        return ([.. steps.Select(s => s.Unsqueeze(0))], new(state.Hidden.Unsqueeze(0), state.Cell?.Unsqueeze(0)));
    }

    private Tensor Initial(int operand, int direction, int batch, int hidden)
    {
        if (!c.Has(operand))
            return Tensor.Zeros([batch, hidden]);
        var all = c.Plain(operand);
        return (_batchFirst ? all.Transpose(0, 1) : all).Slice(0, direction, direction + 1).Squeeze(0);
    }

    private static Tensor Joined(IEnumerable<Tensor> parts, int axis) => parts.ToArray() is [var only] ? only : new Concat(axis).Apply([.. parts]);
}
