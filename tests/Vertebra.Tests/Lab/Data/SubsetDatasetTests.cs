using Vertebra.Lab.Data;

namespace Vertebra.Tests.Lab.Data;

public class SubsetDatasetTests
{
    [Fact]
    public void Classes_have_as_many_images_as_each_other_and_always_the_same_ones()
    {
        var whole = new PatternDataset(100, 4);
        var some = SubsetDataset.Balanced(whole, 31, "--train-limit");
        Assert.Equal(31, some.Count);
        Assert.Equal([16, 15], Enumerable.Range(0, 31).GroupBy(some.Label).OrderBy(g => g.Key).Select(g => g.Count()));
        var names = Enumerable.Range(0, 31).Select(some.NameOf).ToArray();
        Assert.Equal(31, names.Distinct().Count());
        Assert.Equal(names, Enumerable.Range(0, 31).Select(SubsetDataset.Balanced(whole, 31, "--train-limit").NameOf));
        // Not simply the first ones, and a smaller limit keeps a part of a larger one's.
        Assert.NotEqual(Enumerable.Range(0, 31).Select(whole.NameOf), names);
        Assert.Subset(names.ToHashSet(), Enumerable.Range(0, 10).Select(SubsetDataset.Balanced(whole, 10, "--train-limit").NameOf).ToHashSet());
        for (var i = 0; i < 31; i++)
            Assert.Equal(whole.Load(int.Parse(names[i].Split(' ')[1])).Pixels, some.Load(i).Pixels);
    }

    [Fact]
    public void More_images_than_there_are_are_refused()
    {
        Assert.Contains("--train-limit is 5; it must be 1 to 4", Assert.Throws<VertebraException>(() => SubsetDataset.Balanced(new PatternDataset(4, 4), 5, "--train-limit")).Message, StringComparison.Ordinal);
    }
}
