using Vertebra.Lab.Data.Images;
using Vertebra.Zoo;

namespace Vertebra.Lab.Data;

/// <summary>Preprocessing as it stands in a network's description, and back.</summary>
public static class NetworkPreprocessing
{
    /// <summary>How images are prepared for a network's weights.</summary>
    /// <param name="config">The facts.</param>
    /// <param name="where">What messages call their source.</param>
    /// <param name="atTestSize">At the larger size and crop at which the weights do better, where they have one.</param>
    /// <exception cref="VertebraException">The description asks for something unknown.</exception>
    public static Preprocessing Of(PretrainedConfig config, string where, bool atTestSize = false) => new Preprocessing
    {
        Channels = config.InputSize.Channels,
        Height = (atTestSize ? config.TestInputSize ?? config.InputSize : config.InputSize).Height,
        Width = (atTestSize ? config.TestInputSize ?? config.InputSize : config.InputSize).Width,
        Mean = [.. config.Mean.Select(Decimal)],
        Std = [.. config.Std.Select(Decimal)],
        CropPct = Decimal(atTestSize ? config.TestCropPct ?? config.CropPct : config.CropPct),
        CropMode = config.CropMode == "squash" ? CropMode.Squash : CropMode.Center,
        Interpolation = Filter(config.Interpolation, where),
    }.Validate(where);

    /// <summary>The description's facts replaced by those of a preprocessing.</summary>
    public static PretrainedConfig With(this PretrainedConfig config, Preprocessing preprocessing) => config with
    {
        InputSize = new(preprocessing.Channels, preprocessing.Height, preprocessing.Width),
        TestInputSize = null,
        TestCropPct = null,
        Mean = [.. preprocessing.Mean.Select(m => (float)m)],
        Std = [.. preprocessing.Std.Select(s => (float)s)],
        CropPct = (float)preprocessing.CropPct,
        CropMode = preprocessing.CropMode.ToString().ToLowerInvariant(),
        Interpolation = preprocessing.Interpolation.ToString().ToLowerInvariant(),
    };

    /// <summary>The filter of a name.</summary>
    /// <exception cref="VertebraException">There is no such filter.</exception>
    public static ResampleFilter Filter(string name, string where) =>
        Enum.TryParse<ResampleFilter>(name, ignoreCase: true, out var filter) && Enum.IsDefined(filter) ? filter
            : throw new VertebraException($"{where}: interpolation '{name}' is unknown; use {string.Join(", ", Enum.GetNames<ResampleFilter>()).ToLowerInvariant()}");

    // The decimal that was written, not the float32 nearest to it: 0.485, not 0.48500001430511475.
    private static double Decimal(float value) => (double)(decimal)value;
}
