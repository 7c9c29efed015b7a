using System.Runtime.InteropServices;
using Vertebra.Ops;

namespace Vertebra.Autograd;

/// <summary>Reverse-mode differentiation: one walk over the tape, from the last op application to the first.</summary>
public static class Backpropagation
{
    /// <summary>Adds the gradient of this scalar to <see cref="Tensor.Grad"/> of every leaf it depends on.</summary>
    /// <param name="loss">A tensor of one element.</param>
    /// <param name="retainGraph">Keep what another walk over the same graph needs.</param>
    /// <param name="leafDone">Told of every leaf as soon as its gradient is complete, while the walk goes on.</param>
    /// <exception cref="VertebraException">The loss depends on nothing that requires a gradient, is not a scalar, or was walked before.</exception>
    public static void Backward(this Tensor loss, bool retainGraph = false, Action<Tensor>? leafDone = null)
    {
        CheckLoss(loss);
        using var recording = GradMode.Set(enabled: false);
        new Walk(retainGraph, createGraph: false, wanted: null, leafDone).Run(loss, Tensor.Ones(loss.Shape));
    }

    /// <summary>
    /// The gradients of a scalar with respect to the given tensors, leaves or intermediate results, without touching any
    /// <see cref="Tensor.Grad"/>. Zeros where it does not depend on one.
    /// </summary>
    /// <param name="loss">A tensor of one element.</param>
    /// <param name="inputs">Tensors that require a gradient.</param>
    /// <param name="createGraph">Record the walk itself, so that its results can be differentiated again.</param>
    /// <param name="retainGraph">Keep what another walk needs; implied by <paramref name="createGraph"/>.</param>
    public static Tensor[] Gradients(this Tensor loss, ReadOnlySpan<Tensor> inputs, bool createGraph = false, bool retainGraph = false)
    {
        CheckLoss(loss);
        using var recording = GradMode.Set(enabled: createGraph);
        var wanted = inputs.ToArray();
        return new Walk(retainGraph || createGraph, createGraph, wanted, leafDone: null).Run(loss, Tensor.Ones(loss.Shape));
    }

    private static void CheckLoss(Tensor loss)
    {
        if (loss.ElementCount != 1)
            throw new ShapeException($"gradients start at one number, not at shape {loss.Shape}; sum or average it first");
        if (!loss.RequiresGrad)
            throw new VertebraException("nothing that this value depends on requires a gradient (or gradients were switched off while it was computed)");
    }

    /// <summary>One walk: gradients that have arrived so far, and the nodes still to visit.</summary>
    private sealed class Walk(bool retainGraph, bool createGraph, Tensor[]? wanted, Action<Tensor>? leafDone)
    {
        private readonly Dictionary<GradNode, Slot[]> _arrived = [];
        private readonly PriorityQueue<GradNode, long> _ready = new();
        private readonly Dictionary<Tensor, Slot> _leaves = new(ReferenceEqualityComparer.Instance);
        private readonly Dictionary<Edge, int> _wanted = [];
        private readonly Dictionary<Tensor, int> _uses = new(ReferenceEqualityComparer.Instance);
        private bool _knowsUses = leafDone is not null;

        public Tensor[] Run(Tensor loss, Tensor seed)
        {
            for (var i = 0; wanted is not null && i < wanted.Length; i++)
            {
                var edge = Edge.To(wanted[i]);
                if (!edge.IsNeeded || !_wanted.TryAdd(edge, i))
                    throw new VertebraException($"tensor {i} of those asked for does not require a gradient, or stands there twice");
            }
            var results = new Tensor?[_wanted.Count];
            if (_knowsUses)
                CountUses(Edge.To(loss));
            Arrive(Edge.To(loss), seed);
            var clock = OpClock.Current;
            while (_ready.TryDequeue(out var node, out _))
            {
                _arrived.Remove(node, out var slots);
                var outputGradients = Array.ConvertAll(slots!, slot => slot.Sum);
                for (var i = 0; i < outputGradients.Length && results.Length > 0; i++)
                {
                    if (_wanted.TryGetValue(new(node, i, null), out var position))
                        results[position] = outputGradients[i];
                }
                slots = null;
                clock?.BeginGradient(node.Name);
                var gradients = node.Op is null ? Recompute(node, outputGradients[0]!) : node.Gradient(outputGradients);
                clock?.EndGradient();
                if (!retainGraph)
                    node.Release();
                Array.Clear(outputGradients);
                for (var i = 0; i < gradients.Length; i++)
                {
                    if (gradients[i] is { } gradient && node.Edges[i].IsNeeded)
                        Arrive(node.Edges[i], gradient);
                    gradients[i] = null;
                }
                if (_knowsUses)
                    FinishLeavesOf(node);
            }
            FinishLeaves(results);
            return wanted is null ? [] : [.. results.Select((r, i) => r ?? Tensor.Zeros(wanted[i].Shape))];
        }

        private Tensor?[] Recompute(GradNode node, Tensor gradient)
        {
            if (Edge.To(node.ComputeAgain()) is { IsNeeded: true } edge)
                Arrive(edge, gradient);
            return [];
        }

        private void FinishLeaves(Tensor?[] results)
        {
            foreach (var (leaf, slot) in _leaves)
            {
                if (wanted is null)
                    Finish(leaf, slot);
                else if (_wanted.TryGetValue(new(null, 0, leaf), out var position))
                    results[position] = slot.Sum;
            }
        }

        private void Finish(Tensor leaf, Slot slot)
        {
            leaf.Grad = leaf.Grad is { } former ? Add(former, slot.Sum!) : slot.Sum;
            leafDone?.Invoke(leaf);
        }

        /// <summary>Counts how often each leaf is an operand of what is below an edge. What pieces use that are computed again is not known yet: all leaves wait for the walk's end then.</summary>
        private void CountUses(Edge from)
        {
            var seen = new HashSet<GradNode>();
            var pending = new Stack<Edge>([from]);
            while (pending.TryPop(out var edge))
            {
                if (edge.Leaf is { } leaf)
                    CollectionsMarshal.GetValueRefOrAddDefault(_uses, leaf, out _)++;
                else if (edge.Node is { } node && seen.Add(node))
                {
                    _knowsUses &= node.Op is not null;
                    foreach (var next in node.Edges)
                        pending.Push(next);
                }
            }
        }

        /// <summary>Finishes the leaves that a node was the last to use. Those that also stand below nodes which no gradient reaches wait for the walk's end.</summary>
        private void FinishLeavesOf(GradNode node)
        {
            foreach (var edge in node.Edges)
            {
                if (edge.Leaf is { } leaf && --CollectionsMarshal.GetValueRefOrAddDefault(_uses, leaf, out _) == 0 && _leaves.Remove(leaf, out var slot))
                    Finish(leaf, slot);
            }
        }

        private void Arrive(Edge edge, Tensor gradient)
        {
            if (edge.Leaf is { } leaf)
            {
                ref var sum = ref CollectionsMarshal.GetValueRefOrAddDefault(_leaves, leaf, out _);
                sum = Accumulate(sum, gradient);
                return;
            }
            if (!_arrived.TryGetValue(edge.Node!, out var slots))
            {
                _arrived[edge.Node!] = slots = new Slot[edge.Node!.OutputCount];
                _ready.Enqueue(edge.Node, -edge.Node.Sequence);
            }
            slots[edge.Index] = Accumulate(slots[edge.Index], gradient);
        }

        private Slot Accumulate(Slot slot, Tensor gradient)
        {
            if (slot.Sum is null)
                return new(gradient, IsOurs: false);
            if (!slot.IsOurs || createGraph)
                return new(Add(slot.Sum, gradient), IsOurs: true);
            Ops.Add.InPlace(slot.Sum, gradient);
            return slot;
        }

        // An op may hand the same gradient to several inputs, so the first sum makes a new tensor, and only that is added to in place.
        private readonly record struct Slot(Tensor? Sum, bool IsOurs);
    }

    private static Tensor Add(Tensor a, Tensor b) => a + b;
}
