using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data.Packing;

/// <summary>In which form images go into a pack.</summary>
public sealed record PackOptions
{
    /// <summary>Images whose longer side is longer are shrunk to it, in pixels, and stored raw; null: none is.</summary>
    public int? MaxSide { get; init; }

    /// <summary>Files whose pixels take at most so many bytes are stored raw, others as they are. 64 KiB is 147 x 147 pixels.</summary>
    public long RawBelow { get; init; } = 64 << 10;

    /// <summary>Checks every value.</summary>
    /// <exception cref="VertebraException">A value is out of range.</exception>
    public void Validate()
    {
        if (MaxSide is not (null or (>= 1 and <= 65536)))
            throw new VertebraException($"--max-side is {MaxSide}; it must be 1 to 65536");
        if (RawBelow is < 0 or > int.MaxValue)
            throw new VertebraException($"--raw-below is {RawBelow}; it must be 0 to {int.MaxValue}");
    }
}

/// <summary>What went into a pack.</summary>
/// <param name="Training">Images to learn from.</param>
/// <param name="Validation">Images held back.</param>
/// <param name="Raw">How many of both are stored as pixels.</param>
/// <param name="Broken">Images that could not be read and were left out.</param>
/// <param name="Bytes">Size of the file.</param>
public readonly record struct PackResult(int Training, int Validation, int Raw, int Broken, long Bytes);

/// <summary>
/// Packs a data set into one file for the loader, after FFCV (Leclerc et al., "FFCV: accelerating training by removing data
/// bottlenecks", CVPR 2023): small images as pixels, larger ones as the files they are.
/// </summary>
public static class Packer
{
    /// <summary>Writes a pack; under its name stands the old file or the whole new one.</summary>
    /// <param name="path">The file.</param>
    /// <param name="training">Images to learn from.</param>
    /// <param name="validation">Images held back, of the same classes; null for none.</param>
    /// <param name="options">In which form.</param>
    /// <param name="progress">Told how many images of how many are done.</param>
    /// <param name="warn">Told which image cannot be read and why.</param>
    /// <param name="cancellation">Ends packing with <see cref="OperationCanceledException"/>; nothing is left behind.</param>
    /// <exception cref="VertebraException">An option is out of range, no image can be read, or the file cannot be written.</exception>
    public static PackResult Pack(
        string path, IImageDataset training, IImageDataset? validation, PackOptions options,
        Action<long, long>? progress = null, Action<string>? warn = null, CancellationToken cancellation = default)
    {
        options.Validate();
        if (training.IsMultiLabel || validation is { IsMultiLabel: true })
            throw new VertebraException($"{training.Identity}: a pack keeps one class an image; train on the folder itself");
        if (validation is not null && !validation.ClassNames.SequenceEqual(training.ClassNames))
            throw new VertebraException($"{validation.Identity}: other classes than {training.Identity}; pack the two by themselves");
        var result = default(PackResult);
        AtomicFile.Write(path, stream =>
        {
            var writer = new VpkWriter(stream);
            long done = 0, total = training.Count + (validation?.Count ?? 0);
            Add(training, isValidation: false);
            if (validation is not null)
                Add(validation, isValidation: true);
            if (result.Training == 0)
                throw new VertebraException($"{training.Identity}: not one image can be read, so there is nothing to pack");
            writer.Finish(new(training.ClassNames, training.Kind, training.Identity, training.Preprocessing));
            result = result with { Bytes = stream.Length };

            void Add(IImageDataset source, bool isValidation)
            {
                foreach (var (index, record, problem) in Records(source, options, cancellation))
                {
                    if (record is not null)
                        writer.Add(record, source.Label(index), source.NameOf(index), isValidation);
                    else
                        warn?.Invoke(problem!);
                    result = Count(result, record, isValidation);
                    progress?.Invoke(++done, total);
                }
            }
        });
        return result;
    }

    private static PackResult Count(PackResult result, VpkRecord? record, bool isValidation) => record is null ? result with { Broken = result.Broken + 1 } : result with
    {
        Training = result.Training + (isValidation ? 0 : 1),
        Validation = result.Validation + (isValidation ? 1 : 0),
        Raw = result.Raw + (record.Kind == VpkKind.Raw ? 1 : 0),
    };

    // Made by all processors, a few images for each at a time, and given in order.
    private static IEnumerable<(int Index, VpkRecord? Record, string? Problem)> Records(IImageDataset source, PackOptions options, CancellationToken cancellation)
    {
        var made = new (VpkRecord? Record, string? Problem)[4 * Environment.ProcessorCount];
        for (var first = 0; first < source.Count; first += made.Length)
        {
            cancellation.ThrowIfCancellationRequested();
            var (begin, count) = (first, Math.Min(made.Length, source.Count - first));
            Parallel.For(0, count, i => made[i] = TryMake(source, begin + i, options));
            for (var i = 0; i < count; i++)
                yield return (begin + i, made[i].Record, made[i].Problem);
        }
    }

    private static (VpkRecord?, string?) TryMake(IImageDataset source, int index, PackOptions options)
    {
        try
        {
            return (Make(source, index, options), null);
        }
        catch (VertebraException e)
        {
            return (null, e.Message);
        }
    }

    // Every file is decoded, also one that is kept: a damaged one is found now, and its size as the decoder sees it is known.
    private static VpkRecord Make(IImageDataset source, int index, PackOptions options)
    {
        using var stored = source.Borrow(index);
        var image = stored?.Decode() ?? source.Load(index);
        var shrunk = Shrink(image, options.MaxSide);
        var isRaw = stored is null or { IsRaw: true } || !ReferenceEquals(shrunk, image) || image.Pixels.Length <= options.RawBelow;
        return isRaw ? new(VpkKind.Raw, shrunk.Width, shrunk.Height, shrunk.Pixels) : new(VpkKind.Encoded, image.Width, image.Height, stored!.Data.ToArray());
    }

    // The mean over areas, as FFCV shrinks.
    private static RgbImage Shrink(RgbImage image, int? maxSide)
    {
        var longest = Math.Max(image.Width, image.Height);
        return maxSide is not { } side || longest <= side ? image
            : Resampler.Resize(image, Scaled(image.Width), Scaled(image.Height), ResampleFilter.Box);

        int Scaled(int length) => Math.Max(1, (int)Math.Round((double)length * side / longest));
    }
}
