using Vertebra.Zoo;

namespace Vertebra.Tests;

/// <summary>The README's helper compiles as it stands there.</summary>
public class ReadmeTests
{
    [Fact]
    public void The_pyramid_of_the_readme_is_code_that_compiles()
    {
        var readme = File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "README.md"));
        var here = File.ReadAllLines(Path.Combine(SharedData.RepositoryRoot, "tests", "Vertebra.Tests", "ReadmeTests.cs")).Select(l => l.Trim()).ToHashSet();
        var start = readme.IndexOf("var backbone = Models.CreatePretrained", StringComparison.Ordinal);
        Assert.True(start > 0);
        Assert.All(readme[start..readme.IndexOf("```", start, StringComparison.Ordinal)].Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.Contains(line.Trim(), here));
        Assert.NotNull((Action)PrintPyramid);
    }

    // Never called here: it would download.
    private static void PrintPyramid()
    {
        var backbone = Models.CreatePretrained("resnet50.a1_in1k");
        foreach (var map in new FeaturePyramid(backbone).Forward(Tensor.Zeros([1, 224, 224, 3])))
            Console.WriteLine(map.Shape);
    }
}
