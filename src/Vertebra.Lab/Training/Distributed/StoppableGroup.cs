using Vertebra.Communication;

namespace Vertebra.Lab.Training.Distributed;

/// <summary>
/// A group whose processes stop together: with every exchange of numbers each says whether it was asked to, and the token that all see
/// is cancelled in the same place of all of them. Otherwise some would wait for ever for one that has left.
/// </summary>
internal sealed class StoppableGroup(IProcessGroup inner) : IProcessGroup, IDisposable
{
    private readonly CancellationTokenSource _agreed = new();
    private CancellationToken _own;

    public int Rank => inner.Rank;

    public int Count => inner.Count;

    /// <summary>The token to obey in the place of a process's own.</summary>
    public CancellationToken Agreed(CancellationToken own)
    {
        _own = own;
        return _agreed.Token;
    }

    public void Sum(Span<double> values)
    {
        var all = new double[values.Length + 1];
        values.CopyTo(all);
        all[^1] = _own.IsCancellationRequested ? 1 : 0;
        inner.Sum(all);
        all.AsSpan(0, values.Length).CopyTo(values);
        Hear(all[^1] > 0);
    }

    public IPendingSum StartSum(Tensor values) => inner.StartSum(values);

    public byte[][] Gather(ReadOnlySpan<byte> part)
    {
        var parts = inner.Gather([_own.IsCancellationRequested ? (byte)1 : (byte)0, .. part]);
        Hear(parts.Any(p => p[0] != 0));
        return Array.ConvertAll(parts, p => p[1..]);
    }

    public void Dispose() => _agreed.Dispose();

    private void Hear(bool isStop)
    {
        if (isStop)
            _agreed.Cancel();
    }
}
