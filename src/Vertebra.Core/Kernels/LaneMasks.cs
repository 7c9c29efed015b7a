using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vertebra.Kernels;

/// <summary>Masks of the first lanes, for loads and stores that must not touch what lies beyond.</summary>
internal static unsafe class LaneMasks
{
    private static ReadOnlySpan<int> Window =>
        [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// <summary>All-ones in the first <paramref name="count"/> lanes (0 to all), zero in the others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector First<TVector>(int count) where TVector : unmanaged, IVector<TVector> =>
        TVector.Load((float*)Unsafe.AsPointer(ref Unsafe.AsRef(in Window[16 - count])));

    /// <summary>The first <paramref name="count"/> numbers (0 to all but one), the other lanes <paramref name="others"/>; nothing beyond them is read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector>(float* source, int count, TVector others) where TVector : unmanaged, IVector<TVector> =>
        TVector.Select(First<TVector>(count), TVector.LoadFirst(source, count), others);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> First512(int count) => Vector512.LoadUnsafe(in Window[16 - count]).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> First256(int count) => Vector256.LoadUnsafe(in Window[16 - count]).AsSingle();
}
