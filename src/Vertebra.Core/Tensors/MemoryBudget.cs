namespace Vertebra;

/// <summary>
/// The largest tensor that may be made on this thread, while something from outside says how large tensors are: a file of
/// a hundred bytes can ask for a shape of terabytes, and the machine's own limit is found too late.
/// </summary>
internal static class MemoryBudget
{
    [ThreadStatic] private static long t_largest; // 0: no limit

    /// <summary>Limits single tensors to a number of bytes until the returned scope ends.</summary>
    public static Scope Limit(long bytes)
    {
        var scope = new Scope(t_largest);
        t_largest = bytes;
        return scope;
    }

    /// <exception cref="VertebraException">The tensor is larger than the limit.</exception>
    public static void Check(TensorSpec spec)
    {
        if (t_largest > 0 && spec.Bytes > t_largest)
            throw new VertebraException($"a tensor {spec} of {spec.Bytes >> 20} MiB is beyond the limit of {t_largest >> 20} MiB");
    }

    /// <summary>Restores the former limit at its end.</summary>
    public readonly ref struct Scope
    {
        private readonly long _former;

        internal Scope(long former) => _former = former;

        public void Dispose() => t_largest = _former;
    }
}
