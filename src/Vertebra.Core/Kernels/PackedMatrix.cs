namespace Vertebra.Kernels;

/// <summary>
/// The right-hand matrix of a product, rearranged once for the tile kernel: for weights that stay the same over many products.
/// Owned by the garbage collector.
/// </summary>
internal sealed unsafe class PackedMatrix
{
    private readonly float[] _memory;

    private PackedMatrix(int k, int n, int lanes, long size)
    {
        K = k;
        N = n;
        Lanes = lanes;
        _memory = PinnedMemory.Allocate(size, out var data);
        Data = data;
    }

    /// <summary>Rows of op(B).</summary>
    public int K { get; }

    /// <summary>Columns of op(B).</summary>
    public int N { get; }

    /// <summary>Lanes of the vector it is packed for.</summary>
    public int Lanes { get; }

    /// <summary>The packed numbers; they live as long as this object.</summary>
    public float* Data { get; }

    /// <summary>Bytes held.</summary>
    public long ByteCount => (long)_memory.Length * sizeof(float);

    /// <summary>Packs op(B), which is B [k, n], or the transpose of B [n, k] (as the weight of a linear layer is stored).</summary>
    public static PackedMatrix Create(int k, int n, float* b, int ldb, bool transposed) => Simd.Level switch
    {
        SimdLevel.Vector512 => Create<V512>(k, n, b, ldb, transposed),
        SimdLevel.Vector256 => Create<V256>(k, n, b, ldb, transposed),
        SimdLevel.Vector128 => Create<V128>(k, n, b, ldb, transposed),
        _ => Create<V1>(k, n, b, ldb, transposed),
    };

    private static PackedMatrix Create<TVector>(int k, int n, float* b, int ldb, bool transposed) where TVector : unmanaged, IVector<TVector>
    {
        var packed = new PackedMatrix(k, n, TVector.Count, (long)k * Panels.PaddedColumns<TVector>(n));
        Panels.PackAll<TVector>(k, n, b, ldb, transposed, packed.Data);
        return packed;
    }
}

/// <summary>Pinned, 64-byte aligned memory that the garbage collector owns.</summary>
internal static unsafe class PinnedMemory
{
    /// <summary>An array whose numbers from <paramref name="data"/> on, <paramref name="floats"/> of them, are aligned; keep the array alive while they are used.</summary>
    public static float[] Allocate(long floats, out float* data)
    {
        var array = GC.AllocateUninitializedArray<float>(checked((int)(floats + 16)), pinned: true);
        var address = (nint)System.Runtime.CompilerServices.Unsafe.AsPointer(ref System.Runtime.InteropServices.MemoryMarshal.GetArrayDataReference(array));
        data = (float*)((address + 63) & ~(nint)63);
        return array;
    }
}
