using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;

namespace Vertebra.Tests.Distribution;

/// <summary>The forms in which the program is given away are built and started.</summary>
public sealed class DistributionTests(BuildOutput output) : IClassFixture<BuildOutput>
{
    [PublishFact]
    public void A_single_file_is_published_and_works_without_an_installed_runtime()
    {
        using var place = new TemporaryFolder();
        var folder = Path.Combine(place.Path, "published");
        output.Build("publish", "-r", PublishFactAttribute.Rid, "-p:PublishSingleFile=true", "-o", folder);
        var file = Assert.Single(Directory.GetFiles(folder));
        StartsAndComputes(file, place.Path, new Dictionary<string, string?> { ["DOTNET_ROOT"] = null, ["PATH"] = "" });
    }

    [PublishFact]
    public void The_tool_package_is_packed_installed_and_works()
    {
        using var place = new TemporaryFolder();
        var (packages, tools) = (Path.Combine(place.Path, "packages"), Path.Combine(place.Path, "tools"));
        output.Build("pack", "-o", packages);
        Run("dotnet", place.Path, [], "tool", "install", "vertebra", "--tool-path", tools, "--source", packages);
        var runtime = Path.GetDirectoryName(RuntimeEnvironment.GetRuntimeDirectory().TrimEnd(Path.DirectorySeparatorChar));
        StartsAndComputes(Path.Combine(tools, OperatingSystem.IsWindows() ? "vertebra.exe" : "vertebra"), place.Path,
            new Dictionary<string, string?> { ["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(runtime!, "..", "..")) });
    }

    // A list from the registry, logits, a picture through the decoder, and a file through the ONNX writer and reader.
    private static void StartsAndComputes(string program, string folder, Dictionary<string, string?> environment)
    {
        Assert.Contains("resnet18", Run(program, folder, environment, "models", "resnet18*", "--csv"));
        using var cold = JsonDocument.Parse(Run(program, folder, environment, "bench", "resnet20_cifar", "--cold", "--json"));
        Assert.True(cold.RootElement.GetProperty("first_logits_ms").GetDouble() > 0);
        Assert.Equal(Vertebra.Kernels.Simd.Level.ToString(), cold.RootElement.GetProperty("level").GetString());
        PngWriter.Save(Path.Combine(folder, "grey.png"), new RgbImage(40, 40));
        Assert.Contains("%", Run(program, folder, environment, "predict", "resnet20_cifar", "grey.png"));
        Run(program, folder, environment, "export", "resnet20_cifar", "-o", "net.onnx", "--check");
        Assert.True(File.Exists(Path.Combine(folder, "net.onnx")));
    }

    internal static string Run(string program, string folder, Dictionary<string, string?> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        return Cli.CommandLine.Finish(process).Succeeded();
    }
}

/// <summary>Output of the builds apart from the checkout's own, so that tests change nothing there; gone with the tests.</summary>
public sealed class BuildOutput : IDisposable
{
    private readonly TemporaryFolder _place = new();

    /// <summary>Runs <c>dotnet VERB</c> on the command line's project in Release.</summary>
    internal void Build(string verb, params string[] arguments) => DistributionTests.Run("dotnet", _place.Path, [],
        [verb, Path.Combine(SharedData.RepositoryRoot, "src", "Vertebra.Cli"), "-c", "Release", "-v", "quiet", "-nodeReuse:false", "--artifacts-path", Path.Combine(_place.Path, "artifacts"), "-p:RunAnalyzers=false", "-p:UseSharedCompilation=false", .. arguments]);

    public void Dispose() => _place.Dispose();
}

/// <summary>A fact that needs the packs which self-contained programs are made of; skipped where they have not been restored.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PublishFactAttribute : FactAttribute
{
    private static readonly string s_packages = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
        ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    public PublishFactAttribute()
    {
        var missing = new[] { "runtime", "crossgen2" }.Select(p => $"microsoft.netcore.app.{p}.{Rid}").FirstOrDefault(p => !Directory.Exists(Path.Combine(s_packages, p)));
        if (missing is not null)
            Skip = $"needs the package {missing}; 'dotnet restore src/Vertebra.Cli -r {Rid} -p:PublishSingleFile=true' fetches it";
    }

    /// <summary>The platform of this process.</summary>
    internal static string Rid => RuntimeInformation.RuntimeIdentifier;
}
