namespace Vertebra.Kernels;

/// <summary>A kernel call with its arguments, written once over the vector width.</summary>
internal interface IKernel
{
    void Run<TVector>() where TVector : unmanaged, IVector<TVector>;
}

/// <summary>Runs a kernel at the instruction level of this process.</summary>
internal static class Level
{
    public static void Run<TKernel>(TKernel kernel) where TKernel : struct, IKernel
    {
        switch (Simd.Level)
        {
            case SimdLevel.Vector512: kernel.Run<V512>(); break;
            case SimdLevel.Vector256: kernel.Run<V256>(); break;
            case SimdLevel.Vector128: kernel.Run<V128>(); break;
            default: kernel.Run<V1>(); break;
        }
    }
}
