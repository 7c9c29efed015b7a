using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>One pass of a <see cref="TapConv"/>: its taps, its packed weights, and the part of the output it writes.</summary>
internal unsafe readonly struct TapPass(TapGrid taps, float* weights, float* y, int outH, int outW)
{
    public TapGrid Taps { get; } = taps;

    /// <summary>For each group the panels of the matrix [taps · Depth, Lanes].</summary>
    public float* Weights { get; } = weights;

    /// <summary>First number of the output.</summary>
    public float* Y { get; } = y;
    public int OutH { get; } = outH;
    public int OutW { get; } = outW;
}

/// <summary>
/// The convolution behind the forward pass (one pass) and the input gradient (one for each phase of the stride): output pixel (y, x)
/// of a group is the sum over taps and input channels of input × packed weight. The input is read where it lies; where taps reach
/// over its edges, a band of it is first copied between zeros.
/// </summary>
internal unsafe struct TapConv
{
    // A band of the input and the weights of one panel share the second-level cache.
    private const int BandBytes = 256 << 10;
    private const long SmallestPart = 1 << 20;
    private const int MostParts = 64;

    public float* X;
    public int N, H, W, C;
    public int StrideH, StrideW;

    /// <summary>The passes; the forward one has no others.</summary>
    public TapPass FirstPass;
    public TapPass[]? OtherPasses;

    /// <summary>Distances in numbers between the images, rows and pixels that a pass writes.</summary>
    public nint OutImage, OutRow, OutPixel;

    /// <summary>Input channels and output channels of a group.</summary>
    public int Groups, Depth, Lanes;

    /// <summary>Null, or Groups · Lanes numbers.</summary>
    public float* Bias;

    /// <summary>For a single pass only.</summary>
    public Epilogue Epilogue;

    // Several groups write to the same cache lines: they take turns row by row, so that a line is complete before it is evicted.
    private readonly bool LanesShareLines => Groups > 1 && Lanes < 16;

    // With few channels a group, the copy of a band puts each group's channels, and so kernel columns, next to each other.
    private readonly bool GroupsApart => Groups > 1 && Depth < 16;

    public readonly void Run<TVector>() where TVector : unmanaged, IVector<TVector>
    {
        if (N == 0)
            return;
        var plan = Plan<TVector>();
        if (plan.OutRows == 0)
            return;
        var self = this;
        Workers.Run(plan.Parts, (Conv: self, plan), static (in job, part) => job.Conv.RunPart<TVector>(job.plan, part));
    }

    private readonly int PassCount => 1 + (OtherPasses?.Length ?? 0);

    private readonly TapPass Pass(int index) => index == 0 ? FirstPass : OtherPasses![index - 1];

    // Units are bands of rows of images; parts are runs of units × slices of groups × slices of panels. For output row r the passes read
    // the input rows from r · StrideH + FirstRow to below r · StrideH + EndRow; columns are counted for a whole row.
    private readonly record struct Partition(
        int Bands, int UnitRuns, int GroupSlices, int PanelSlices, bool Copy, int OutRows, int FirstColumn, int EndColumn, int FirstRow, int EndRow)
    {
        public int Parts => UnitRuns * GroupSlices * PanelSlices;
    }

    private readonly Partition Plan<TVector>() where TVector : unmanaged, IVector<TVector>
    {
        var (firstRow, endRow, firstColumn, endColumn, outRows) = (int.MaxValue, int.MinValue, int.MaxValue, int.MinValue, 0);
        var copy = false;
        var work = 0L;
        var weightBytes = 0L;
        for (var i = 0; i < PassCount; i++)
        {
            var pass = Pass(i);
            if (pass.OutH > 0 && pass.OutW > 0)
                outRows = Math.Max(outRows, pass.OutH);
            work += (long)N * pass.OutH * pass.OutW * Groups * Lanes * Depth * Math.Max(1, pass.Taps.Count);
            weightBytes += (long)pass.Taps.Count * Depth * Lanes * sizeof(float);
            if (pass.Taps.Count == 0 || pass.OutH <= 0 || pass.OutW <= 0)
                continue;
            var (top, bottom) = pass.Taps.Vertical.Reach(pass.OutH, StrideH);
            var (left, right) = pass.Taps.Horizontal.Reach(pass.OutW, StrideW);
            copy |= top < 0 || bottom > H || left < 0 || right > W || (GroupsApart && pass.Taps.Columns > 1);
            (firstRow, endRow) = (Math.Min(firstRow, top), Math.Max(endRow, bottom - (pass.OutH - 1) * StrideH));
            (firstColumn, endColumn) = (Math.Min(firstColumn, left), Math.Max(endColumn, right));
        }
        if (outRows == 0)
            return default;
        if (firstRow > endRow)
            (firstRow, endRow, firstColumn, endColumn) = (0, 0, 0, 0);

        var rowBytes = (long)Math.Max(1, endColumn - firstColumn) * Depth * sizeof(float);
        var halo = Math.Max(0, endRow - firstRow - StrideH);
        var imageBytes = Math.Max(1, ((long)outRows * StrideH + halo) * rowBytes);
        var groupsPerSlice = LanesShareLines ? Groups : (int)Math.Clamp(BandBytes / imageBytes, 1, Groups);
        var groupSlices = (Groups + groupsPerSlice - 1) / groupsPerSlice;
        var bandRows = Math.Clamp((BandBytes / (rowBytes * groupsPerSlice) - halo) / StrideH, 1, outRows);
        var bands = (int)((outRows + bandRows - 1) / bandRows);

        // Too few units: cut the weights where they weigh more than the image, else the image.
        var wanted = (int)Math.Clamp(work / SmallestPart, 1, MostParts);
        if ((long)N * bands * groupSlices < wanted && weightBytes < imageBytes)
            bands = (int)Math.Clamp((wanted + (long)N * groupSlices - 1) / ((long)N * groupSlices), bands, outRows);
        var units = N * bands;
        var panelSlices = Math.Clamp(wanted / Math.Max(1, units * groupSlices), 1, Panels.Count<TVector>(Lanes));
        var unitRuns = Math.Clamp((wanted + groupSlices * panelSlices - 1) / (groupSlices * panelSlices), 1, units);
        return new(bands, unitRuns, groupSlices, panelSlices, copy, outRows, firstColumn, endColumn, firstRow, endRow);
    }

    private readonly void RunPart<TVector>(Partition plan, int part) where TVector : unmanaged, IVector<TVector>
    {
        var panelSlice = part % plan.PanelSlices;
        part /= plan.PanelSlices;
        var groupSlice = part % plan.GroupSlices;
        part /= plan.GroupSlices;
        var firstGroup = (int)((long)Groups * groupSlice / plan.GroupSlices);
        var groups = (int)((long)Groups * (groupSlice + 1) / plan.GroupSlices) - firstGroup;
        var endUnit = (int)((long)N * plan.Bands * (part + 1) / plan.UnitRuns);
        for (var unit = (int)((long)N * plan.Bands * part / plan.UnitRuns); unit < endUnit; unit++)
        {
            var (image, firstOut, endOut) = Unit(plan, unit);
            var x = X + (nint)image * H * W * C + firstGroup * Depth;
            var firstRow = firstOut * StrideH + plan.FirstRow;
            if (!plan.Copy)
            {
                x += ((nint)firstRow * W + plan.FirstColumn) * C;
                RunBand<TVector>(plan, panelSlice, image, firstGroup, groups, firstOut, endOut, x, W, C, Depth, default);
                continue;
            }
            var rows = (endOut - 1) * StrideH + plan.EndRow - firstRow;
            var columns = plan.EndColumn - plan.FirstColumn;
            using var padded = Scratch.Take((long)rows * columns * groups * Depth);
            var (planes, pixel) = GroupsApart ? (groups, Depth) : (1, groups * Depth);
            ImageBand.Copy(x, H, W, C, planes, pixel, firstRow, rows, plan.FirstColumn, columns, padded.Pointer);
            var next = unit + 1 < endUnit && groups == Groups ? PrefetchOf(plan, unit + 1) : default;
            RunBand<TVector>(
                plan, panelSlice, image, firstGroup, groups, firstOut, endOut, padded.Pointer, columns, pixel,
                GroupsApart ? (nint)rows * columns * Depth : Depth, next);
        }
    }

    private static (int Image, int FirstOut, int EndOut) Unit(in Partition plan, int unit)
    {
        var band = unit % plan.Bands;
        return (unit / plan.Bands, (int)((long)plan.OutRows * band / plan.Bands), (int)((long)plan.OutRows * (band + 1) / plan.Bands));
    }

    // The copy of the next unit would wait for memory; fetching it during the sums costs nothing.
    private readonly Prefetch PrefetchOf(in Partition plan, int unit)
    {
        var (image, firstOut, endOut) = Unit(plan, unit);
        var first = Math.Clamp(firstOut * StrideH + plan.FirstRow, 0, H);
        var end = Math.Clamp((endOut - 1) * StrideH + plan.EndRow, first, H);
        return new(X + ((nint)image * H + first) * W * C, ((nint)end - first) * W * C * sizeof(float));
    }

    // x is the input at the first row and column that any pass reads for output row firstOut, in an image of the given width,
    // distance between pixels and distance between groups.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void RunBand<TVector>(
        in Partition plan, int panelSlice, int image, int firstGroup, int groups, int firstOut, int endOut, float* x, int width, int pixel,
        nint groupStep, Prefetch prefetch)
        where TVector : unmanaged, IVector<TVector>
    {
        var allPanels = Panels.Count<TVector>(Lanes);
        var panels = (int)((long)allPanels * panelSlice / plan.PanelSlices)..(int)((long)allPanels * (panelSlice + 1) / plan.PanelSlices);
        var rowStep = (nint)StrideH * width * pixel;
        prefetch.Spread((endOut - firstOut) * groups * (panels.End.Value - panels.Start.Value) * PassCount);
        for (var p = 0; p < PassCount; p++)
        {
            var pass = Pass(p);
            var taps = pass.Taps;
            // Kernel columns side by side are one run of memory when the channels of a pixel are all summed over.
            var merged = pixel == Depth && taps.Horizontal.Step == 1 && taps.Columns > 1;
            var runs = merged ? 1 : taps.Columns;
            using var table = Scratch.Take((long)taps.Rows * runs * 2);
            var offsets = (nint*)table.Pointer;
            for (var i = 0; i < taps.Rows; i++)
            {
                for (var j = 0; j < runs; j++)
                {
                    var row = taps.Vertical.First - plan.FirstRow + i * taps.Vertical.Step;
                    var column = taps.Horizontal.First - plan.FirstColumn + j * taps.Horizontal.Step;
                    offsets[i * runs + j] = ((nint)row * width + column) * pixel * sizeof(float);
                }
            }
            var job = new TileJob
            {
                Taps = taps.Rows * runs,
                Depth = merged ? taps.Columns * Depth : Depth,
                TapOffsets = offsets,
                RowStride = (nint)StrideW * pixel * sizeof(float),
            };
            Epilogue.SetLimits(&job, isLast: true);
            job.Streams = PassCount == 1 && Epilogue.Residual != pass.Y && (Groups == 1 || Lanes % 16 == 0) && Epilogue.Streams(pass.Y, N * OutImage, OutPixel, taps.Count * Depth);
            if (LanesShareLines)
            {
                for (var row = firstOut; row < Math.Min(endOut, pass.OutH); row++)
                {
                    for (var group = 0; group < groups; group++)
                        RunPanels<TVector>(&job, pass, firstGroup + group, panels, image, row, row + 1, InputRow(group, row), rowStep, ref prefetch);
                }
                continue;
            }
            for (var group = 0; group < groups; group++)
                RunPanels<TVector>(&job, pass, firstGroup + group, panels, image, firstOut, Math.Min(endOut, pass.OutH), InputRow(group, firstOut), rowStep, ref prefetch);
        }

        float* InputRow(int group, int row) => x + group * groupStep + (row - firstOut) * rowStep;
    }

    // x is the input at the first row and column that any pass reads for output row firstOut.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void RunPanels<TVector>(
        TileJob* job, in TapPass pass, int group, Range panels, int image, int firstOut, int endOut, float* x, nint rowStep, ref Prefetch prefetch)
        where TVector : unmanaged, IVector<TVector>
    {
        var k = (nint)pass.Taps.Count * Depth;
        var groupWeights = pass.Weights + group * k * Panels.PaddedColumns<TVector>(Lanes);
        for (var panel = panels.Start.Value; panel < panels.End.Value; panel++)
        {
            var lane = panel * Panels.Width<TVector>();
            var lanes = Math.Min(Panels.Width<TVector>(), Lanes - lane);
            job->BStride = Panels.PaddedWidth<TVector>(lanes) * sizeof(float);
            var channel = group * Lanes + lane;
            var bias = Bias == null ? null : Bias + channel;
            var y = pass.Y + image * OutImage + firstOut * OutRow + channel;
            var start = x;
            for (var row = firstOut; row < endOut; row++, y += OutRow, start += rowStep)
            {
                prefetch.Go();
                Tiles.Run<TVector, AlongDepth>(job, pass.OutW, job->RowStride, lanes, start, groupWeights + lane * k, bias, y, OutPixel, false, Epilogue.ResidualAt(pass.Y, y), Epilogue.Function);
            }
        }
    }
}
