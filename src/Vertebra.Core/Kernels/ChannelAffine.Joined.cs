using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>The forward pass over pieces that would else be joined along their channels first.</summary>
internal static unsafe partial class ChannelAffine
{
    // Rows of a part: enough to be worth a thread, few enough to share out.
    private const int NumbersPerPart = 1 << 15;

    // Of one piece before the next: more would write to more pages than addresses are kept of, fewer would read too many places in turn.
    private const int RowsAtOnce = 8;

    /// <summary>y = act((x - mean) · scale + shift), where the channels of x [rows, channels] lie in several pieces, one after another.</summary>
    /// <param name="rows">Rows of every piece.</param>
    /// <param name="channels">Of all pieces together.</param>
    /// <param name="activation">Applied last.</param>
    /// <param name="pieces">Where each piece starts.</param>
    /// <param name="widths">Channels of each piece.</param>
    /// <param name="mean">[channels], as scale and shift.</param>
    /// <param name="scale">Factor of each channel.</param>
    /// <param name="shift">Summand of each channel.</param>
    /// <param name="y">[rows, channels].</param>
    public static void ForwardJoined(
        long rows, int channels, Activation activation, ReadOnlySpan<nint> pieces, ReadOnlySpan<int> widths, float* mean, float* scale, float* shift, float* y)
    {
        fixed (nint* starts = pieces)
        fixed (int* counts = widths)
        {
            var join = new Join(rows, channels, pieces.Length, starts, counts, mean, scale, shift, y);
            switch (activation)
            {
                case Activation.None: Level.Run(new JoinedPass<NoActivation>(join)); break;
                case Activation.Relu: Level.Run(new JoinedPass<FusedRelu>(join)); break;
                case Activation.Relu6: Level.Run(new JoinedPass<FusedRelu6>(join)); break;
                default: throw Unknown(activation);
            }
        }
    }

    private readonly struct Join(long rows, int channels, int count, nint* pieces, int* widths, float* mean, float* scale, float* shift, float* y)
    {
        public long RowsPerPart => Math.Max(1, NumbersPerPart / Math.Max(1, channels));

        public int Parts => (int)((rows + RowsPerPart - 1) / RowsPerPart);

        public void RunPart<TVector, TActivation>(int part) where TVector : unmanaged, IVector<TVector> where TActivation : struct, IFusedActivation
        {
            var end = Math.Min(rows, (part + 1) * RowsPerPart);
            for (var row = part * RowsPerPart; row < end; row += RowsAtOnce)
            {
                var column = 0;
                for (var piece = 0; piece < count; piece++)
                {
                    var width = widths[piece];
                    Block<TVector, TActivation>(
                        Math.Min(RowsAtOnce, end - row), width, (float*)pieces[piece] + (row * width), y + (row * channels) + column, channels, mean + column, scale + column, shift + column);
                    column += width;
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Block<TVector, TActivation>(long rows, int width, float* x, float* y, int stride, float* mean, float* scale, float* shift)
            where TVector : unmanaged, IVector<TVector> where TActivation : struct, IFusedActivation
        {
            for (; rows > 0; rows--, x += width, y += stride)
                ForwardPass<TActivation>.Line<TVector>(width, x, null, y, mean, scale, shift);
        }
    }

    private readonly struct JoinedPass<TActivation>(Join join) : IKernel where TActivation : struct, IFusedActivation
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector> =>
            Workers.Run(join.Parts, join, static (in work, part) => work.RunPart<TVector, TActivation>(part));
    }
}
