using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>Some images of a data set.</summary>
/// <param name="whole">The data set.</param>
/// <param name="indices">Which of its images, in the order of this set.</param>
public sealed class SubsetDataset(IImageDataset whole, IReadOnlyList<int> indices) : IImageDataset
{
    /// <summary>
    /// So many images, as many of each class as of every other, as far as they go; always the same ones, so that runs with other
    /// seeds learn from the same images, and a smaller subset is a part of a larger one.
    /// </summary>
    /// <param name="whole">The data set.</param>
    /// <param name="count">How many of its images.</param>
    /// <param name="flag">What asked for it, for messages.</param>
    /// <exception cref="VertebraException">It has fewer, or none are asked for.</exception>
    public static SubsetDataset Balanced(IImageDataset whole, int count, string flag)
    {
        if (count < 1 || count > whole.Count)
            throw new VertebraException($"{flag} is {count}; it must be 1 to {whole.Count}, the images of {whole.Identity}");
        return new(whole, [.. Enumerable.Range(0, whole.Count).GroupBy(whole.Label).SelectMany(Drawn).OrderBy(i => i.Place).ThenBy(i => i.Label).Take(count).Select(i => i.Index).Order()]);
    }

    // The n-th image of each class comes before the next one of any.
    private static IEnumerable<(int Index, int Label, int Place)> Drawn(IGrouping<int, int> images)
    {
        var members = images.ToArray();
        return SampleOrder.Shuffled(members.Length, new Philox(0, Hashing.Fnv1a($"subset/{images.Key}"))).Select((m, place) => (members[m], images.Key, place));
    }

    public string Identity { get; } = $"{indices.Count} of {whole.Identity}";

    public string Kind => whole.Kind;

    public int Count => indices.Count;

    public IReadOnlyList<string> ClassNames => whole.ClassNames;

    public Preprocessing Preprocessing => whole.Preprocessing;

    public bool IsInMemory => whole.IsInMemory;

    public int Label(int index) => whole.Label(indices[index]);

    public bool IsMultiLabel => whole.IsMultiLabel;

    public IReadOnlyList<int> LabelsOf(int index) => whole.LabelsOf(indices[index]);

    public string NameOf(int index) => whole.NameOf(indices[index]);

    public RgbImage Load(int index) => whole.Load(indices[index]);

    public StoredImage? Borrow(int index) => whole.Borrow(indices[index]);
}
