using Vertebra.Lab.Data.MultiLabel;
using Vertebra.Lab.Data.Packing;
using Vertebra.Lab.Data.Shapes;
using Vertebra.Zoo;

namespace Vertebra.Lab.Data;

/// <summary>Opens data sets by name.</summary>
public static class DatasetFactory
{
    private delegate IImageDataset Opener(string directory, DatasetSplit split, DatasetOptions options);

    private static readonly SortedDictionary<string, Opener> Openers = new(StringComparer.Ordinal)
    {
        ["folder"] = FolderDataset.Open,
        ["cifar10"] = (directory, split, _) => new CifarDataset(directory, 10, split == DatasetSplit.Train),
        ["cifar100"] = (directory, split, _) => new CifarDataset(directory, 100, split == DatasetSplit.Train),
        ["mnist"] = (directory, split, _) => new IdxDataset(directory, fashion: false, split == DatasetSplit.Train),
        ["fashion-mnist"] = (directory, split, _) => new IdxDataset(directory, fashion: true, split == DatasetSplit.Train),
        ["shapes"] = ShapesDataset.Open,
        ["multi-label"] = MultiLabelDataset.Open,
        ["vpk"] = VpkDataset.Open,
    };

    /// <summary>The names that <see cref="Open"/> knows, sorted.</summary>
    public static IReadOnlyCollection<string> Names => Openers.Keys;

    /// <summary>Whether a path is that of a packed data set, by its ending.</summary>
    public static bool IsPack(string? path) => path is not null && path.EndsWith(".vpk", StringComparison.OrdinalIgnoreCase);

    /// <summary>Opens one split of a data set.</summary>
    /// <param name="name">One of <see cref="Names"/>; what ends with .vpk is a pack, whatever the name.</param>
    /// <param name="directory">Where its files are, or the pack.</param>
    /// <param name="split">Which images.</param>
    /// <param name="options">What else there is to say; null for nothing.</param>
    /// <exception cref="VertebraException">The name is unknown, or the data set is missing, incomplete or damaged.</exception>
    public static IImageDataset Open(string name, string directory, DatasetSplit split, DatasetOptions? options = null) =>
        Openers.TryGetValue(IsPack(directory) ? "vpk" : name, out var open) ? open(directory, split, options ?? new())
            : throw new VertebraException($"unknown data set \"{name}\"; {(NearestNames.Find(name, Names) is { Count: > 0 } nearest ? $"the nearest are {string.Join(", ", nearest)}" : $"there are {string.Join(", ", Names)}")}");
}
