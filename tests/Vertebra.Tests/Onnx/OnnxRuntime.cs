using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Vertebra.Onnx;

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

    /// <summary>Runs many models in one process, which is much faster than a process each. Failures are results: one bad file leaves the others alone.</summary>
    public static IReadOnlyList<OnnxRuntimeResult> RunMany(IReadOnlyList<OnnxRuntimeJob> jobs)
    {
        Assert.Null(Problem.Value);
        if (jobs.Count == 0)
            return [];
        using var folder = new TemporaryFolder();
        var entries = jobs.Select((job, j) => new
        {
            model = job.Model,
            inputs = job.Inputs.Select((tensor, i) =>
            {
                var file = folder[$"{j}.{i}.in"];
                File.WriteAllBytes(file, TensorBytes.Of(tensor).ToArray());
                return new { file, type = NameOf(tensor.DType), dims = tensor.Shape.ToArray() };
            }).ToArray(),
            output = folder[$"{j}"],
        }).ToArray();
        File.WriteAllText(folder["jobs.json"], JsonSerializer.Serialize(entries));
        var lines = Execute("node", [Path.Combine(Folder, "run_many.js"), folder["jobs.json"]]).Trim().Split('\n');
        Assert.Equal(jobs.Count, lines.Length);
        return [.. lines.Select((line, j) => Read(line, folder[$"{j}"]))];
    }

    private static OnnxRuntimeResult Read(string line, string prefix)
    {
        using var json = JsonDocument.Parse(line);
        if (json.RootElement.TryGetProperty("error", out var error))
            return new(error.GetString(), []);
        return new(null, [.. json.RootElement.GetProperty("outputs").EnumerateArray().Select((o, i) => ReadTensor(
            o.GetProperty("type").GetString()!, [.. o.GetProperty("dims").EnumerateArray().Select(d => d.GetInt32())], File.ReadAllBytes($"{prefix}.{i}.bin")))]);
    }

    private static Tensor ReadTensor(string type, int[] dims, byte[] bytes) => type switch
    {
        "float32" => Tensor.From<float>(MemoryMarshal.Cast<byte, float>(bytes), dims),
        "float64" => Tensor.From<double>(MemoryMarshal.Cast<byte, double>(bytes), dims),
        "float16" => Tensor.From<Half>(MemoryMarshal.Cast<byte, Half>(bytes), dims),
        "int64" => Tensor.From<long>(MemoryMarshal.Cast<byte, long>(bytes), dims),
        "int32" => Tensor.From<int>(MemoryMarshal.Cast<byte, int>(bytes), dims),
        "int8" => Tensor.From<sbyte>(MemoryMarshal.Cast<byte, sbyte>(bytes), dims),
        "uint8" => Tensor.From(bytes, dims),
        "bool" => Tensor.From<bool>(MemoryMarshal.Cast<byte, bool>(bytes), dims),
        _ => throw new NotSupportedException(type),
    };

    private static string NameOf(DType dtype) => dtype == DType.BFloat16 ? throw new NotSupportedException("ONNX Runtime's JavaScript interface has no bfloat16") : dtype.ToString().ToLowerInvariant();

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

/// <summary>One model and what it is given.</summary>
internal sealed record OnnxRuntimeJob(string Model, IReadOnlyList<Tensor> Inputs);

/// <summary>Outputs in the file's order, or why there are none.</summary>
internal sealed record OnnxRuntimeResult(string? Error, IReadOnlyList<Tensor> Outputs);

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

/// <summary>A fact that also needs the shared reference data.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SharedOnnxRuntimeFactAttribute : FactAttribute
{
    public SharedOnnxRuntimeFactAttribute() => Skip = OnnxRuntime.Unavailable ?? (SharedData.Root is null ? SharedData.Missing : null);
}

/// <summary>A fact that takes an hour: it runs with <c>VERTEBRA_FULL_SWEEP=1</c> only, and is skipped, saying so, otherwise.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class FullSweepFactAttribute : FactAttribute
{
    public FullSweepFactAttribute() => Skip = OnnxRuntime.Unavailable ?? (OnnxZoo.IsFullSweep || OnnxZoo.Renewed.Count > 0 ? null : "takes an hour: runs with VERTEBRA_FULL_SWEEP=1");
}
