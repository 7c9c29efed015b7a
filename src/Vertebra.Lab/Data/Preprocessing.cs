using System.Text.Json;
using System.Text.Json.Nodes;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>How an image of another shape is brought to the network's size.</summary>
public enum CropMode
{
    /// <summary>Resize so that the shorter side is size / crop_pct, keeping the proportions, then cut out the centre.</summary>
    Center,

    /// <summary>Resize both sides to size / crop_pct whatever the proportions, then cut out the centre.</summary>
    Squash,
}

/// <summary>
/// How an image becomes a network's input when the network is judged or used: the facts that must travel with the
/// weights. Names and rules are timm's (<c>pretrained_cfg</c>, <c>transforms_imagenet_eval</c>).
/// </summary>
public sealed record Preprocessing
{
    /// <summary>Channels of the input: 3 (RGB), or 1 (luma of ITU-R 601 as Pillow computes it).</summary>
    public int Channels { get; init; } = 3;

    /// <summary>Rows of the input.</summary>
    public int Height { get; init; } = 224;

    /// <summary>Columns of the input.</summary>
    public int Width { get; init; } = 224;

    /// <summary>Subtracted from each channel of pixel / 255; one number a channel.</summary>
    public IReadOnlyList<double> Mean { get; init; } = [0.485, 0.456, 0.406];

    /// <summary>Divides each channel after that; one number a channel.</summary>
    public IReadOnlyList<double> Std { get; init; } = [0.229, 0.224, 0.225];

    /// <summary>Share of the resized image's side that the crop keeps, in (0, 1].</summary>
    public double CropPct { get; init; } = 0.875;

    public CropMode CropMode { get; init; } = CropMode.Center;

    /// <summary>How pixels between others are found when an image is resized.</summary>
    public ResampleFilter Interpolation { get; init; } = ResampleFilter.Bicubic;

    /// <summary>The usual facts of an ImageNet network: 224 x 224, crop 0.875, bicubic.</summary>
    public static Preprocessing ImageNet { get; } = new();

    /// <summary>Facts for small images that are used as they are: nothing is cut off.</summary>
    public static Preprocessing Whole(int size, IReadOnlyList<double> mean, IReadOnlyList<double> std) =>
        new() { Channels = mean.Count, Height = size, Width = size, Mean = mean, Std = std, CropPct = 1, Interpolation = ResampleFilter.Bilinear };

    /// <summary>The same for another number of input channels: mean and deviation averaged over the colours, or repeated for each.</summary>
    public Preprocessing WithChannels(int channels) => channels == Channels ? this : this with
    {
        Channels = channels,
        Mean = [.. Enumerable.Repeat(Mean.Average(), channels)],
        Std = [.. Enumerable.Repeat(Std.Average(), channels)],
    };

    /// <summary>The same for another input size.</summary>
    public Preprocessing WithSize(int size) => this with { Height = size, Width = size };

    /// <summary>Checks every value.</summary>
    /// <param name="where">What the message calls the source of the values.</param>
    /// <returns>This object.</returns>
    /// <exception cref="VertebraException">A value is out of range.</exception>
    public Preprocessing Validate(string where = "preprocessing")
    {
        RequireChannels(Channels, where);
        if (Height is < 1 or > 16384 || Width is < 1 or > 16384)
            throw new VertebraException($"{where}: input_size {Height}x{Width} is outside 1 to 16384");
        if (Mean.Count != Channels || Std.Count != Channels)
            throw new VertebraException($"{where}: {Mean.Count} means and {Std.Count} deviations for {Channels} channels; give one for each");
        if (!Mean.All(double.IsFinite) || !Std.All(s => double.IsFinite(s) && s > 0))
            throw new VertebraException($"{where}: mean must be finite and std above 0, not [{string.Join(", ", Mean)}] and [{string.Join(", ", Std)}]");
        if (!(CropPct is > 0 and <= 1))
            throw new VertebraException($"{where}: crop_pct {CropPct} is outside (0, 1]");
        return this;
    }

    /// <summary>Under timm's keys: input_size [channels, height, width], interpolation, crop_pct, crop_mode, mean, std.</summary>
    public JsonObject ToJson() => new()
    {
        ["input_size"] = new JsonArray(Channels, Height, Width),
        ["interpolation"] = Interpolation.ToString().ToLowerInvariant(),
        ["crop_pct"] = CropPct,
        ["crop_mode"] = CropMode.ToString().ToLowerInvariant(),
        ["mean"] = new JsonArray([.. Mean.Select(m => JsonValue.Create(m))]),
        ["std"] = new JsonArray([.. Std.Select(s => JsonValue.Create(s))]),
    };

    /// <summary>Reads what <see cref="ToJson"/> or timm wrote; absent keys take the ImageNet values, unknown keys are left alone.</summary>
    /// <param name="json">A JSON object.</param>
    /// <param name="where">What errors call it, for instance the file.</param>
    /// <exception cref="FileFormatException">A value is of the wrong kind.</exception>
    /// <exception cref="VertebraException">A value is out of range.</exception>
    public static Preprocessing FromJson(JsonElement json, string where)
    {
        try
        {
            var result = new Preprocessing();
            if (json.TryGetProperty("input_size", out var size))
            {
                var sides = size.EnumerateArray().Select(s => s.GetInt32()).ToArray();
                if (sides.Length != 3)
                    throw new FileFormatException($"{where}: input_size has {sides.Length} numbers; it is [channels, height, width]");
                result = result.WithChannels(RequireChannels(sides[0], where)) with { Height = sides[1], Width = sides[2] };
            }
            if (json.TryGetProperty("mean", out var mean))
                result = result with { Mean = [.. mean.EnumerateArray().Select(m => m.GetDouble())] };
            if (json.TryGetProperty("std", out var std))
                result = result with { Std = [.. std.EnumerateArray().Select(s => s.GetDouble())] };
            if (json.TryGetProperty("crop_pct", out var cropPct))
                result = result with { CropPct = cropPct.GetDouble() };
            if (json.TryGetProperty("crop_mode", out var cropMode))
                result = result with { CropMode = Parse<CropMode>(cropMode, "crop_mode", where) };
            if (json.TryGetProperty("interpolation", out var interpolation))
                result = result with { Interpolation = Parse<ResampleFilter>(interpolation, "interpolation", where) };
            return result.Validate(where);
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or ArgumentException)
        {
            throw new FileFormatException($"{where}: the preprocessing is not in the expected form: {e.Message}", e);
        }
    }

    private static int RequireChannels(int channels, string where) => channels is 1 or 3 ? channels
        : throw new VertebraException($"{where}: input_size has {channels} channels; images have 3 (RGB) or 1 (grey)");

    private static T Parse<T>(JsonElement value, string key, string where) where T : struct, Enum =>
        Enum.TryParse<T>(value.GetString(), ignoreCase: true, out var parsed) && Enum.IsDefined(parsed) ? parsed
            : throw new FileFormatException($"{where}: {key} \"{value}\" is not supported; use {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}");

    /// <summary>Equal facts, number by number.</summary>
    public bool Equals(Preprocessing? other) => other is not null
        && (Channels, Height, Width, CropPct, CropMode, Interpolation) == (other.Channels, other.Height, other.Width, other.CropPct, other.CropMode, other.Interpolation)
        && Mean.SequenceEqual(other.Mean) && Std.SequenceEqual(other.Std);

    public override int GetHashCode() => HashCode.Combine(Channels, Height, Width, CropPct, CropMode, Interpolation);
}
