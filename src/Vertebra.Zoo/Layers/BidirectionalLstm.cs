namespace Vertebra.Zoo.Layers;

/// <summary>
/// A long short-term memory (Hochreiter and Schmidhuber 1997) over rows of tokens, forwards and backwards at once: [N, L, C] becomes
/// [N, L, 2 · hidden]. Parameters as in PyTorch's LSTM of one layer: <c>weight_ih_l0</c> [4 · hidden, C], <c>weight_hh_l0</c>
/// [4 · hidden, hidden], <c>bias_ih_l0</c> and <c>bias_hh_l0</c> [4 · hidden] for the gates i, f, g, o, then the same with
/// <c>_reverse</c>. A trace has the steps one after another, so it belongs to one length.
/// </summary>
public sealed class BidirectionalLstm : Module
{
    private const int Gates = 4;
    private readonly Direction _forwards;
    private readonly Direction _backwards;
    private readonly Tensor _start;

    /// <param name="features">Channels of a token.</param>
    /// <param name="hidden">Channels of the state, for each direction.</param>
    public BidirectionalLstm(int features, int hidden)
    {
        var start = Init.Uniform(1 / MathF.Sqrt(hidden));
        _forwards = Make("");
        _backwards = Make("_reverse");
        _start = Buffer("start", Construction.Zeros([1, 1, 1, hidden]), persistent: false);

        Direction Make(string suffix) => new(
            Parameter($"weight_ih_l0{suffix}", [Gates * hidden, features], start), Parameter($"weight_hh_l0{suffix}", [Gates * hidden, hidden], start),
            Parameter($"bias_ih_l0{suffix}", [Gates * hidden], start), Parameter($"bias_hh_l0{suffix}", [Gates * hidden], start));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (n, length, hidden) = (x.Shape[0], x.Shape[1], _start.Shape[3]);
        // The directions are a batch of two products at every step; the second sees the tokens from the end.
        var inputs = Tensor.Concat([_forwards.OfInput(x).Unsqueeze(0), _backwards.OfInput(x).Flip(1).Unsqueeze(0)], 0);
        var steps = inputs.Permute([2, 0, 1, 3]).Chunk(length, 0);
        var recurrence = Tensor.Concat([_forwards.Recurrence.Unsqueeze(0), _backwards.Recurrence.Unsqueeze(0)], 0);
        var state = _start.Expand([1, 2, n, hidden]);
        Tensor? cell = null;
        var states = new Tensor[length];
        for (var t = 0; t < length; t++)
        {
            (state, cell) = Step(steps[t] + state.MatMul(recurrence, transposeB: true), cell);
            states[t] = state;
        }
        var all = Tensor.Concat(states, 0).Permute([1, 2, 0, 3]).Chunk(2, 0);
        return Tensor.Concat([all[0].Squeeze(0), all[1].Squeeze(0).Flip(1)], -1);
    }

    private static (Tensor State, Tensor Cell) Step(Tensor gates, Tensor? before)
    {
        var parts = gates.Chunk(Gates, -1);
        var added = parts[0].Sigmoid() * parts[2].Tanh();
        var cell = before is null ? added : (parts[1].Sigmoid() * before) + added;
        return (parts[3].Sigmoid() * cell.Tanh(), cell);
    }

    private sealed record Direction(Tensor Weight, Tensor Recurrence, Tensor InputBias, Tensor RecurrentBias)
    {
        /// <summary>What the tokens contribute to the gates: [N, L, 4 · hidden].</summary>
        public Tensor OfInput(Tensor x) => x.Linear(Weight, InputBias + RecurrentBias);
    }
}
