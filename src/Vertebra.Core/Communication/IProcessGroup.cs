namespace Vertebra.Communication;

/// <summary>
/// Processes that work on one thing together. Every method is collective: all processes call the same ones in the same order, and
/// all get the same bits back. Not for several threads at once.
/// </summary>
public interface IProcessGroup
{
    /// <summary>Which of the processes this is, from 0.</summary>
    int Rank { get; }

    /// <summary>Number of processes, at least 2.</summary>
    int Count { get; }

    /// <summary>Puts the sums over all processes in the place of the values; as many of them in each process.</summary>
    void Sum(Span<double> values);

    /// <summary>Begins to put the sums over all processes in the place of a float32 tensor's elements; leave it alone until the result says it is done.</summary>
    IPendingSum StartSum(Tensor values);

    /// <summary>What every process gave, in the order of ranks; the lengths may differ.</summary>
    byte[][] Gather(ReadOnlySpan<byte> part);
}

/// <summary>A sum over processes that is on its way.</summary>
public interface IPendingSum
{
    /// <summary>Helps it along, without waiting.</summary>
    /// <returns>True when it is done.</returns>
    bool Poll();

    /// <summary>Returns when it is done.</summary>
    void Wait();
}
