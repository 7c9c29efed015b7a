using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data.MultiLabel;

/// <summary>Images in a folder that may each show several classes, or none, as its <c>labels.csv</c> says (<see cref="LabelTable"/>).</summary>
public sealed class MultiLabelDataset : IImageDataset
{
    private readonly string _root;
    private readonly (string File, int[] Labels)[] _items;

    private MultiLabelDataset(string split, string root, IReadOnlyList<string> classNames, (string File, int[] Labels)[] items)
    {
        (_root, ClassNames, _items) = (root, classNames, items);
        Identity = FormattableString.Invariant($"multi-label {split} in {root}: {items.Length} images, {classNames.Count} classes, {items.Average(i => i.Labels.Length):0.0#} an image");
    }

    public string Identity { get; }

    public int Count => _items.Length;

    /// <summary>Every class that the table names, of whatever split, sorted by ordinal comparison.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>ImageNet's.</summary>
    public Preprocessing Preprocessing => Preprocessing.ImageNet;

    public bool IsInMemory => false;

    public bool IsMultiLabel => true;

    /// <summary>The image's first class; -1 where it has none.</summary>
    public int Label(int index) => _items[index].Labels is [var first, ..] ? first : -1;

    public IReadOnlyList<int> LabelsOf(int index) => _items[index].Labels;

    /// <summary>Path of the file below the data set's folder.</summary>
    public string NameOf(int index) => _items[index].File;

    public RgbImage Load(int index)
    {
        using var stored = Borrow(index);
        return stored.Decode();
    }

    /// <summary>The bytes of the file.</summary>
    /// <inheritdoc cref="IImageDataset.Borrow" path="/exception"/>
    public StoredImage Borrow(int index) => StoredImage.ReadFile(Path.Combine(_root, _items[index].File));

    /// <summary>Opens one split: the table's own, or a share drawn from all images.</summary>
    /// <param name="directory">Folder of <c>labels.csv</c>.</param>
    /// <param name="split">Which images.</param>
    /// <param name="options">Share and seed of a drawn split; classes of a trained network.</param>
    /// <exception cref="VertebraException">The table is missing or wrong, or there is no image of the split.</exception>
    public static MultiLabelDataset Open(string directory, DatasetSplit split, DatasetOptions options)
    {
        DatasetFiles.RequireFolder(directory);
        HeldBackShare.Require(directory, options.ValidationShare);
        var rows = LabelTable.Read(directory);
        var names = options.ClassNames ?? [.. rows.SelectMany(r => r.Labels).Distinct().Order(StringComparer.Ordinal)];
        if (names.Count == 0)
            throw new VertebraException($"{directory}: no image of {LabelTable.FileName} has a class");
        var (chosen, name) = Choose(rows, directory, split, options);
        var places = names.Select((n, i) => (n, i)).DistinctBy(n => n.n).ToDictionary(n => n.n, n => n.i, StringComparer.Ordinal);
        var items = chosen.Select(r => (r.File, Array.ConvertAll(r.Labels, l => places.TryGetValue(l, out var place) ? place
            : throw new VertebraException($"{directory}: {r.File} has the class {l}, which is none of the network's {names.Count}"))));
        return new(name, directory, names, [.. items.Select(i => (i.File, i.Item2.Order().ToArray()))]);
    }

    private static (IEnumerable<LabelTable.Row> Rows, string Name) Choose(List<LabelTable.Row> rows, string directory, DatasetSplit split, DatasetOptions options)
    {
        var hasSplit = rows[0].IsHeld is not null;
        if (hasSplit && options.ValidationShare is not null && split != DatasetSplit.Evaluation)
            throw new VertebraException($"{directory}: {LabelTable.FileName} has a split of its own; leave out the validation share");
        var (chosen, name) = (split, hasSplit, options.ValidationShare) switch
        {
            (DatasetSplit.Train, true, _) => (rows.Where(r => r.IsHeld == false), "train"),
            (_, true, _) => (rows.Where(r => r.IsHeld == true), "val"),
            (DatasetSplit.Train, false, null) or (DatasetSplit.Evaluation, false, null) => (rows, "images"),
            // Classes overlap, so the share is of all images, not of each class.
            (_, false, { } share) => (HeldBackShare.Draw(rows, _ => 0, ["all"], share, options.Seed, split != DatasetSplit.Train), split == DatasetSplit.Train ? "training share" : "validation share"),
            _ => throw new VertebraException($"{directory}: {LabelTable.FileName} has no column split; add one with train or val, or hold back a share with --val-split 0.1"),
        };
        return chosen.Any() ? (chosen, name) : throw new VertebraException($"{directory}: {LabelTable.FileName} has no image of the split {name}");
    }
}
