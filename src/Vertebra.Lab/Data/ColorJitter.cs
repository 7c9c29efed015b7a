using Vertebra.Lab.Data.Augment;

namespace Vertebra.Lab.Data;

/// <summary>
/// Random brightness, contrast, saturation and hue in random order: torchvision's <c>ColorJitter</c> of Pillow images.
/// A strength s draws a factor from max(0, 1 - s) to 1 + s; the hue turns by at most its strength.
/// </summary>
/// <param name="Brightness">Strength, at least 0; 0 leaves it alone.</param>
/// <param name="Contrast">Strength, likewise.</param>
/// <param name="Saturation">Strength, likewise.</param>
/// <param name="Hue">Greatest share of a full turn, 0 to 0.5.</param>
public sealed record ColorJitter(double Brightness, double Contrast, double Saturation, double Hue = 0)
{
    private static readonly PixelOperation[] Operations = [PixelOperation.Brightness, PixelOperation.Contrast, PixelOperation.Color, PixelOperation.Hue];

    /// <summary>How often colours are varied at all.</summary>
    public double Probability { get; init; } = 1;

    /// <summary>As timm's flag gives it: one number for all but the hue, or three or four.</summary>
    /// <exception cref="VertebraException">There are two, or more than four.</exception>
    public static ColorJitter Of(IReadOnlyList<double> strengths) => strengths.Count switch
    {
        1 => new(strengths[0], strengths[0], strengths[0]),
        3 or 4 => new(strengths[0], strengths[1], strengths[2], strengths.Count == 4 ? strengths[3] : 0),
        _ => throw new VertebraException($"colour jitter takes 1, 3 or 4 numbers (brightness, contrast, saturation, hue), not {strengths.Count}"),
    };

    /// <summary>Checks every value.</summary>
    /// <exception cref="VertebraException">A value is out of range.</exception>
    internal void Validate()
    {
        if (!(Brightness is >= 0 and <= 100 && Contrast is >= 0 and <= 100 && Saturation is >= 0 and <= 100 && Hue is >= 0 and <= 0.5))
            throw new VertebraException($"augmentation: colour jitter {Brightness}, {Contrast}, {Saturation}, {Hue} is out of range; strengths are at least 0, that of the hue at most 0.5");
        if (!(Probability is >= 0 and <= 1))
            throw new VertebraException($"augmentation: colour jitter's probability {Probability} is outside 0 to 1");
    }

    /// <summary>Draws whether (unless certain), the order (three numbers), then a factor for each strength that is not 0.</summary>
    internal void Apply(PixelCanvas canvas, ref SampleRandom random)
    {
        if (Probability < 1 && random.Uniform(0, 1) >= Probability)
            return;
        Span<int> order = [0, 1, 2, 3];
        for (var i = order.Length - 1; i > 0; i--)
        {
            var other = random.Below(i + 1);
            (order[i], order[other]) = (order[other], order[i]);
        }
        ReadOnlySpan<double> strengths = [Brightness, Contrast, Saturation, Hue];
        Span<double> arguments = stackalloc double[4];
        for (var i = 0; i < 4; i++)
        {
            var middle = i == 3 ? 0 : 1;
            if (strengths[i] > 0)
                arguments[i] = random.Uniform(i == 3 ? -Hue : Math.Max(0, 1 - strengths[i]), middle + strengths[i]);
        }
        foreach (var i in order)
        {
            if (strengths[i] > 0)
                PixelOperations.Apply(canvas, Operations[i], arguments[i], default, ref random);
        }
    }
}
