using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// The weight gradient of a convolution with groups or few input channels (others: <see cref="DenseWeightGradient"/>): for every tap,
/// (input channels × pixels) · (pixels × output channels), summed over the pixels of all images for which the tap reads inside the
/// input. The pixels are cut into chunks by the shape alone; each has its own sums, laid out like packed weights ([taps · input channels] × panels of output channels), which are added in order.
/// </summary>
internal unsafe struct WeightGradient
{
    private const int BandBytes = 384 << 10;
    private const int PartialBytes = 2 << 20;
    private const long SmallestPart = 1 << 20;
    private const int WantedParts = 32;

    // Input channels of a block of the result.
    private const int SmallestBlock = 56;

    // With so few input channels, the kernel columns are put side by side in a padded copy, to fill the rows of a tile.
    private const int FewChannels = 12;

    private readonly ConvShape _shape;
    private readonly int _oh, _ow;
    private readonly float* _x;
    private readonly float* _dy;
    private readonly TapGrid _taps;
    private readonly bool _merged;

    // Rows of the result for each tap, and taps, as seen after merging.
    private readonly int _depth, _tapColumns;

    public WeightGradient(in ConvShape shape, float* x, float* dy)
    {
        _shape = shape;
        (_oh, _ow) = (_shape.OH, _shape.OW);
        _x = x;
        _dy = dy;
        _taps = TapGrid.Forward(_shape);
        _merged = shape.GroupC < FewChannels && shape.KW > 1 && shape.DilationW == 1;
        (_depth, _tapColumns) = _merged ? (shape.KW * shape.GroupC, 1) : (shape.GroupC, shape.KW);
    }

    /// <summary>Writes the gradient [OC, C / groups, KH, KW].</summary>
    public readonly void Run<TVector>(float* dw) where TVector : unmanaged, IVector<TVector>
    {
        var k = _shape.KH * _tapColumns * _depth;
        var panels = Panels.Count<TVector>(_shape.GroupOC);
        var size = (long)_shape.Groups * k * Panels.PaddedColumns<TVector>(_shape.GroupOC);
        var rows = _shape.N * _oh;
        var work = _shape.MultiplyAccumulates;
        var wanted = (int)Math.Clamp(work / SmallestPart, 1, WantedParts);
        var chunks = (int)Math.Clamp(PartialBytes / sizeof(float) / size, 1, Math.Min(rows, wanted));
        // Too few chunks: cut the result, first by input channels, so that few parts read the same pixels, then by panels and kernel rows.
        var slices = (wanted + chunks - 1) / chunks;
        var blocks = Math.Clamp(slices, 1, (_depth + SmallestBlock - 1) / SmallestBlock);
        var units = blocks * _shape.Groups * panels * _shape.KH;
        slices = Math.Min(slices, units);
        using var partial = Scratch.Take(size * chunks);
        var sums = partial.Pointer;
        var self = this;
        Workers.Run(chunks * slices, part =>
        {
            var (chunk, slice) = (part / slices, part % slices);
            self.RunChunk<TVector>(
                (int)((long)rows * chunk / chunks), (int)((long)rows * (chunk + 1) / chunks),
                new Slice((int)((long)units * slice / slices), (int)((long)units * (slice + 1) / slices), blocks), sums + size * chunk);
        });
        Workers.Run(_shape.Groups * panels, part => self.AddUp<TVector>(part, sums, chunks, size, dw));
    }

    // A run of units of the result; unit = (block of input channels · panels of all groups + panel) · KH + kernel row.
    private readonly record struct Slice(int First, int End, int Blocks);

    // Output rows of all images, counted through: row = image · OH + y.
    private readonly void RunChunk<TVector>(int firstRow, int endRow, Slice slice, float* sums) where TVector : unmanaged, IVector<TVector>
    {
        var rowBytes = (long)_shape.W * _shape.C * _shape.StrideH * sizeof(float) / slice.Blocks;
        var bandRows = (int)Math.Clamp(BandBytes / rowBytes, 1, Math.Max(1, endRow - firstRow));
        using var table = Scratch.Take(bandRows * 6L);
        var accumulate = false;
        for (var row = firstRow; row < endRow || !accumulate; accumulate = true)
        {
            var end = Math.Min(endRow, row + bandRows);
            // A merged band is cut out of one image.
            if (_merged)
                end = Math.Min(end, (row / _oh + 1) * _oh);
            RunBand<TVector>(row, end, slice, sums, accumulate, (nint*)table.Pointer);
            row = end;
        }
    }

    private readonly void RunBand<TVector>(int firstRow, int endRow, Slice slice, float* sums, bool accumulate, nint* table)
        where TVector : unmanaged, IVector<TVector>
    {
        var unitsPerBlock = _shape.Groups * Panels.Count<TVector>(_shape.GroupOC) * _shape.KH;
        for (var unit = slice.First; unit < slice.End;)
        {
            var block = unit / unitsPerBlock;
            var end = Math.Min(slice.End, (block + 1) * unitsPerBlock);
            var firstDepth = (int)((long)_depth * block / slice.Blocks);
            var depth = (int)((long)_depth * (block + 1) / slice.Blocks) - firstDepth;
            RunBlock<TVector>(
                firstRow, endRow, unit - block * unitsPerBlock, end - block * unitsPerBlock, firstDepth, depth, sums, accumulate, table);
            unit = end;
        }
    }

    // A unit is panel · KH + kernel row here. Chooses how the input is read.
    private readonly void RunBlock<TVector>(
        int firstRow, int endRow, int firstUnit, int endUnit, int firstDepth, int depth, float* sums, bool accumulate, nint* table)
        where TVector : unmanaged, IVector<TVector>
    {
        if (_merged && firstRow < endRow)
        {
            var unitsPerGroup = Panels.Count<TVector>(_shape.GroupOC) * _shape.KH;
            var firstGroup = firstUnit / unitsPerGroup;
            var groups = (endUnit - 1) / unitsPerGroup + 1 - firstGroup;
            var y = firstRow % _oh;
            var rows = (endRow - 1 - firstRow) * _shape.StrideH + (_taps.Rows - 1) * _taps.Vertical.Step + 1;
            var (firstColumn, endColumn) = _taps.Horizontal.Reach(_ow, _shape.StrideW);
            var columns = endColumn - firstColumn;
            using var padded = Scratch.Take((long)rows * columns * groups * _shape.GroupC);
            var image = _x + (nint)(firstRow / _oh) * _shape.H * _shape.W * _shape.C + firstGroup * _shape.GroupC;
            ImageBand.Copy(
                image, _shape.H, _shape.W, _shape.C, groups, _shape.GroupC, y * _shape.StrideH + _taps.Vertical.First, rows, firstColumn, columns,
                padded.Pointer);
            var input = new Input(padded.Pointer, _shape.GroupC, _shape.StrideW * _shape.GroupC)
            {
                FirstGroup = firstGroup, GroupStep = (nint)rows * columns * _shape.GroupC,
                OutputRow = (nint)_shape.StrideH * columns * _shape.GroupC, TapRow = (nint)_taps.Vertical.Step * columns * _shape.GroupC,
            };
            RunRows<TVector>(firstRow, endRow, firstUnit, endUnit, firstDepth, depth, sums, accumulate, table, input);
        }
        else
        {
            var input = new Input(_x, _shape.C, _shape.StrideW * _shape.C) { GroupStep = _shape.GroupC };
            RunRows<TVector>(firstRow, endRow, firstUnit, endUnit, firstDepth, depth, sums, accumulate, table, input);
        }
    }

    // Where the input is read: the tensor itself, or (OutputRow > 0) a copy of what the rows in question need; distances in numbers,
    // between pixels, between the pixels under neighbouring outputs, groups, output rows and tap rows.
    private readonly struct Input(float* start, int pixel, int step)
    {
        public int Pixel { get; } = pixel;
        public int Step { get; } = step;
        public int FirstGroup { get; init; }
        public nint GroupStep { get; init; }
        public nint OutputRow { get; init; }
        public nint TapRow { get; init; }
        public float* Group(int group) => start + (group - FirstGroup) * GroupStep;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void RunRows<TVector>(
        int firstRow, int endRow, int firstUnit, int endUnit, int firstDepth, int depth, float* sums, bool accumulate, nint* table, Input input)
        where TVector : unmanaged, IVector<TVector>
    {
        var panels = Panels.Count<TVector>(_shape.GroupOC);
        var k = (nint)_shape.KH * _tapColumns * _depth;
        var capacity = endRow - firstRow;
        var inputs = table;
        var outputs = table + capacity;
        var packedOutputs = table + 2 * capacity;
        // Output channels that do not fill their panel are copied between zeros.
        var lastLanes = _shape.GroupOC - (panels - 1) * Panels.Width<TVector>();
        var lastWidth = Panels.PaddedWidth<TVector>(lastLanes);
        using var packed = Scratch.Take(lastLanes < lastWidth ? (long)capacity * _ow * lastWidth : 0);
        var job = new TileJob { DepthStride = (nint)input.Step * sizeof(float), TapOffsets = inputs };
        var packedPanel = -1;
        for (var unit = firstUnit; unit < endUnit; unit++)
        {
            var (panel, i) = (unit / _shape.KH, unit % _shape.KH);
            var group = panel / panels;
            var lane = panel % panels * Panels.Width<TVector>();
            var lanes = Math.Min(Panels.Width<TVector>(), _shape.GroupOC - lane);
            var width = Panels.PaddedWidth<TVector>(lanes);
            var isPacked = lanes < width;
            var dy = _dy + group * _shape.GroupOC + lane;
            if (isPacked && packedPanel != panel)
            {
                Panels.Pack<TVector>(0, capacity * _ow, lanes, dy + (nint)firstRow * _ow * _shape.OC, _shape.OC, false, packed.Pointer);
                packedPanel = panel;
            }
            job.BStride = (isPacked ? width : _shape.OC) * sizeof(float);
            job.TapOffsetsB = isPacked ? packedOutputs : outputs;
            job.Taps = FillTable(i, firstRow, endRow, input, width, inputs, outputs, packedOutputs);
            var x = input.Group(group) + firstDepth;
            var panelSums = sums + group * k * Panels.PaddedColumns<TVector>(_shape.GroupOC) + lane * k;
            for (var j = 0; j < _tapColumns; j++)
            {
                var (first, end) = _merged ? (0, _ow) : _taps.Horizontal.Inside(j, _ow, _shape.StrideW, _shape.W);
                job.Depth = end - first;
                var column = _merged ? 0 : first * _shape.StrideW + _taps.Horizontal.First + j * _taps.Horizontal.Step;
                var b = isPacked ? packed.Pointer + (nint)first * width : dy + (nint)first * _shape.OC;
                var target = panelSums + ((nint)(i * _tapColumns + j) * _depth + firstDepth) * width;
                Tiles.Run<TVector, AcrossDepth>(
                    &job, depth, sizeof(float), width, x + (nint)column * input.Pixel, b, null, target, width, accumulate);
            }
        }
    }

    // Byte offsets of the rows that tap row i reads, in the input, the output gradient, and its packed copy; returns their number.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly int FillTable(
        int i, int firstRow, int endRow, in Input from, int packedWidth, nint* inputs, nint* outputs, nint* packedOutputs)
    {
        var count = 0;
        for (var row = firstRow; row < endRow; row++)
        {
            var image = row / _oh;
            var input = (row - image * _oh) * _shape.StrideH + _taps.Vertical.First + i * _taps.Vertical.Step;
            if (from.OutputRow > 0)
                inputs[count] = ((row - firstRow) * from.OutputRow + i * from.TapRow) * sizeof(float);
            else if (input >= 0 && input < _shape.H)
                inputs[count] = ((nint)image * _shape.H + input) * _shape.W * _shape.C * sizeof(float);
            else
                continue;
            outputs[count] = (nint)row * _ow * _shape.OC * sizeof(float);
            packedOutputs[count] = (nint)(row - firstRow) * _ow * packedWidth * sizeof(float);
            count++;
        }
        return count;
    }

    // Adds the chunks' sums of one panel in order and writes them as [OC, C / groups, KH, KW]: the reverse of packing.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private readonly void AddUp<TVector>(int part, float* sums, int chunks, long size, float* dw) where TVector : unmanaged, IVector<TVector>
    {
        const int Block = 16;
        var panels = Panels.Count<TVector>(_shape.GroupOC);
        var (group, panel) = (part / panels, part % panels);
        var lane = panel * Panels.Width<TVector>();
        var lanes = Math.Min(Panels.Width<TVector>(), _shape.GroupOC - lane);
        var width = Panels.PaddedWidth<TVector>(lanes);
        var area = _shape.KH * _shape.KW;
        var k = area * _shape.GroupC;
        var from = sums + ((nint)group * Panels.PaddedColumns<TVector>(_shape.GroupOC) + lane) * k;
        var to = dw + ((nint)group * _shape.GroupOC + lane) * k;
        var square = stackalloc float[Block * 32];
        for (var j = 0; j < k; j += Block)
        {
            var count = Math.Min(Block, k - j);
            for (var i = 0; i < count; i++)
            {
                var row = from + ((nint)((j + i) % area) * _shape.GroupC + (j + i) / area) * width;
                for (var column = 0; column < width; column += TVector.Count)
                {
                    var sum = TVector.Load(row + column);
                    for (var chunk = 1; chunk < chunks; chunk++)
                        sum += TVector.Load(row + size * chunk + column);
                    sum.Store(square + i * width + column);
                }
            }
            Transpose.Run(count, lanes, square, width, to + j, k);
        }
    }
}
