using Vertebra.Nn;

namespace Vertebra.Lab.Training.Adversarial;

/// <summary>What adversarial images need beside the network: batch norms of their own, and weights of former updates. Saved with the run.</summary>
internal sealed class AdversarialCompanion : Module
{
    private readonly List<(BatchNorm2d Main, BatchNorm2d Own)> _norms = [];
    private readonly Tensor[] _weights;
    private readonly FormerWeights[] _former;

    /// <param name="network">The network.</param>
    /// <param name="staleness">How many updates the weights may be old.</param>
    public AdversarialCompanion(Module network, int staleness)
    {
        foreach (var (path, module) in network.NamedModules())
        {
            if (module is BatchNorm2d { IsFrozen: false } main)
                _norms.Add((main, Child("norm/" + path.Replace('.', '/'), Twin(main))));
        }
        var parameters = network.NamedParameters().ToArray();
        _weights = [.. parameters.Select(p => p.Tensor)];
        _former = [.. Enumerable.Range(0, staleness + 1).Select(age => Child($"age{age}", new FormerWeights(parameters)))];
    }

    /// <summary>Takes note of the network's weights, where they are other than those before.</summary>
    public void Remember()
    {
        if (_weights.Zip(_former[0].Tensors).All(w => w.First.ContentEquals(w.Second)))
            return;
        for (var age = _former.Length - 1; age > 0; age--)
            Copy(_former[age - 1].Tensors, _former[age].Tensors);
        Copy(_weights, _former[0].Tensors);
    }

    /// <summary>Until the end of the scope the network has its oldest weights, which get no gradients; buffers are put back then too.</summary>
    public IDisposable UseStaleWeights(Module network)
    {
        var buffers = network.NamedBuffers().Select(b => (b.Tensor, Copy: b.Tensor.Clone())).ToArray();
        var trained = Array.FindAll(_weights, w => w.RequiresGrad);
        Array.ForEach(trained, w => w.RequiresGrad = false);
        Copy(_former[^1].Tensors, _weights);
        return new AtEnd(() =>
        {
            Copy(_former[0].Tensors, _weights);
            Array.ForEach(trained, w => w.RequiresGrad = true);
            foreach (var (tensor, copy) in buffers)
                tensor.CopyFrom(copy);
        });
    }

    /// <summary>Until the end of the scope the batch norms of this companion work in the place of the network's.</summary>
    public IDisposable UseOwnNorms()
    {
        _norms.ForEach(n => n.Main.Substitute = n.Own);
        return new AtEnd(() => _norms.ForEach(n => n.Main.Substitute = null));
    }

    protected override Tensor OnForward(Tensor x) => throw new NotSupportedException("adversarial images go through the network");

    private static BatchNorm2d Twin(BatchNorm2d main)
    {
        var twin = new BatchNorm2d((int)main.Weight.ElementCount, main.Epsilon, main.Momentum!.Value);
        foreach (var (own, other) in twin.State().Zip(main.State()))
            own.Tensor.CopyFrom(other.Tensor);
        return twin;
    }

    private static void Copy(IReadOnlyList<Tensor> from, IReadOnlyList<Tensor> to)
    {
        for (var i = 0; i < to.Count; i++)
            to[i].CopyFrom(from[i]);
    }

    /// <summary>A copy of all weights.</summary>
    private sealed class FormerWeights : Module
    {
        public FormerWeights(IEnumerable<(string Name, Tensor Tensor)> parameters) =>
            Tensors = [.. parameters.Select(p => Buffer(p.Name.Replace('.', '/'), p.Tensor.Clone()))];

        public Tensor[] Tensors { get; }

        protected override Tensor OnForward(Tensor x) => throw new NotSupportedException("a copy of weights computes nothing");
    }

    private sealed class AtEnd(Action action) : IDisposable
    {
        public void Dispose() => action();
    }
}
