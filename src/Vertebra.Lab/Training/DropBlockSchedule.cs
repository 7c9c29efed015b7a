using Vertebra.Nn;
using Vertebra.Zoo.Layers;

namespace Vertebra.Lab.Training;

/// <summary>Lets DropBlock's share grow linearly from 0 over a run, as in its paper.</summary>
internal sealed class DropBlockSchedule
{
    private readonly List<DropBlock2d> _blocks;
    private readonly long _updates;

    private DropBlockSchedule(List<DropBlock2d> blocks, long updates) => (_blocks, _updates) = (blocks, updates);

    /// <summary>The schedule that the options ask for; null where there is nothing to change.</summary>
    /// <param name="network">The network.</param>
    /// <param name="options">The options.</param>
    /// <param name="updates">Updates of the whole run.</param>
    public static DropBlockSchedule? Of(Module network, TrainingOptions options, long updates)
    {
        var blocks = network.NamedModules().Select(m => m.Module).OfType<DropBlock2d>().ToList();
        return options.DropBlockSchedule == "linear" && blocks.Count > 0 ? new(blocks, updates) : null;
    }

    /// <summary>Sets the share of an update, counted from 0.</summary>
    public void MoveTo(long update) => _blocks.ForEach(b => b.Progress = Math.Min(1, update / (float)Math.Max(1, _updates - 1)));
}
