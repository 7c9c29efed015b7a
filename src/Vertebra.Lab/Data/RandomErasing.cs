namespace Vertebra.Lab.Data;

/// <summary>What is put in the place of an erased part; inputs are normalised by then.</summary>
public enum ErasingMode
{
    /// <summary>Zero, the mean colour.</summary>
    Const,

    /// <summary>One colour of standard normal numbers.</summary>
    Rand,

    /// <summary>Standard normal numbers, each pixel its own.</summary>
    Pixel,
}

/// <summary>
/// Erases rectangles of the normalised input (Zhong, Zheng, Kang, Li and Yang, "Random erasing data augmentation", AAAI
/// 2020), with timm's areas (2 % to a third of the input, shared among several rectangles) and proportions (0.3 to 1 / 0.3).
/// </summary>
/// <param name="Probability">How often anything is erased.</param>
public sealed record RandomErasing(double Probability)
{
    private const double LeastArea = 0.02;
    private const double MostArea = 1.0 / 3;
    private const double LeastAspect = 0.3;
    private const int Attempts = 10;

    public ErasingMode Mode { get; init; } = ErasingMode.Const;

    /// <summary>Most rectangles; how many is drawn.</summary>
    public int Count { get; init; } = 1;

    /// <summary>Leave the first, clean view alone where a sample has several.</summary>
    public bool SparesClean { get; init; }

    /// <summary>Checks every value.</summary>
    /// <exception cref="VertebraException">A value is out of range.</exception>
    internal void Validate()
    {
        if (!(Probability is >= 0 and <= 1))
            throw new VertebraException($"augmentation: erasing probability {Probability} is outside 0 to 1");
        if (Count is < 1 or > 1000)
            throw new VertebraException($"augmentation: {Count} rectangles to erase are outside 1 to 1000");
    }

    /// <summary>
    /// Draws whether, how many where there may be several, and for each rectangle up to ten times area and proportions, and,
    /// when it fits, its place and what is put there: two numbers a channel (<see cref="ErasingMode.Rand"/>) or a row (<see cref="ErasingMode.Pixel"/>).
    /// </summary>
    /// <param name="input">[height, width, channels].</param>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="random">Numbers of this sample.</param>
    internal void Apply(Span<float> input, int height, int width, ref SampleRandom random)
    {
        if (random.Uniform(0, 1) >= Probability)
            return;
        var count = Count > 1 ? 1 + random.Below(Count) : 1;
        for (var i = 0; i < count; i++)
        {
            if (TryDraw(height, width, count, ref random) is { } box)
                Fill(input, input.Length / height, input.Length / (height * width), box, ref random);
        }
    }

    private static CropBox? TryDraw(int height, int width, int count, ref SampleRandom random)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var area = random.Uniform(LeastArea, MostArea) * height * width / count;
            var aspect = Math.Exp(random.Uniform(Math.Log(LeastAspect), -Math.Log(LeastAspect)));
            var boxHeight = (int)Math.Round(Math.Sqrt(area * aspect));
            var boxWidth = (int)Math.Round(Math.Sqrt(area / aspect));
            if (boxHeight < height && boxWidth < width)
            {
                var top = random.Below(height - boxHeight + 1);
                return new(random.Below(width - boxWidth + 1), top, boxWidth, boxHeight);
            }
        }
        return null;
    }

    private void Fill(Span<float> input, int stride, int channels, CropBox box, ref SampleRandom random)
    {
        Span<float> colour = stackalloc float[channels];
        colour.Clear();
        if (Mode == ErasingMode.Rand)
        {
            foreach (ref var level in colour)
                level = (float)random.Normal();
        }
        for (var y = box.Top; y < box.Top + box.Height; y++)
        {
            var row = input.Slice((y * stride) + (box.Left * channels), box.Width * channels);
            if (Mode == ErasingMode.Pixel)
                random.FillNormal(row);
            else
            {
                for (var i = 0; i < row.Length; i += channels)
                    colour.CopyTo(row[i..]);
            }
        }
    }
}
