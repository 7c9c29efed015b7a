using System.Diagnostics;
using Vertebra.Communication;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;
using Vertebra.Nn;

namespace Vertebra.Tests.Cli;

/// <summary>Training in several processes, as <c>mpirun</c> starts them.</summary>
public sealed class MpiTests : IDisposable
{
    private static readonly string[] Training =
    [
        "train", "--model", "resnet20_cifar", "--dataset", "folder", "--data-dir", "photos", "--val-split", "0.25", "--img-size", "16", "--train-crop-mode", "rrc",
        "--opt", "sgd", "--lr", "0.05", "--warmup-epochs", "0", "--log-interval", "1", "--threads", "1",
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [MpiTheory]
    [MemberData(nameof(MpiRun.Programs), MemberType = typeof(MpiRun))]
    public void Two_processes_give_the_weights_of_one(string mpirun)
    {
        MakePhotos();
        var shared = MpiRun.Finish(MpiRun.Start(_folder.Path, mpirun, 2, [.. Training, "--epochs", "2", "--batch-size", "8", "--sync-bn", "--experiment", "two"])).Succeeded();
        Assert.Contains("2 processes, 16 images a batch", shared);
        Assert.Single(shared.Split('\n'), l => l.Contains("Writing to"));
        CommandLine.Run(_folder.Path, [.. Training, "--epochs", "2", "--batch-size", "16", "--experiment", "one"]).Succeeded();
        var (one, two) = (Weights("one"), Weights("two"));
        Assert.Equal(one.Keys, two.Keys);
        foreach (var (name, tensor) in one.Where(t => t.Value.DType == DType.Float32))
        {
            var (expected, actual) = (tensor.ToArray<float>(), two[name].ToArray<float>());
            var largest = expected.Max(MathF.Abs);
            Assert.True(expected.Zip(actual, (a, b) => MathF.Abs(a - b)).Max() < 1e-3f * Math.Max(0.01f, largest), name);
        }
        MpiRun.Finish(MpiRun.Start(_folder.Path, mpirun, 2, ["train", "--resume", "runs/two"])).Succeeded();
    }

    [MpiTheory]
    [MemberData(nameof(MpiRun.Programs), MemberType = typeof(MpiRun))]
    public void One_process_that_is_killed_ends_all(string mpirun)
    {
        MakePhotos();
        using var process = MpiRun.Start(_folder.Path, mpirun, 2, [.. Training, "--batch-size", "4", "--epochs", "10000", "--experiment", "killed"]);
        while (process.StandardOutput.ReadLine() is { } line && !line.Contains("Train: 0"))
        {
        }
        var child = MpiRun.Descendants(process.Id).First(id => File.ReadAllText($"/proc/{id}/cmdline").Contains("vertebra.dll"));
        using (var victim = Process.GetProcessById(child))
            victim.Kill();
        _ = process.StandardError.ReadToEndAsync();
        _ = process.StandardOutput.ReadToEndAsync();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)), "the other process goes on");
        Assert.NotEqual(0, process.ExitCode);
    }

    [Fact]
    public void A_launcher_without_a_library_is_told_what_to_install()
    {
        MakePhotos();
        var environment = new Dictionary<string, string> { ["PMI_SIZE"] = "2", ["PMI_RANK"] = "1", [MpiLibrary.PathVariable] = _folder["libnone.so"] };
        var error = CommandLine.Run(_folder.Path, environment, [.. Training, "--batch-size", "4"]).Refused();
        Assert.Contains("started 2 processes to work together, but the MPI library cannot be loaded", error);
        Assert.Contains("libopenmpi3", error);
        Assert.False(Directory.Exists(_folder["runs"]));
        environment[MpiLibrary.PathVariable] = "libc.so.6";
        Assert.Contains("libc.so.6 is no MPI library", CommandLine.Run(_folder.Path, environment, [.. Training, "--batch-size", "4"]).Refused());
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("OMPI_COMM_WORLD_SIZE=4 OMPI_COMM_WORLD_RANK=2", 4)]
    [InlineData("OMPI_COMM_WORLD_SIZE=1 OMPI_COMM_WORLD_RANK=0", 0)]
    [InlineData("PMI_SIZE=3 PMI_RANK=0", 3)]
    [InlineData("SLURM_NTASKS=8 PMIX_RANK=5", 8)]
    [InlineData("SLURM_NTASKS=8", 0)]
    [InlineData("PMI_SIZE=many PMI_RANK=0", 0)]
    public void Launchers_are_known_by_their_variables(string environment, int count)
    {
        var variables = environment.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(v => v.Split('=')).ToDictionary(v => v[0], v => v[1]);
        Assert.Equal(count, MpiLauncher.Find(variables.GetValueOrDefault)?.Count ?? 0);
    }

    private IReadOnlyDictionary<string, Tensor> Weights(string run) => Safetensors.Read(_folder[$"runs/{run}/last.safetensors"]).Tensors;

    private void MakePhotos()
    {
        foreach (var (name, red) in (ReadOnlySpan<(string, byte)>)[("red", 200), ("blue", 20)])
        {
            Directory.CreateDirectory(_folder[$"photos/{name}"]);
            for (var i = 0; i < 24; i++)
            {
                var image = new RgbImage(24, 20);
                for (var k = 0; k < image.Pixels.Length; k++)
                    image.Pixels[k] = (byte)((k % 3 == 0 ? red : 255 - red) + (i * k % 31) - 15);
                File.WriteAllBytes(_folder[$"photos/{name}/{i}.png"], PngWriter.Encode(image));
            }
        }
    }
}

/// <summary>The launchers of this machine.</summary>
public static class MpiRun
{
    private static readonly string[] Names = ["mpirun.openmpi", "mpirun.mpich"];

    /// <summary>Those that there are, with their arguments; the plain <c>mpirun</c> where neither has a name of its own.</summary>
    public static TheoryData<string> Programs { get; } = Found() is { Length: > 0 } found ? new(found) : new("mpirun");

    /// <summary>Why tests that need one are skipped; null where they are not.</summary>
    public static string? Missing { get; } = Found().Length > 0 ? null : "needs mpirun (apt-get install openmpi-bin libopenmpi3)";

    internal static Process Start(string folder, string mpirun, int count, string[] arguments)
    {
        string[] options = mpirun.Contains("mpich") ? ["-np", $"{count}"] : ["-np", $"{count}", "--oversubscribe"];
        var start = new ProcessStartInfo(mpirun, [.. options, "dotnet", Path.Combine(AppContext.BaseDirectory, "vertebra.dll"), .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Test machines are containers, whose only user is root.
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        return Process.Start(start)!;
    }

    internal static CommandResult Finish(Process process)
    {
        using (process)
            return CommandLine.Finish(process);
    }

    internal static IEnumerable<int> Descendants(int id)
    {
        var children = File.ReadAllText($"/proc/{id}/task/{id}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse).ToArray();
        return children.Concat(children.SelectMany(Descendants));
    }

    private static string[] Found()
    {
        bool IsThere(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, name)));
        var named = Array.FindAll(Names, IsThere);
        return named.Length > 0 ? named : IsThere("mpirun") ? ["mpirun"] : [];
    }
}

/// <summary>A theory that needs <c>mpirun</c>; skipped, with the reason, where it is absent.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MpiTheoryAttribute : TheoryAttribute
{
    public MpiTheoryAttribute() => Skip = MpiRun.Missing;
}
