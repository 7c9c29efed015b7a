using System.Diagnostics;
using Vertebra.Ops;

namespace Vertebra.Autograd;

/// <summary>
/// Times the ops that are applied on one thread, by kind, and the gradients that the backward walk asks them for. Ops applied inside
/// a gradient belong to it.
/// </summary>
internal sealed class OpClock
{
    [ThreadStatic] private static OpClock? t_current;

    private readonly Dictionary<string, OpTime> _times = [];
    private bool _isBackward;
    private OpTime? _gradient;
    private long _start;

    /// <summary>The clock of this thread, if any.</summary>
    public static OpClock? Current
    {
        get => t_current;
        set => t_current = value;
    }

    /// <summary>What was seen, by the ops' names.</summary>
    public IReadOnlyDictionary<string, OpTime> Times => _times;

    /// <summary>An op was applied, and its results computed since <paramref name="start"/> (a timestamp).</summary>
    public void Applied(Op op, long start, long macs)
    {
        if (_gradient is { } gradient)
        {
            gradient.BackwardMacs += macs;
        }
        else if (!_isBackward)
        {
            var time = TimeOf(op.Name);
            time.Calls++;
            time.ForwardMilliseconds += Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            time.ForwardMacs += macs;
        }
    }

    /// <summary>The backward walk begins or ends: what is applied in it and in no gradient only adds gradients up.</summary>
    public void Walks(bool isBackward) => _isBackward = isBackward;

    /// <summary>A node of the tape, named after its op, is asked for its gradient.</summary>
    public void BeginGradient(string name) => (_gradient, _start) = (TimeOf(name), Stopwatch.GetTimestamp());

    /// <summary>It has answered.</summary>
    public void EndGradient()
    {
        _gradient!.BackwardMilliseconds += Stopwatch.GetElapsedTime(_start).TotalMilliseconds;
        _gradient = null;
    }

    private OpTime TimeOf(string name)
    {
        if (!_times.TryGetValue(name, out var time))
            _times[name] = time = new OpTime();
        return time;
    }
}

/// <summary>What ops of one kind took.</summary>
internal sealed class OpTime
{
    public int Calls { get; set; }
    public double ForwardMilliseconds { get; set; }
    public double BackwardMilliseconds { get; set; }
    public long ForwardMacs { get; set; }
    public long BackwardMacs { get; set; }
}
