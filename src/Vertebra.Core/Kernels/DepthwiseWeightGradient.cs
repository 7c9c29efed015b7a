using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// The weight gradient of a depthwise convolution: for every tap and channel, the sum over pixels of input × output gradient. A
/// tile holds the taps of one kernel row for a vector of channels; the pixels are cut into chunks by the shape alone, whose sums
/// are added in order.
/// </summary>
internal unsafe readonly struct DepthwiseWeightGradient(ConvShape shape, float* x, float* dy)
{
    private const int BandBytes = 256 << 10;
    private const long SmallestPart = 1 << 17;
    private const int MostParts = 32;

    private readonly ConvShape _shape = shape;
    private readonly int _oh = shape.OH;
    private readonly int _ow = shape.OW;
    private readonly float* _x = x;
    private readonly float* _dy = dy;
    private readonly TapGrid _taps = TapGrid.Forward(shape);

    /// <summary>Adds the gradient to <paramref name="sums"/> [KH · KW, C].</summary>
    public void Run(float* sums)
    {
        var rows = _shape.N * _oh;
        if (rows == 0 || _ow == 0)
            return;
        var chunks = (int)Math.Clamp(_shape.MultiplyAccumulates / SmallestPart, 1, Math.Min(rows, MostParts));
        var size = _taps.Count * _shape.C;
        using var scratch = Scratch.Take((long)size * chunks);
        var partial = scratch.Pointer;
        var self = this;
        Workers.Run(chunks, chunk => self.RunChunk(
            (int)((long)rows * chunk / chunks), (int)((long)rows * (chunk + 1) / chunks), partial + (nint)size * chunk));
        for (var chunk = 0; chunk < chunks; chunk++)
        {
            for (var i = 0; i < size; i++)
                sums[i] += partial[(nint)chunk * size + i];
        }
    }

    private void RunChunk(int firstRow, int endRow, float* sums)
    {
        new Span<float>(sums, _taps.Count * _shape.C).Clear();
        var rowBytes = 2L * _shape.W * _shape.C * _shape.StrideH * sizeof(float);
        var bandRows = (int)Math.Clamp(BandBytes / rowBytes, 1, endRow - firstRow);
        using var table = Scratch.Take(bandRows * 4L);
        for (var row = firstRow; row < endRow; row += bandRows)
            RunBand(row, Math.Min(endRow, row + bandRows), sums, (nint*)table.Pointer);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunBand(int firstRow, int endRow, float* sums, nint* table)
    {
        var channelBytes = (nint)_shape.C * sizeof(float);
        var inputs = table;
        var outputs = table + (endRow - firstRow);
        var (inner, innerEnd) = _taps.Horizontal.AllInside(_ow, _shape.StrideW, _shape.W);
        for (var i = 0; i < _taps.Rows; i++)
        {
            var count = 0;
            for (var row = firstRow; row < endRow; row++)
            {
                var image = row / _oh;
                var input = (row - image * _oh) * _shape.StrideH + _taps.Vertical.First + i * _taps.Vertical.Step;
                if (input < 0 || input >= _shape.H)
                    continue;
                inputs[count] = ((nint)image * _shape.H + input) * _shape.W * channelBytes;
                outputs[count] = (nint)row * _ow * channelBytes;
                count++;
            }
            var job = new TileJob
            {
                Taps = count,
                TapOffsets = inputs,
                TapOffsetsB = outputs,
                RowStride = _taps.Horizontal.Step * channelBytes,
                DepthStride = _shape.StrideW * channelBytes,
                BStride = channelBytes,
                TargetStride = channelBytes,
                SourceStride = channelBytes,
            };
            for (var column = 0; column < _ow;)
            {
                var isInner = column >= inner && column < innerEnd;
                job.Depth = isInner ? innerEnd - column : 1;
                var (firstTap, endTap) = isInner ? (0, _taps.Columns) : _taps.Horizontal.TapsInside(column, _shape.StrideW, _shape.W);
                RunColumns(&job, i, firstTap, endTap, column, sums);
                column += job.Depth;
            }
        }
    }

    private void RunColumns(TileJob* job, int tapRow, int firstTap, int endTap, int column, float* sums)
    {
        var channel = 0;
        if (Simd.Level >= SimdLevel.Vector512)
            channel = RunChannels<V512>(job, tapRow, firstTap, endTap, column, channel, sums);
        if (Simd.Level >= SimdLevel.Vector256)
            channel = RunChannels<V256>(job, tapRow, firstTap, endTap, column, channel, sums);
        if (Simd.Level >= SimdLevel.Vector128)
            channel = RunChannels<V128>(job, tapRow, firstTap, endTap, column, channel, sums);
        RunChannels<V1>(job, tapRow, firstTap, endTap, column, channel, sums);
    }

    // As many whole vectors of channels as there are; returns the first channel left.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int RunChannels<TVector>(TileJob* job, int tapRow, int firstTap, int endTap, int column, int channel, float* sums)
        where TVector : unmanaged, IVector<TVector>
    {
        var end = channel + (_shape.C - channel) / TVector.Count * TVector.Count;
        var most = TileKernel.MaxRows<TVector>(1);
        for (var tap = firstTap; tap < endTap; tap += most)
        {
            var position = column * _shape.StrideW + _taps.Horizontal.First + tap * _taps.Horizontal.Step;
            for (var c = channel; c < end; c += TVector.Count)
            {
                var target = (byte*)(sums + ((nint)tapRow * _taps.Columns + tap) * _shape.C + c);
                TileKernel.Run<TVector, N1, ByLane>(
                    Math.Min(most, endTap - tap), job, (byte*)(_x + (nint)position * _shape.C + c), (byte*)(_dy + (nint)column * _shape.C + c), target, target);
            }
        }
        return end;
    }
}
