using System.Text.RegularExpressions;

namespace Vertebra.Tests;

/// <summary>Dependencies point one way: Core ← Zoo ← Lab ← Cli, Core ← Onnx ← Cli; inside Core: Kernels ← {Tensors, Ops, Autograd} ← Nn ← Graphs.</summary>
public class LayeringTests
{
    [Theory]
    [InlineData("Core", "")]
    [InlineData("Zoo", "Core")]
    [InlineData("Onnx", "Core")]
    [InlineData("Lab", "Core Zoo")]
    [InlineData("Cli", "Core Lab Onnx Zoo")]
    public void Projects_reference_only_the_rooms_below_them(string project, string allowed)
    {
        var text = File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "src", $"Vertebra.{project}", $"Vertebra.{project}.csproj"));
        var references = Regex.Matches(text, @"<ProjectReference Include="".*?Vertebra\.(\w+)\.csproj""").Select(m => m.Groups[1].Value).Order();
        Assert.Equal(allowed, string.Join(' ', references));
    }

    [Fact]
    public void Core_depends_on_no_package_and_is_the_only_project_with_unsafe_code()
    {
        foreach (var file in Directory.GetFiles(Path.Combine(SharedData.RepositoryRoot, "src"), "*.csproj", SearchOption.AllDirectories))
        {
            var text = File.ReadAllText(file);
            var isCore = Path.GetFileNameWithoutExtension(file) == "Vertebra.Core";
            Assert.Equal(isCore, text.Contains("AllowUnsafeBlocks"));
            if (isCore)
                Assert.DoesNotContain("PackageReference", text);
        }
    }

    [Theory]
    [InlineData("Kernels", "Vertebra.Ops Vertebra.Autograd Vertebra.Nn Vertebra.Graphs")]
    [InlineData("Communication", "Vertebra.Ops Vertebra.Autograd Vertebra.Nn Vertebra.Graphs")]
    [InlineData("Tensors", "Vertebra.Nn Vertebra.Graphs")]
    [InlineData("Ops", "Vertebra.Nn Vertebra.Graphs")]
    [InlineData("Autograd", "Vertebra.Nn Vertebra.Graphs")]
    [InlineData("Nn", "Vertebra.Graphs")]
    public void Rooms_inside_Core_use_only_the_rooms_below_them(string room, string forbidden)
    {
        var folder = Path.Combine(SharedData.RepositoryRoot, "src", "Vertebra.Core", room);
        if (!Directory.Exists(folder))
            return;
        foreach (var file in Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories))
        {
            var text = File.ReadAllText(file);
            foreach (var name in forbidden.Split(' '))
                Assert.False(Regex.IsMatch(text, $@"\b{Regex.Escape(name)}\b(?!\.dll)"), $"{file} mentions {name}");
        }
    }
}
