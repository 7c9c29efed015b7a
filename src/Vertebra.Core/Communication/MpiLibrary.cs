using System.Runtime.InteropServices;

namespace Vertebra.Communication;

/// <summary>
/// The functions of an MPI library (MPI: A message-passing interface standard, version 3.1) that are used here, found when they are
/// first wanted. There are two binary interfaces: in Open MPI a handle is the address of an exported variable; in MPICH and what keeps
/// to its ABI (Intel MPI, MVAPICH, Cray MPI) a handle is an int with a published value, which travels in the lower half of a pointer's
/// register or, in the little-endian machines that .NET runs on, memory.
/// </summary>
internal sealed unsafe class MpiLibrary
{
    /// <summary>Names another library than the usual ones.</summary>
    public const string PathVariable = "VERTEBRA_MPI";

    private const int ThreadSerialized = 2;

    private static readonly string[] OpenMpiNames = ["libmpi.so.40", "libmpi.40.dylib"];
    private static readonly string[] MpichNames = ["libmpich.so.12", "libmpi.so.12", "libmpi.12.dylib"];

    private readonly nint _handle;
    private readonly delegate* unmanaged<void*, void*, int, int*, int> _initThread;
    private readonly delegate* unmanaged<nint, int*, int> _commRank;
    private readonly delegate* unmanaged<nint, int*, int> _commSize;
    private readonly delegate* unmanaged<void*, void*, int, nint, nint, nint, int> _allreduce;
    private readonly delegate* unmanaged<void*, void*, int, nint, nint, nint, nint*, int> _iallreduce;
    private readonly delegate* unmanaged<void*, int, nint, int, nint, int> _broadcast;
    private readonly delegate* unmanaged<nint*, int*, void*, int> _test;
    private readonly delegate* unmanaged<nint*, void*, int> _wait;
    private readonly delegate* unmanaged<int> _finalize;
    private readonly nint _world;
    private readonly nint _sum;
    private readonly nint _float;
    private readonly nint _double;
    private readonly nint _byte;
    private readonly void* _inPlace;
    private readonly void* _ignoreStatus;

    private MpiLibrary(string name, nint handle)
    {
        (Name, _handle) = (name, handle);
        _initThread = (delegate* unmanaged<void*, void*, int, int*, int>)Export("MPI_Init_thread");
        _commRank = (delegate* unmanaged<nint, int*, int>)Export("MPI_Comm_rank");
        _commSize = (delegate* unmanaged<nint, int*, int>)Export("MPI_Comm_size");
        _allreduce = (delegate* unmanaged<void*, void*, int, nint, nint, nint, int>)Export("MPI_Allreduce");
        _iallreduce = (delegate* unmanaged<void*, void*, int, nint, nint, nint, nint*, int>)Export("MPI_Iallreduce");
        _broadcast = (delegate* unmanaged<void*, int, nint, int, nint, int>)Export("MPI_Bcast");
        _test = (delegate* unmanaged<nint*, int*, void*, int>)Export("MPI_Test");
        _wait = (delegate* unmanaged<nint*, void*, int>)Export("MPI_Wait");
        _finalize = (delegate* unmanaged<int>)Export("MPI_Finalize");
        if (NativeLibrary.TryGetExport(handle, "ompi_mpi_comm_world", out _world))
        {
            (_sum, _float, _double, _byte) = (Export("ompi_mpi_op_sum"), Export("ompi_mpi_float"), Export("ompi_mpi_double"), Export("ompi_mpi_byte"));
            _inPlace = (void*)1;
        }
        else
        {
            _world = 0x44000000;
            (_sum, _float, _double, _byte) = (0x58000003, 0x4c00040a, 0x4c00080b, 0x4c00010d);
            _inPlace = (void*)-1;
            _ignoreStatus = (void*)1;
        }
    }

    /// <summary>The name under which it was found.</summary>
    public string Name { get; }

    /// <summary>Loads the library that fits a launcher.</summary>
    /// <param name="launcher">Who started the processes.</param>
    /// <param name="path">A library to load instead of the usual ones; null for those.</param>
    /// <exception cref="VertebraException">There is none, or it is no MPI library.</exception>
    public static MpiLibrary Load(MpiLauncher launcher, string? path)
    {
        string[] names = path is not null ? [path] : launcher.IsOpenMpi ? [.. OpenMpiNames, .. MpichNames] : [.. MpichNames, .. OpenMpiNames];
        foreach (var name in names)
        {
            if (!NativeLibrary.TryLoad(name, out var handle))
                continue;
            try
            {
                return new(name, handle);
            }
            catch (EntryPointNotFoundException e)
            {
                throw new VertebraException($"{name} is no MPI library that can be used here: {e.Message.ReplaceLineEndings(" ")}", e);
            }
        }
        throw new VertebraException(
            $"{launcher.Name} started {launcher.Count} processes to work together, but the MPI library cannot be loaded ({string.Join(", ", names)}): "
            + $"install the one that belongs to it (Debian: libopenmpi3 or libmpich12), or name its file in {PathVariable}");
    }

    /// <summary>Joins the other processes.</summary>
    /// <returns>This one's number, and how many there are.</returns>
    public (int Rank, int Count) Initialise()
    {
        int provided, rank, count;
        Check(_initThread(null, null, ThreadSerialized, &provided), "MPI_Init_thread");
        if (provided < ThreadSerialized)
            throw new VertebraException($"{Name} cannot be called from another thread than the first, which is needed here: use a build of MPI with threads");
        Check(_commRank(_world, &rank), "MPI_Comm_rank");
        Check(_commSize(_world, &count), "MPI_Comm_size");
        return (rank, count);
    }

    /// <summary>MPI_Allreduce in place, sums of float64.</summary>
    public void Sum(double* values, int count) => Check(_allreduce(_inPlace, values, count, _double, _sum, _world), "MPI_Allreduce");

    /// <summary>MPI_Iallreduce in place, sums of float32.</summary>
    /// <returns>The request.</returns>
    public nint StartSum(float* values, int count)
    {
        nint request = 0;
        Check(_iallreduce(_inPlace, values, count, _float, _sum, _world, &request), "MPI_Iallreduce");
        return request;
    }

    /// <summary>MPI_Bcast of bytes.</summary>
    public void Broadcast(byte* values, int count, int root) => Check(_broadcast(values, count, _byte, root, _world), "MPI_Bcast");

    /// <summary>MPI_Test: whether a request is done, which is then gone.</summary>
    public bool Test(ref nint request)
    {
        int isDone;
        fixed (nint* r = &request)
            Check(_test(r, &isDone, _ignoreStatus), "MPI_Test");
        return isDone != 0;
    }

    /// <summary>MPI_Wait.</summary>
    public void Wait(ref nint request)
    {
        fixed (nint* r = &request)
            Check(_wait(r, _ignoreStatus), "MPI_Wait");
    }

    /// <summary>MPI_Finalize, which waits for the other processes.</summary>
    public void Finish() => Check(_finalize(), "MPI_Finalize");

    // The default error handler ends all processes with a message of its own, so codes are rare.
    private void Check(int code, string function)
    {
        if (code != 0)
            throw new VertebraException($"{function} of {Name} failed with code {code}");
    }

    private nint Export(string name) => NativeLibrary.GetExport(_handle, name);
}
