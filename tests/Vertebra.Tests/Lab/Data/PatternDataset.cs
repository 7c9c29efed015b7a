using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Data;

/// <summary>Images whose every pixel tells the index; some of them broken.</summary>
internal sealed class PatternDataset(int count, int size, params int[] broken) : IImageDataset
{
    private int _loads;

    public int Loads => _loads;

    public string Identity => "pattern";

    public int Count => count;

    public IReadOnlyList<string> ClassNames { get; } = ["even", "odd"];

    public Preprocessing Preprocessing => Preprocessing.Whole(size, [0, 0, 0], [1, 1, 1]);

    public bool IsInMemory { get; init; }

    public int Label(int index) => index % 2;

    public string NameOf(int index) => $"pattern {index}";

    public RgbImage Load(int index)
    {
        Interlocked.Increment(ref _loads);
        if (broken.Contains(index))
            throw new FileFormatException($"pattern {index}: broken");
        var pixels = new byte[size * size * 3];
        for (var i = 0; i < pixels.Length; i++)
            pixels[i] = (byte)((index * 31) + i);
        return new(size, size, pixels);
    }
}
