using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>
/// A method whose rule is the same for every element. Where something about the whole tensor comes in too (a cautious mask's
/// share, LAMB's trust ratio), the directions are written down first and summed piece by piece, in an order that the shapes
/// alone decide.
/// </summary>
public abstract class ElementwiseOptimizer : Optimizer
{
    /// <param name="groups">What to train.</param>
    /// <param name="slotNames">Names of the state tensors, of the parameter's shape and zero at first.</param>
    private protected ElementwiseOptimizer(IReadOnlyList<ParameterGroup> groups, params string[] slotNames)
        : base(groups, p => slotNames.Select(name => (name, Tensor.Zeros(p.Tensor.Shape))))
    {
    }

    /// <summary>
    /// What points against the present gradient is left out of the update, and the rest grows by as much as fell away (Liang et
    /// al., "Cautious optimizers: improving training with one line of code", 2024).
    /// </summary>
    public bool IsCautious { get; init; }

    /// <summary>Whether <see cref="Finish"/> decides on the update; else it is applied in one pass.</summary>
    private protected virtual bool LooksAtTensors => IsCautious;

    /// <summary>The rule and the numbers of this step for a parameter.</summary>
    private protected abstract ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling);

    /// <summary>The second half of an update: w = keep·w - rate·u, from the sums over the whole tensor.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="numbers">The numbers of its first half.</param>
    /// <param name="sums">Sums over it.</param>
    /// <param name="share">Factor on the directions: 1, or what makes up for the masked ones.</param>
    private protected virtual (double Keep, double Rate) Finish(OptimizedParameter parameter, in UpdateNumbers numbers, DirectionSums sums, double share) =>
        (1, numbers.Rate * share);

    /// <summary>Called between the halves, where <see cref="LooksAtTensors"/>, with the sums over every parameter that has a gradient.</summary>
    private protected virtual void Summed(IReadOnlyList<(OptimizedParameter Parameter, DirectionSums Sums)> sums)
    {
    }

    private protected override void Update(GradientScaling scaling)
    {
        Begin(scaling);
        var gradients = Parameters.Select(p => p.Gradient).ToArray();
        var updates = Parameters.Select(p => gradients[p.Index] is null ? null : Prepare(p, scaling)).ToArray();
        if (LooksAtTensors)
            UpdateInHalves(updates, gradients);
        else
            Chunks.ForEach((_, chunk) => updates[chunk.Tensor]?.Apply(Parameters[chunk.Tensor], gradients[chunk.Tensor]!, chunk));
        foreach (var parameter in Parameters)
        {
            if (gradients[parameter.Index] is not null)
                parameter.MarkWritten();
        }
        GC.KeepAlive(gradients);
    }

    /// <summary>Works out what is common to all parameters in this step.</summary>
    private protected virtual void Begin(GradientScaling scaling)
    {
    }

    private void UpdateInHalves(ElementUpdate?[] updates, Tensor?[] gradients)
    {
        var directions = gradients.Select(g => g is null ? null : Tensor.Empty(g.Shape)).ToArray();
        var pieces = new DirectionSums[Chunks.Count];
        Chunks.ForEach((i, chunk) =>
        {
            if (updates[chunk.Tensor] is { } update)
                pieces[i] = update.Direct(Parameters[chunk.Tensor], gradients[chunk.Tensor]!, chunk, IsCautious, directions[chunk.Tensor]!);
        });
        var sums = new DirectionSums[Parameters.Count];
        Chunks.ForEachInOrder((i, chunk) => sums[chunk.Tensor] += pieces[i]);
        Summed([.. Parameters.Where(p => updates[p.Index] is not null).Select(p => (p, sums[p.Index]))]);
        var factors = Parameters.Select(p => updates[p.Index] is { } update ? Finish(p, update.Numbers, sums[p.Index], Share(p, sums[p.Index])) : default).ToArray();
        Chunks.ForEach((_, chunk) =>
        {
            if (directions[chunk.Tensor] is { } direction)
                UpdateSteps.Subtract(chunk.Of(Parameters[chunk.Tensor].Tensor), chunk.Of(direction), (float)factors[chunk.Tensor].Keep, (float)factors[chunk.Tensor].Rate);
        });
        GC.KeepAlive(directions);
    }

    // 1e-3: the reference implementation's bound on the share that is kept.
    private double Share(OptimizedParameter parameter, DirectionSums sums) =>
        IsCautious ? 1 / Math.Max(1e-3, sums.Agreeing / parameter.Tensor.ElementCount) : 1;

    // ---------------------------------------------------------------- numbers

    private protected double RateOf(OptimizedParameter parameter) => LearningRate * parameter.Group.RateScale;

    /// <summary>Weight decay is added to the gradient.</summary>
    private protected static UpdateNumbers Coupled(OptimizedParameter parameter, GradientScaling scaling, double rate) =>
        new((float)rate, (float)parameter.Group.WeightDecay, 1, scaling.Scale, scaling.Limit);

    /// <summary>Weight decay shrinks the weights, at the learning rate.</summary>
    private protected UpdateNumbers Decoupled(OptimizedParameter parameter, GradientScaling scaling, double rate) =>
        new((float)rate, 0, (float)(1 - (RateOf(parameter) * parameter.Group.WeightDecay)), scaling.Scale, scaling.Limit);

    /// <summary>One or the other.</summary>
    private protected UpdateNumbers Numbers(OptimizedParameter parameter, GradientScaling scaling, double rate, bool decoupled) =>
        decoupled ? Decoupled(parameter, scaling, rate) : Coupled(parameter, scaling, rate);
}

/// <summary>A rule with its numbers, ready for the pieces of a parameter.</summary>
internal abstract class ElementUpdate(UpdateNumbers numbers)
{
    public UpdateNumbers Numbers => numbers;

    /// <summary>Updates a piece.</summary>
    public abstract void Apply(OptimizedParameter parameter, Tensor gradient, TensorChunks.Chunk chunk);

    /// <summary>The first half of an update: see <see cref="UpdateSteps.Direct"/>.</summary>
    public abstract DirectionSums Direct(OptimizedParameter parameter, Tensor gradient, TensorChunks.Chunk chunk, bool masks, Tensor directions);
}

/// <inheritdoc/>
internal sealed class ElementUpdate<TRule>(TRule rule, UpdateNumbers numbers) : ElementUpdate(numbers) where TRule : struct, IUpdateRule
{
    public override void Apply(OptimizedParameter parameter, Tensor gradient, TensorChunks.Chunk chunk) =>
        UpdateSteps.Apply(rule, chunk.Of(parameter.Tensor), chunk.Of(gradient), Slots(parameter, chunk), Numbers);

    public override DirectionSums Direct(OptimizedParameter parameter, Tensor gradient, TensorChunks.Chunk chunk, bool masks, Tensor directions) =>
        UpdateSteps.Direct(rule, chunk.Of(parameter.Tensor), chunk.Of(gradient), Slots(parameter, chunk), Numbers, masks, chunk.Of(directions));

    private static SlotSpans Slots(OptimizedParameter parameter, TensorChunks.Chunk chunk) =>
        new(Slot(parameter, chunk, 0), Slot(parameter, chunk, 1), Slot(parameter, chunk, 2), Slot(parameter, chunk, 3));

    private static Span<float> Slot(OptimizedParameter parameter, TensorChunks.Chunk chunk, int slot) =>
        slot < TRule.Slots ? chunk.Of(parameter.Slots[slot]) : [];
}
