using Vertebra.Autograd;
using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>
/// Gradient checkpointing (Chen, Xu, Zhang and Guestrin 2016, "Training deep nets with sublinear memory cost"): a piece of the network
/// keeps nothing for its gradients but what it was given; the backward walk computes it a second time. Activations then take the memory
/// of one piece and of the tensors between pieces, for the time of another forward pass.
/// </summary>
public static class Checkpointing
{
    [ThreadStatic] private static bool t_recomputes;

    /// <summary>True while this thread computes a piece for the second time, with the random draws of the first; running statistics stay as they are then.</summary>
    internal static bool IsRecomputing => t_recomputes;

    /// <summary>
    /// Applies a function now, and again in the backward walk. Values, gradients and statistics have the bits of a plain call.
    /// </summary>
    /// <param name="function">Computes one tensor. What it reads must not change until the backward walk, and it must leave nothing behind but its result and running statistics.</param>
    public static Tensor Run(Func<Tensor> function)
    {
        if (!GradMode.IsEnabled || OpRecording.Current is not null)
            return function();
        if (TrainingRandom.Here is not { } place)
        {
            // Draws outside a scope cannot be repeated, so the piece gets a scope of its own.
            var (seed, stream) = TrainingRandom.Next();
            using var scope = TrainingRandom.Begin(seed, (long)stream);
            return Run(function);
        }
        // Recorded, though the tape is dropped at once: kernels are chosen by whether gradients will follow.
        var result = function();
        return result.GradNode is null || result.IsMeta ? result : GradNode.RecordAgain(result, () => Repeat(function, place));
    }

    /// <summary>Applies a module as <see cref="Run(Func{Tensor})"/> applies a function.</summary>
    public static Tensor Run(Module module, Tensor x) => Run(() => module.Forward(x));

    private static Tensor Repeat(Func<Tensor> function, TrainingRandom.Place place)
    {
        var formerly = t_recomputes;
        t_recomputes = true;
        try
        {
            using var random = TrainingRandom.Return(place);
            return function();
        }
        finally
        {
            t_recomputes = formerly;
        }
    }
}
