using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>
/// Some images of a data set: as many of each class as of every other, as far as they go, always the same ones, so that runs
/// with other seeds learn from the same images.
/// </summary>
public sealed class LimitedDataset : IImageDataset
{
    private readonly IImageDataset _whole;
    private readonly int[] _chosen;

    /// <param name="whole">The data set.</param>
    /// <param name="count">How many of its images, at least 1.</param>
    /// <exception cref="VertebraException">It has fewer.</exception>
    public LimitedDataset(IImageDataset whole, int count)
    {
        if (count < 1 || count > whole.Count)
            throw new VertebraException($"--train-limit is {count}; it must be 1 to {whole.Count}, the images of {whole.Identity}");
        _whole = whole;
        _chosen = [.. Enumerable.Range(0, whole.Count).GroupBy(whole.Label).SelectMany(Drawn).OrderBy(i => i.Place).ThenBy(i => i.Label).Take(count).Select(i => i.Index).Order()];
        Identity = $"{count} of {whole.Identity}";
    }

    // The n-th image of each class comes before the next one of any.
    private static IEnumerable<(int Index, int Label, int Place)> Drawn(IGrouping<int, int> images)
    {
        var members = images.ToArray();
        return SampleOrder.Shuffled(members.Length, new Philox(0, Hashing.Fnv1a($"limit/{images.Key}"))).Select((m, place) => (members[m], images.Key, place));
    }

    public string Identity { get; }

    public string Kind => _whole.Kind;

    public int Count => _chosen.Length;

    public IReadOnlyList<string> ClassNames => _whole.ClassNames;

    public Preprocessing Preprocessing => _whole.Preprocessing;

    public bool IsInMemory => _whole.IsInMemory;

    public int Label(int index) => _whole.Label(_chosen[index]);

    public string NameOf(int index) => _whole.NameOf(_chosen[index]);

    public RgbImage Load(int index) => _whole.Load(_chosen[index]);

    public StoredImage? Borrow(int index) => _whole.Borrow(_chosen[index]);
}
