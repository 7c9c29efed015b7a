using Vertebra.Communication;
using Vertebra.Nn;

namespace Vertebra.Lab.Training.Distributed;

/// <summary>
/// What a trainer does together with those of other processes: each takes its share of every batch, and all make the same update of the
/// same weights, so that any one's state is everybody's.
/// </summary>
internal sealed class TrainingTeam
{
    private readonly StoppableGroup _processes;
    private readonly GradientReducer _gradients;
    private readonly Tensor[] _statistics;
    private readonly Tensor? _joined;
    private readonly bool _broadcasts;

    /// <param name="processes">The processes.</param>
    /// <param name="network">What is trained, the same in each.</param>
    /// <param name="companion">What is trained beside it.</param>
    /// <param name="options">What becomes of running statistics.</param>
    public TrainingTeam(IProcessGroup processes, Module network, Module? companion, TrainingOptions options)
    {
        _processes = new(processes);
        Module[] modules = companion is null ? [network] : [network, companion];
        _gradients = new(_processes, modules.SelectMany(m => m.NamedParameters()).Select(p => p.Tensor).Where(t => t.RequiresGrad).Distinct());
        _statistics = [.. modules.SelectMany(m => m.NamedBuffers()).Where(b => b.Name.Split('.')[^1] is "running_mean" or "running_var").Select(b => b.Tensor)];
        _joined = _statistics.Length == 0 ? null : Tensor.Empty([checked((int)_statistics.Sum(s => s.ElementCount))]);
        _broadcasts = options.DistBn == "broadcast";
        if (options.SyncBn)
        {
            foreach (var norm in modules.SelectMany(m => m.NamedModules()).Select(m => m.Module).OfType<BatchNorm2d>())
                norm.Processes = _processes;
        }
    }

    /// <summary>The processes.</summary>
    public IProcessGroup Processes => _processes;

    public int Rank => _processes.Rank;

    public int Count => _processes.Count;

    /// <summary>The token to obey in the place of a process's own.</summary>
    public CancellationToken Agreed(CancellationToken own) => _processes.Agreed(own);

    /// <summary>What the first process says.</summary>
    public bool AsFirst(bool own) => _processes.Gather([own ? (byte)1 : (byte)0])[0][0] != 0;

    /// <summary>To be told of every gradient that is complete, in an update's last backward pass.</summary>
    public void GradientDone(Tensor parameter) => _gradients.GradientDone(parameter);

    /// <summary>After that pass: all gradients are the means over the processes, and running statistics the same everywhere.</summary>
    public void FinishPass()
    {
        _gradients.Finish();
        ShareStatistics();
    }

    /// <summary>
    /// Makes running statistics the mean over processes, or those of the first. They are linear in the batches' own, so that the mean at
    /// every update is timm's mean at the end of an epoch, and a state saved between two updates is that of all processes.
    /// </summary>
    public void ShareStatistics()
    {
        if (_joined is null)
            return;
        var offset = 0;
        foreach (var statistic in _statistics)
        {
            var part = _joined.AsSpan<float>().Slice(offset, (int)statistic.ElementCount);
            if (_broadcasts && Rank > 0)
                part.Clear();
            else
                statistic.AsSpan<float>().CopyTo(part);
            offset += part.Length;
        }
        _processes.StartSum(_joined).Wait();
        var share = _broadcasts ? 1 : 1f / Count;
        offset = 0;
        foreach (var statistic in _statistics)
        {
            var values = statistic.AsSpan<float>();
            for (var i = 0; i < values.Length; i++)
                values[i] = _joined.AsSpan<float>()[offset + i] * share;
            statistic.MarkWritten();
            offset += values.Length;
        }
        GC.KeepAlive(_statistics);
    }
}
