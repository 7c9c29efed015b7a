using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>
/// Changes parameters along their gradients. The state (momentum and the like) consists of named tensors that are saved with
/// the run, so that a resumed run continues with the same bits.
/// </summary>
public abstract class Optimizer
{
    private readonly string[] _slotNames;
    private readonly List<Entry> _entries = [];
    private readonly TensorChunks _chunks;

    /// <param name="groups">What to train.</param>
    /// <param name="slotNames">Names of the state tensors that each parameter has, PyTorch's where it has them.</param>
    private protected Optimizer(IReadOnlyList<ParameterGroup> groups, params string[] slotNames)
    {
        Groups = groups;
        _slotNames = slotNames;
        for (var group = 0; group < groups.Count; group++)
        {
            foreach (var parameter in groups[group].Parameters)
                _entries.Add(new(parameter, group, Array.ConvertAll(slotNames, _ => Tensor.Zeros(parameter.Tensor.Shape))));
        }
        _chunks = new(_entries.Select(e => e.Parameter.Tensor));
    }

    public IReadOnlyList<ParameterGroup> Groups { get; }

    /// <summary>The rate of the next step, before the groups' own factors.</summary>
    public double LearningRate { get; set; }

    /// <summary>Number of steps taken.</summary>
    public long StepCount { get; private set; }

    /// <summary>
    /// One update of every parameter that has a gradient. The gradient used is
    /// clamp(<see cref="Tensor.Grad"/> · <paramref name="gradientScale"/>, ±<paramref name="gradientLimit"/>);
    /// the gradients themselves stay as they are.
    /// </summary>
    /// <param name="gradientScale">1 / number of accumulated batches, times the factor that clipping by norm asks for.</param>
    /// <param name="gradientLimit">Largest absolute value of an element (clipping by value).</param>
    public void Step(float gradientScale = 1, float gradientLimit = float.PositiveInfinity)
    {
        StepCount++;
        var rules = Groups.Select(group => Prepare(group, gradientScale, gradientLimit)).ToArray();
        var gradients = _entries.Select(GradientOf).ToArray();
        _chunks.ForEach((_, chunk) =>
        {
            if (gradients[chunk.Tensor] is not { } gradient)
                return;
            var entry = _entries[chunk.Tensor];
            rules[entry.Group](chunk.Of(entry.Parameter.Tensor), chunk.Of(gradient), entry.Slots, chunk);
        });
        for (var i = 0; i < _entries.Count; i++)
        {
            if (gradients[i] is null)
                continue;
            _entries[i].Parameter.Tensor.MarkWritten();
            Array.ForEach(_entries[i].Slots, slot => slot.MarkWritten());
        }
        GC.KeepAlive(gradients);
    }

    /// <summary>Forgets the gradients of all parameters.</summary>
    public void ZeroGrad()
    {
        foreach (var entry in _entries)
            entry.Parameter.Tensor.Grad = null;
    }

    /// <summary>The Euclidean norm of all gradients together; summed piece by piece in float64, the same bits on any number of threads.</summary>
    public double GradientNorm() => Norm([.. _entries.Select(GradientOf)]);

    /// <summary>The Euclidean norm of all parameters together; not finite when one of them is not.</summary>
    public double ParameterNorm() => Norm([.. _entries.Select(e => e.Parameter.Tensor)]);

    private double Norm(Tensor?[] tensors)
    {
        var sums = new double[_chunks.Count];
        _chunks.ForEach((i, chunk) => sums[i] = tensors[chunk.Tensor] is { } tensor ? OptimizerSteps.SumOfSquares(chunk.Of(tensor)) : 0);
        GC.KeepAlive(tensors);
        double total = 0;
        foreach (var sum in sums)
            total += sum;
        return Math.Sqrt(total);
    }

    // ---------------------------------------------------------------- saving

    /// <summary>The state as named tensors, <c>layer1.0.conv1.weight/momentum_buffer</c>; the live ones, not copies.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> State() =>
        _entries.SelectMany(e => e.Slots.Select((slot, i) => ($"{e.Parameter.Name}/{_slotNames[i]}", slot)));

    /// <summary>Continues from saved state.</summary>
    /// <param name="state">Tensors by the names of <see cref="State"/>.</param>
    /// <param name="stepCount">Steps taken when it was saved.</param>
    /// <exception cref="VertebraException">A tensor is missing or of another shape: the state belongs to another network or optimiser.</exception>
    public void Load(IReadOnlyDictionary<string, Tensor> state, long stepCount)
    {
        foreach (var (name, tensor) in State())
        {
            if (!state.TryGetValue(name, out var saved) || saved.Spec != tensor.Spec)
            {
                throw new VertebraException(
                    $"the saved optimiser state does not fit: '{name}' should be {tensor.Spec}, and is {(saved is null ? "missing" : saved.Spec.ToString())}; resume with the network and --opt of the run");
            }
        }
        foreach (var (name, tensor) in State())
            tensor.CopyFrom(state[name]);
        StepCount = stepCount;
    }

    /// <summary>Works out the numbers of step <see cref="StepCount"/> for a group and returns its update rule.</summary>
    private protected abstract UpdateRule Prepare(ParameterGroup group, float gradientScale, float gradientLimit);

    /// <summary>Updates one piece of a parameter; <paramref name="slots"/> are its whole state tensors.</summary>
    private protected delegate void UpdateRule(Span<float> weights, ReadOnlySpan<float> gradients, Tensor[] slots, TensorChunks.Chunk chunk);

    private static Tensor? GradientOf(Entry entry)
    {
        var parameter = entry.Parameter;
        if (parameter.Tensor.Grad is { } gradient && gradient.Shape != parameter.Tensor.Shape)
            throw new ShapeException($"the gradient of '{parameter.Name}' has shape {gradient.Shape}, the parameter {parameter.Tensor.Shape}");
        return parameter.Tensor.Grad;
    }

    private sealed record Entry(NamedParameter Parameter, int Group, Tensor[] Slots);
}

/// <summary>
/// Stochastic gradient descent with momentum, plain or Nesterov's; PyTorch's <c>SGD</c> with dampening 0, weight decay added
/// to the gradient.
/// </summary>
public sealed class Sgd(IReadOnlyList<ParameterGroup> groups, double momentum = 0, bool nesterov = false)
    : Optimizer(groups, momentum == 0 ? [] : ["momentum_buffer"])
{
    private protected override UpdateRule Prepare(ParameterGroup group, float gradientScale, float gradientLimit)
    {
        var step = new SgdStep(
            (float)(LearningRate * group.RateScale), (float)momentum, nesterov, (float)group.WeightDecay, gradientScale, gradientLimit);
        return (weights, gradients, slots, chunk) =>
            OptimizerSteps.Sgd(weights, gradients, step.HasMomentum ? chunk.Of(slots[0]) : [], step);
    }
}

/// <summary>
/// Adam (Kingma and Ba, "Adam: a method for stochastic optimization", 2015), or AdamW (Loshchilov and Hutter, "Decoupled
/// weight decay regularization", 2019) where the decay acts on the weights and not on the gradient; as in PyTorch.
/// </summary>
public sealed class Adam(
    IReadOnlyList<ParameterGroup> groups, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, bool decoupledDecay = false)
    : Optimizer(groups, "exp_avg", "exp_avg_sq")
{
    private protected override UpdateRule Prepare(ParameterGroup group, float gradientScale, float gradientLimit)
    {
        var rate = LearningRate * group.RateScale;
        var step = new AdamStep(
            Rate: (float)(rate / (1 - Math.Pow(beta1, StepCount))),
            Beta1: (float)beta1,
            Rest1: (float)(1 - beta1),
            Beta2: (float)beta2,
            Rest2: (float)(1 - beta2),
            Epsilon: (float)epsilon,
            Correction: (float)Math.Sqrt(1 - Math.Pow(beta2, StepCount)),
            Decay: decoupledDecay ? 0 : (float)group.WeightDecay,
            Shrink: decoupledDecay ? (float)(1 - (rate * group.WeightDecay)) : 1,
            gradientScale,
            gradientLimit);
        return (weights, gradients, slots, chunk) =>
            OptimizerSteps.Adam(weights, gradients, chunk.Of(slots[0]), chunk.Of(slots[1]), step);
    }
}
