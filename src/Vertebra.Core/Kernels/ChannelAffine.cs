using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// The passes that every per-channel normalisation of channels-last data is made of. With p = (x - mean) · scale + shift
/// (per segment and channel): the result act(p [+ residual]), the sums that the gradients need, and the input's gradient.
/// Subtracting the mean first keeps the digits of data far from zero. The gradient passes work p out again with the same
/// instructions, so it has the same sign as in the forward pass.
/// </summary>
internal static unsafe partial class ChannelAffine
{
    /// <summary>y = act((x - mean) · scale + shift [+ residual]); <paramref name="residual"/> may be null.</summary>
    public static void Forward(in ColumnGrid grid, Activation activation, float* x, float* residual, float* mean, float* scale, float* shift, float* y)
    {
        if (grid.IsEmpty)
            return;
        using var space = Scratch.Take(3 * grid.WidenedLength);
        var columns = new Columns(grid, space.Pointer, mean, scale, shift);
        switch (activation)
        {
            case Activation.None: Level.Run(new ForwardPass<NoActivation>(grid, columns, x, residual, y)); break;
            case Activation.Relu: Level.Run(new ForwardPass<FusedRelu>(grid, columns, x, residual, y)); break;
            case Activation.Relu6: Level.Run(new ForwardPass<FusedRelu6>(grid, columns, x, residual, y)); break;
            default: throw Unknown(activation);
        }
    }

    private static ArgumentOutOfRangeException Unknown(Activation activation) => new(nameof(activation), activation, "no such activation");

    /// <summary>The per-channel numbers of p, widened to lines.</summary>
    private readonly struct Columns(in ColumnGrid grid, float* space, float* mean, float* scale, float* shift)
    {
        public readonly float* Mean = grid.Widen(mean, space);
        public readonly float* Scale = grid.Widen(scale, space + grid.WidenedLength);
        public readonly float* Shift = grid.Widen(shift, space + (2 * grid.WidenedLength));
    }

    private readonly struct ForwardPass<TActivation>(ColumnGrid grid, Columns columns, float* x, float* residual, float* y) : IKernel
        where TActivation : struct, IFusedActivation
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            Workers.Run(grid.Parts, self, static (in pass, part) => pass.Part<TVector>(part));
        }

        private void Part<TVector>(int part) where TVector : unmanaged, IVector<TVector>
        {
            var start = grid.Start(part);
            var column = (long)grid.SegmentOf(part) * grid.Width;
            var lines = grid.LinesOf(part);
            for (long line = 0; line <= lines; line++, start += grid.Width)
            {
                var length = line < lines ? grid.Width : grid.TailOf(part);
                Line<TVector>(length, x + start, residual == null ? null : residual + start, y + start, columns.Mean + column, columns.Scale + column, columns.Shift + column);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void Line<TVector>(int length, float* x, float* residual, float* y, float* mean, float* scale, float* shift)
            where TVector : unmanaged, IVector<TVector>
        {
            var i = 0;
            for (; i <= length - TVector.Count; i += TVector.Count)
                Strip<TVector>(i, x, residual, y, mean, scale, shift);
            for (; i < length; i++)
                Strip<V1>(i, x, residual, y, mean, scale, shift);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Strip<TVector>(int i, float* x, float* residual, float* y, float* mean, float* scale, float* shift)
            where TVector : unmanaged, IVector<TVector>
        {
            var p = TVector.Fma(TVector.Load(x + i) - TVector.Load(mean + i), TVector.Load(scale + i), TVector.Load(shift + i));
            if (residual != null)
                p += TVector.Load(residual + i);
            TActivation.Apply(p).Store(y + i);
        }
    }
}
