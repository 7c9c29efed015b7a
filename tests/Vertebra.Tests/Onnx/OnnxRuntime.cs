using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Vertebra.Tests.Onnx;

/// <summary>ONNX Runtime from the npm package onnxruntime-node: a consumer of ONNX files that this project did not write.</summary>
internal static class OnnxRuntime
{
    private static readonly string Folder = Path.Combine(SharedData.RepositoryRoot, "tests", "interop");
    private static readonly Lazy<string?> Problem = new(Install);

    /// <summary>Why ONNX Runtime cannot be used here; null when it can. Node.js is no part of the .NET SDK.</summary>
    public static string? Unavailable { get; } = Find("node") is null ? "needs Node.js, to run exported networks in ONNX Runtime" : null;

    /// <summary>Runs a model on one image batch [N, C, H, W] and returns its outputs by name.</summary>
    public static Dictionary<string, (int[] Shape, float[] Values)> Run(string model, float[] input, int[] shape)
    {
        Assert.Null(Problem.Value);
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["input.f32"], MemoryMarshal.AsBytes<float>(input).ToArray());
        var text = Execute("node", [Path.Combine(Folder, "run.js"), model, folder["input.f32"], string.Join(',', shape), folder["out"]]);
        using var json = JsonDocument.Parse(text.Trim().Split('\n')[^1]);
        return json.RootElement.EnumerateObject().ToDictionary(o => o.Name, o => (
            o.Value.EnumerateArray().Select(d => d.GetInt32()).ToArray(),
            MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(folder[$"out.{o.Name}.f32"])).ToArray()));
    }

    private static string? Install()
    {
        if (Directory.Exists(Path.Combine(Folder, "node_modules", "onnxruntime-node")))
            return null;
        try
        {
            Execute("npm", ["install", "--prefix", Folder]);
            return null;
        }
        catch (InvalidOperationException e)
        {
            return $"npm could not install onnxruntime-node: {e.Message}";
        }
    }

    private static string Execute(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(Find(program) ?? program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Folder };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} failed: {errors.Result}");
    }

    private static string? Find(string program)
    {
        string[] extensions = OperatingSystem.IsWindows() ? [".exe", ".cmd"] : [""];
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .SelectMany(folder => extensions.Select(e => Path.Combine(folder, program + e))).FirstOrDefault(File.Exists);
    }
}

/// <summary>A fact that runs exported networks in ONNX Runtime; skipped where Node.js is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class OnnxRuntimeFactAttribute : FactAttribute
{
    public OnnxRuntimeFactAttribute() => Skip = OnnxRuntime.Unavailable;
}

/// <summary>A theory that runs exported networks in ONNX Runtime; skipped where Node.js is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class OnnxRuntimeTheoryAttribute : TheoryAttribute
{
    public OnnxRuntimeTheoryAttribute() => Skip = OnnxRuntime.Unavailable;
}
