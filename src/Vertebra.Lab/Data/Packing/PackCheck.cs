namespace Vertebra.Lab.Data.Packing;

/// <summary>What comparing all checksums of a pack found.</summary>
/// <param name="Identity">What the pack is.</param>
/// <param name="Records">Number of its records.</param>
/// <param name="Damaged">Names of those that are not what was packed.</param>
public sealed record PackCheck(string Identity, int Records, IReadOnlyList<string> Damaged)
{
    /// <summary>Reads a whole pack and compares the checksum of every record.</summary>
    /// <param name="path">The pack.</param>
    /// <param name="progress">Told how many records of how many are read.</param>
    /// <param name="cancellation">Ends the check with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="FileFormatException">The file is no pack, or its header or index is damaged.</exception>
    public static PackCheck Run(string path, Action<long, long>? progress = null, CancellationToken cancellation = default)
    {
        var file = VpkFile.Open(path);
        var damaged = new List<string>();
        for (var i = 0; i < file.Entries.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (!file.IsWhole(i))
                damaged.Add($"record {i}, {file.NameOf(i)}");
            progress?.Invoke(i + 1, file.Entries.Count);
        }
        var held = file.Entries.Count(e => e.IsValidation);
        return new($"{path}: {file.Entries.Count - held} training and {held} validation images, {file.Facts.ClassNames.Count} classes, of {file.Facts.Source}", file.Entries.Count, damaged);
    }
}
