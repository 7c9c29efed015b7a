namespace Vertebra.Communication;

/// <summary>
/// The processes that <c>mpirun</c> started, over the MPI library of the machine: Open MPI or one with MPICH's binary interface. It is
/// looked for only in a process that a launcher started.
/// </summary>
public sealed unsafe class MpiProcessGroup : IProcessGroup
{
    private readonly MpiLibrary _library;

    private MpiProcessGroup(MpiLibrary library, int rank, int count) => (_library, Rank, Count) = (library, rank, count);

    public int Rank { get; }

    public int Count { get; }

    /// <summary>Joins the other processes; call it once.</summary>
    /// <returns>The group, or null in a process that stands alone.</returns>
    /// <exception cref="VertebraException">A launcher started several processes, but the MPI library is missing or of another MPI than the launcher.</exception>
    public static MpiProcessGroup? FromLauncher()
    {
        if (MpiLauncher.Find(Environment.GetEnvironmentVariable) is not { } launcher)
            return null;
        var library = MpiLibrary.Load(launcher, Environment.GetEnvironmentVariable(MpiLibrary.PathVariable));
        var (rank, count) = library.Initialise();
        return count == launcher.Count ? new(library, rank, count) : throw new VertebraException(
            $"{launcher.Name} started {launcher.Count} processes, but {library.Name} sees {count}: they are of different MPIs; start with the mpirun of that library, or name the launcher's library in {MpiLibrary.PathVariable}");
    }

    /// <summary>
    /// Takes leave of the other processes, and waits for them to do so. A process that fails ends without it: then the launcher ends
    /// the others.
    /// </summary>
    public void Finish()
    {
        // MPI_Finalize need not wait, and a launcher may end all when the first process has ended.
        Gather([]);
        _library.Finish();
    }

    public void Sum(Span<double> values)
    {
        fixed (double* v = values)
            _library.Sum(v, values.Length);
    }

    public IPendingSum StartSum(Tensor values) => new Request(_library, values);

    public byte[][] Gather(ReadOnlySpan<byte> part)
    {
        var lengths = new double[Count];
        lengths[Rank] = part.Length;
        Sum(lengths);
        var parts = Array.ConvertAll(lengths, length => new byte[(int)length]);
        part.CopyTo(parts[Rank]);
        for (var rank = 0; rank < Count; rank++)
        {
            fixed (byte* bytes = parts[rank])
                _library.Broadcast(bytes, parts[rank].Length, rank);
        }
        return parts;
    }

    /// <summary>A request, and the tensor whose memory it works on.</summary>
    private sealed class Request : IPendingSum
    {
        private readonly MpiLibrary _library;
        private readonly Tensor _values;
        private nint _request;
        private bool _isDone;

        public Request(MpiLibrary library, Tensor values)
        {
            (_library, _values) = (library, values);
            _request = library.StartSum(values.Pointer<float>(), checked((int)values.ElementCount));
        }

        public bool Poll()
        {
            if (!_isDone && _library.Test(ref _request))
                Done();
            return _isDone;
        }

        public void Wait()
        {
            if (_isDone)
                return;
            _library.Wait(ref _request);
            Done();
        }

        private void Done()
        {
            _isDone = true;
            _values.MarkWritten();
        }
    }
}
