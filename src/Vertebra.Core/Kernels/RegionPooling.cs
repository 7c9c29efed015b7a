namespace Vertebra.Kernels;

/// <summary>
/// One axis of a region: for every sample of every bin, the two pixels it lies between and the share of the second; a
/// negative first pixel marks a sample outside the image, which counts as zero.
/// </summary>
internal sealed class RegionAxis
{
    // A network's boxes lie in the image or near it; one that needs more samples is damaged and would take forever.
    private const int MostSamples = 1 << 13;

    public RegionAxis(float start, float end, int bins, int samplingRatio, bool isAtLeastOne, int size)
    {
        var length = end - start;
        if (isAtLeastOne)
            length = MathF.Max(length, 1);
        var binSize = length / bins;
        if (!((samplingRatio > 0 ? samplingRatio : MathF.Abs(binSize)) * (float)bins <= MostSamples))
            throw new VertebraException($"RoiAlign: a region from {start} to {end} has too many samples in {bins} bins");
        Samples = Math.Max(0, samplingRatio > 0 ? samplingRatio : (int)MathF.Ceiling(binSize));
        (Low, High, Share) = (new int[bins * Samples], new int[bins * Samples], new float[bins * Samples]);
        for (var i = 0; i < Low.Length; i++)
            Place(i, start + (i / Samples * binSize) + (((i % Samples) + 0.5f) * binSize / Samples), size);
    }

    /// <summary>Samples per bin; none where the region is empty.</summary>
    public int Samples { get; }

    public int[] Low { get; }

    public int[] High { get; }

    public float[] Share { get; }

    private void Place(int sample, float place, int size)
    {
        if (!(place >= -1 && place <= size))
        {
            Low[sample] = -1;
            return;
        }
        place = Math.Max(place, 0);
        var low = Math.Min((int)place, size - 1);
        (Low[sample], High[sample], Share[sample]) = (low, Math.Min(low + 1, size - 1), low == size - 1 ? 0 : place - low);
    }
}

/// <summary>Regions of NHWC images pooled to a fixed size from bilinear samples (He and others, "Mask R-CNN", 2017).</summary>
internal sealed unsafe class RegionPooling(int height, int width, int channels, int binsH, int binsW, float scale, int samplingRatio, bool halfPixel)
{
    private long ImageSize => (long)height * width * channels;

    private long RegionSize => (long)binsH * binsW * channels;

    /// <summary>The mean over each bin's samples: y is [regions, bins high, bins wide, C].</summary>
    public void Average(int count, float* x, float* regions, long* images, float* y) => Workers.Run(count, region =>
    {
        new Span<float>(y + (region * RegionSize), checked((int)RegionSize)).Clear();
        Level.Run(new Averaging(this, Axes(regions + (4L * region)), x + (images[region] * ImageSize), y + (region * RegionSize), isTranspose: false));
    });

    /// <summary>The transpose of <see cref="Average"/>, added to dx. One image is one part: regions share pixels.</summary>
    public void Spread(int imageCount, int count, float* regions, long* images, float* dy, float* dx) => Workers.Run(imageCount, image =>
    {
        for (var region = 0; region < count; region++)
        {
            if (images[region] == image)
                Level.Run(new Averaging(this, Axes(regions + (4L * region)), dx + (image * ImageSize), dy + (region * RegionSize), isTranspose: true));
        }
    });

    /// <summary>The largest over each bin's samples of pixel times weight.</summary>
    public void Largest(int count, float* x, float* regions, long* images, float* y) => Workers.Run(count, region =>
    {
        var axes = Axes(regions + (4L * region));
        var source = x + (images[region] * ImageSize);
        for (var bin = 0; bin < binsH * binsW; bin++)
        {
            var target = new Span<float>(y + (region * RegionSize) + ((long)bin * channels), channels);
            target.Fill(axes.Rows.Samples * axes.Columns.Samples == 0 ? 0 : float.NegativeInfinity);
            for (var sample = 0; sample < axes.Rows.Samples * axes.Columns.Samples; sample++)
                Raise(source, axes, RowOf(bin, sample, axes), ColumnOf(bin, sample, axes), target);
        }
    });

    private (RegionAxis Rows, RegionAxis Columns) Axes(float* region)
    {
        var offset = halfPixel ? 0.5f : 0;
        return (
            new((region[1] * scale) - offset, (region[3] * scale) - offset, binsH, samplingRatio, !halfPixel, height),
            new((region[0] * scale) - offset, (region[2] * scale) - offset, binsW, samplingRatio, !halfPixel, width));
    }

    private void Raise(float* source, (RegionAxis Rows, RegionAxis Columns) axes, int row, int column, Span<float> target)
    {
        var isInside = axes.Rows.Low[row] >= 0 && axes.Columns.Low[column] >= 0;
        for (var corner = 0; corner < 4; corner++)
        {
            var (pixel, weight) = isInside ? Corner(axes, row, column, corner) : (0, 0);
            for (var c = 0; c < channels; c++)
                target[c] = Math.Max(target[c], weight * source[pixel + c]);
        }
    }

    private (long Pixel, float Weight) Corner((RegionAxis Rows, RegionAxis Columns) axes, int row, int column, int corner)
    {
        var (down, right) = (axes.Rows.Share[row], axes.Columns.Share[column]);
        var i = corner < 2 ? axes.Rows.Low[row] : axes.Rows.High[row];
        var j = corner % 2 == 0 ? axes.Columns.Low[column] : axes.Columns.High[column];
        return ((((long)i * width) + j) * channels, (corner < 2 ? 1 - down : down) * (corner % 2 == 0 ? 1 - right : right));
    }

    /// <summary>Pixels to bins, or bins to pixels with the same weights.</summary>
    private readonly struct Averaging(RegionPooling own, (RegionAxis Rows, RegionAxis Columns) axes, float* image, float* bins, bool isTranspose) : IKernel
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var (rows, columns) = (axes.Rows.Samples, axes.Columns.Samples);
            var share = 1f / Math.Max(1, rows * columns);
            for (var bin = 0; bin < own.Bins; bin++)
            {
                var line = bins + ((long)bin * own.Channels);
                for (var sample = 0; sample < rows * columns; sample++)
                    Sample<TVector>(own.RowOf(bin, sample, axes), own.ColumnOf(bin, sample, axes), share, line);
            }
        }

        private void Sample<TVector>(int row, int column, float share, float* line) where TVector : unmanaged, IVector<TVector>
        {
            if (axes.Rows.Low[row] < 0 || axes.Columns.Low[column] < 0)
                return;
            for (var corner = 0; corner < 4; corner++)
            {
                var (pixel, weight) = own.Corner(axes, row, column, corner);
                var source = image + pixel;
                Lines.AddScaled<TVector>(isTranspose ? line : source, weight * share, isTranspose ? source : line, own.Channels);
            }
        }
    }

    private int Channels => channels;

    private int Bins => binsH * binsW;

    private int RowOf(int bin, int sample, (RegionAxis Rows, RegionAxis Columns) axes) => (bin / binsW * axes.Rows.Samples) + (sample / axes.Columns.Samples);

    private int ColumnOf(int bin, int sample, (RegionAxis Rows, RegionAxis Columns) axes) => (bin % binsW * axes.Columns.Samples) + (sample % axes.Columns.Samples);
}
