using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>
/// Changes parameters along their gradients. The state (momentum and the like) consists of named tensors that are saved with
/// the run, so that a resumed run continues with the same bits.
/// </summary>
public abstract class Optimizer
{
    private readonly TensorChunks _chunks;

    /// <param name="groups">What to train.</param>
    /// <param name="slots">The state tensors that a parameter has before the first step, by PyTorch's names where it has them.</param>
    private protected Optimizer(IReadOnlyList<ParameterGroup> groups, Func<NamedParameter, IEnumerable<(string Name, Tensor Tensor)>> slots)
    {
        Groups = groups;
        Parameters = [.. groups.SelectMany(group => group.Parameters.Select((p, _) => (group, p))).Select((p, i) => new OptimizedParameter(i, p.p, p.group, [.. slots(p.p)]))];
        _chunks = new(Parameters.Select(p => p.Tensor));
    }

    public IReadOnlyList<ParameterGroup> Groups { get; }

    /// <summary>The rate of the next step, before the groups' own factors.</summary>
    public double LearningRate { get; set; }

    /// <summary>Momentum, or Adam's first beta, of the next step where a schedule cycles it; null leaves the optimiser's own.</summary>
    public double? Momentum { get; set; }

    /// <summary>Number of steps taken.</summary>
    public long StepCount { get; private set; }

    /// <summary>Told what the user should know, as that the method has changed; null tells nobody.</summary>
    public Action<string>? Note { get; set; }

    private protected IReadOnlyList<OptimizedParameter> Parameters { get; }

    private protected TensorChunks Chunks => _chunks;

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
        Update(new(gradientScale, gradientLimit));
    }

    /// <summary>A step of a part of another optimiser, at its rate.</summary>
    internal void StepAs(Optimizer whole, GradientScaling scaling)
    {
        (LearningRate, Momentum, Note) = (whole.LearningRate, whole.Momentum, whole.Note);
        Step(scaling.Scale, scaling.Limit);
    }

    /// <summary>Forgets the gradients of all parameters.</summary>
    public void ZeroGrad()
    {
        foreach (var parameter in Parameters)
            parameter.Tensor.Grad = null;
    }

    /// <summary>The Euclidean norm of all gradients together; summed piece by piece in float64, the same bits on any number of threads.</summary>
    public double GradientNorm() => Norm([.. Parameters.Select(p => p.Gradient)]);

    /// <summary>The Euclidean norm of all parameters together; not finite when one of them is not.</summary>
    public double ParameterNorm() => Norm([.. Parameters.Select(p => p.Tensor)]);

    /// <summary>The norm of each tensor; 0 where there is none.</summary>
    private protected double[] Norms(Tensor?[] tensors)
    {
        var pieces = new double[_chunks.Count];
        _chunks.ForEach((i, chunk) => pieces[i] = tensors[chunk.Tensor] is { } tensor ? OptimizerSteps.SumOfSquares(chunk.Of(tensor)) : 0);
        GC.KeepAlive(tensors);
        var norms = new double[tensors.Length];
        _chunks.ForEachInOrder((i, chunk) => norms[chunk.Tensor] += pieces[i]);
        return Array.ConvertAll(norms, Math.Sqrt);
    }

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

    /// <summary>Takes step <see cref="StepCount"/>.</summary>
    private protected abstract void Update(GradientScaling scaling);

    // ---------------------------------------------------------------- saving

    /// <summary>The state as named tensors, <c>layer1.0.conv1.weight/momentum_buffer</c>; the live ones, not copies.</summary>
    public virtual IEnumerable<(string Name, Tensor Tensor)> State() =>
        Parameters.SelectMany(p => p.SlotNames.Select((slot, i) => ($"{p.Name}/{slot}", p.Slots[i])));

    /// <summary>Continues from saved state.</summary>
    /// <param name="state">Tensors by the names of <see cref="State"/>.</param>
    /// <param name="stepCount">Steps taken when it was saved.</param>
    /// <exception cref="VertebraException">A tensor is missing or of another shape: the state belongs to another network or optimiser.</exception>
    public virtual void Load(IReadOnlyDictionary<string, Tensor> state, long stepCount)
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
}

/// <summary>What becomes of a gradient before an update: clamp(gradient · Scale, ±Limit).</summary>
internal readonly record struct GradientScaling(float Scale, float Limit);

/// <summary>A parameter in the hands of an optimiser.</summary>
/// <param name="index">Its place among all.</param>
/// <param name="parameter">The tensor and its name.</param>
/// <param name="group">Its settings.</param>
/// <param name="slots">Its state.</param>
internal sealed class OptimizedParameter(int index, NamedParameter parameter, ParameterGroup group, (string Name, Tensor Tensor)[] slots)
{
    public int Index => index;

    public string Name => parameter.Name;

    public Tensor Tensor => parameter.Tensor;

    public ParameterGroup Group => group;

    public IReadOnlyList<string> SlotNames { get; } = [.. slots.Select(s => s.Name)];

    public Tensor[] Slots { get; } = [.. slots.Select(s => s.Tensor)];

    /// <summary>The gradient; null where there is none.</summary>
    /// <exception cref="ShapeException">It is not of the parameter's shape.</exception>
    public Tensor? Gradient => Tensor.Grad is { } gradient && gradient.Shape != Tensor.Shape
        ? throw new ShapeException($"the gradient of '{Name}' has shape {gradient.Shape}, the parameter {Tensor.Shape}")
        : Tensor.Grad;

    /// <summary>A copy of the gradient, scaled and limited.</summary>
    public Tensor Treated(GradientScaling scaling)
    {
        var treated = Gradient!.Clone();
        if (scaling is not { Scale: 1, Limit: float.PositiveInfinity })
        {
            foreach (ref var value in treated.AsSpan<float>())
                value = Math.Clamp(value * scaling.Scale, -scaling.Limit, scaling.Limit);
        }
        return treated;
    }

    /// <summary>To be called after an update.</summary>
    public void MarkWritten()
    {
        Tensor.MarkWritten();
        Array.ForEach(Slots, slot => slot.MarkWritten());
    }
}
