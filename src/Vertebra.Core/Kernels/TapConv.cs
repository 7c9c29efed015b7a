namespace Vertebra.Kernels;

/// <summary>
/// The convolution behind the forward pass and every phase of the input gradient: output pixel (y, x) of a group is the sum over
/// taps and input channels of input × packed weight. The input is read where it lies; where taps reach over its edges, a band of
/// it is first copied between zeros. Packed weights: for each group the panels of the matrix [taps · Depth, Lanes].
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
    public TapGrid Taps;

    /// <summary>Output: first number, sizes, and distances in numbers.</summary>
    public float* Y;
    public int OutH, OutW;
    public nint OutImage, OutRow, OutPixel;

    /// <summary>Input channels and output channels of a group.</summary>
    public int Groups, Depth, Lanes;
    public float* Weights;

    /// <summary>Null, or Groups · Lanes numbers.</summary>
    public float* Bias;

    public readonly void Run<TVector>() where TVector : unmanaged, IVector<TVector>
    {
        if (N == 0 || OutH <= 0 || OutW <= 0)
            return;
        var plan = Plan<TVector>();
        var self = this;
        Workers.Run(plan.Parts, part => self.RunPart<TVector>(plan, part));
    }

    // Parts: images × bands of rows × slices of groups × slices of panels.
    private readonly record struct Partition(int N, int Bands, int GroupSlices, int PanelSlices, bool Copy)
    {
        public int Parts => N * Bands * GroupSlices * PanelSlices;
    }

    private readonly Partition Plan<TVector>() where TVector : unmanaged, IVector<TVector>
    {
        var (firstRow, endRow) = Taps.Vertical.Reach(OutH, StrideH);
        var (firstColumn, endColumn) = Taps.Horizontal.Reach(OutW, StrideW);
        var copy = Taps.Count > 0 && (firstRow < 0 || endRow > H || firstColumn < 0 || endColumn > W);
        var rowBytes = (long)Math.Max(1, endColumn - firstColumn) * Depth * sizeof(float);
        var imageBytes = Math.Max(1, (endRow - firstRow) * rowBytes);
        var groupsPerSlice = (int)Math.Clamp(BandBytes / imageBytes, 1, Groups);
        var groupSlices = (Groups + groupsPerSlice - 1) / groupsPerSlice;

        var halo = Math.Max(0, (Taps.Rows - 1) * Taps.Vertical.Step + 1 - StrideH);
        var bandRows = Math.Clamp((BandBytes / (rowBytes * groupsPerSlice) - halo) / StrideH, 1, OutH);
        var bands = (int)((OutH + bandRows - 1) / bandRows);

        var work = (long)N * OutH * OutW * Groups * Lanes * Depth * Math.Max(1, Taps.Count);
        var wanted = (int)Math.Clamp(work / SmallestPart, 1, MostParts);
        var parts = (long)N * bands * groupSlices;
        // Too few parts: cut the weights where they weigh more than the image, else the image.
        var weightBytes = (long)Taps.Count * Depth * Lanes * sizeof(float);
        var panels = Panels.Count<TVector>(Lanes);
        var panelSlices = 1;
        if (parts < wanted && weightBytes < imageBytes)
            bands = (int)Math.Min(OutH, (wanted + N * groupSlices - 1) / (N * groupSlices));
        parts = (long)N * bands * groupSlices;
        if (parts < wanted)
            panelSlices = (int)Math.Min(panels, (wanted + parts - 1) / parts);
        return new(N, bands, groupSlices, panelSlices, copy);
    }

    private readonly void RunPart<TVector>(Partition plan, int part) where TVector : unmanaged, IVector<TVector>
    {
        var panelSlice = part % plan.PanelSlices;
        part /= plan.PanelSlices;
        var groupSlice = part % plan.GroupSlices;
        part /= plan.GroupSlices;
        var band = part % plan.Bands;
        var image = part / plan.Bands;

        var firstGroup = (int)((long)Groups * groupSlice / plan.GroupSlices);
        var groups = (int)((long)Groups * (groupSlice + 1) / plan.GroupSlices) - firstGroup;
        var firstOut = (int)((long)OutH * band / plan.Bands);
        var endOut = (int)((long)OutH * (band + 1) / plan.Bands);

        var x = X + (nint)image * H * W * C + firstGroup * Depth;
        var (firstColumn, endColumn) = Taps.Horizontal.Reach(OutW, StrideW);
        var firstRow = firstOut * StrideH + Taps.Vertical.First;
        if (!plan.Copy)
        {
            var start = x + ((nint)firstRow * W + firstColumn) * C;
            RunBand<TVector>(plan, panelSlice, image, firstGroup, groups, firstOut, endOut, start, W, C);
            return;
        }
        var rows = (endOut - 1 - firstOut) * StrideH + (Taps.Rows - 1) * Taps.Vertical.Step + 1;
        var columns = endColumn - firstColumn;
        using var padded = Scratch.Take((long)rows * columns * groups * Depth);
        ImageBand.Copy(x, H, W, C, groups * Depth, firstRow, rows, firstColumn, columns, padded.Pointer);
        RunBand<TVector>(plan, panelSlice, image, firstGroup, groups, firstOut, endOut, padded.Pointer, columns, groups * Depth);
    }

    // x is the input under the first tap of the band's first output, in an image of the given width and distance between pixels.
    private readonly void RunBand<TVector>(
        Partition plan, int panelSlice, int image, int firstGroup, int groups, int firstOut, int endOut, float* x, int width, int pixel)
        where TVector : unmanaged, IVector<TVector>
    {
        // Kernel columns side by side are one run of memory when the channels of a pixel are all summed over.
        var merged = Groups == 1 && Taps.Horizontal.Step == 1 && Taps.Columns > 1;
        var runs = merged ? 1 : Taps.Columns;
        using var table = Scratch.Take((long)Taps.Rows * runs * 2);
        var offsets = (nint*)table.Pointer;
        for (var i = 0; i < Taps.Rows; i++)
        {
            for (var j = 0; j < runs; j++)
                offsets[i * runs + j] = ((nint)i * Taps.Vertical.Step * width + (nint)j * Taps.Horizontal.Step) * pixel * sizeof(float);
        }
        var job = new TileJob
        {
            Taps = Taps.Rows * runs,
            Depth = merged ? Taps.Columns * Depth : Depth,
            TapOffsets = offsets,
            RowStride = (nint)StrideW * pixel * sizeof(float),
        };
        var panelWidth = Panels.Width<TVector>();
        var panels = Panels.Count<TVector>(Lanes);
        var k = (nint)Taps.Count * Depth;
        for (var group = 0; group < groups; group++)
        {
            var groupWeights = Weights + (firstGroup + group) * k * Panels.PaddedColumns<TVector>(Lanes);
            var firstPanel = (int)((long)panels * panelSlice / plan.PanelSlices);
            var endPanel = (int)((long)panels * (panelSlice + 1) / plan.PanelSlices);
            for (var panel = firstPanel; panel < endPanel; panel++)
            {
                var lane = panel * panelWidth;
                var lanes = Math.Min(panelWidth, Lanes - lane);
                job.BStride = Panels.PaddedWidth<TVector>(lanes) * sizeof(float);
                var channel = (firstGroup + group) * Lanes + lane;
                var bias = Bias == null ? null : Bias + channel;
                var y = Y + image * OutImage + firstOut * OutRow + channel;
                var start = x + group * Depth;
                for (var row = firstOut; row < endOut; row++, y += OutRow, start += (nint)StrideH * width * pixel)
                    Tiles.Run<TVector, AlongDepth>(&job, OutW, job.RowStride, lanes, start, groupWeights + lane * k, bias, y, OutPixel, false);
            }
        }
    }
}

/// <summary>Cuts a rectangle out of an image.</summary>
internal static unsafe class ImageBand
{
    /// <summary>
    /// Copies the first <paramref name="channels"/> channels of a rectangle of the image [h, w, c] at x, that may reach beyond it, to
    /// target [rows, columns, channels]; zeros where there is no image.
    /// </summary>
    public static void Copy(
        float* x, int h, int w, int c, int channels, int firstRow, int rows, int firstColumn, int columns, float* target)
    {
        var left = Math.Clamp(-firstColumn, 0, columns);
        var inside = Math.Max(0, Math.Min(w - Math.Max(firstColumn, 0), columns - left));
        for (var row = 0; row < rows; row++, target += (nint)columns * channels)
        {
            var y = firstRow + row;
            if (y < 0 || y >= h || inside == 0)
            {
                Clear(target, (nint)columns * channels);
                continue;
            }
            Clear(target, (nint)left * channels);
            var from = x + ((nint)y * w + Math.Max(firstColumn, 0)) * c;
            var to = target + (nint)left * channels;
            if (channels == c)
            {
                Buffer.MemoryCopy(from, to, (long)inside * c * sizeof(float), (long)inside * c * sizeof(float));
            }
            else
            {
                for (var i = 0; i < inside; i++)
                    new ReadOnlySpan<float>(from + (nint)i * c, channels).CopyTo(new Span<float>(to + (nint)i * channels, channels));
            }
            Clear(to + (nint)inside * channels, (nint)(columns - left - inside) * channels);
        }
    }

    private static void Clear(float* target, nint count) => System.Runtime.InteropServices.NativeMemory.Clear(target, (nuint)count * sizeof(float));
}
