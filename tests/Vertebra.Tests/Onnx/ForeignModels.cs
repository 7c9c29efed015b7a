using System.Runtime.InteropServices;

namespace Vertebra.Tests.Onnx;

/// <summary>
/// ONNX files that PyTorch wrote, with an input and its output beside them (<c>NAME.onnx</c>, <c>NAME.input.f32</c>,
/// <c>NAME.output.f32</c>), as <c>peers/bench.py ort export MODEL</c> leaves them. They are found through
/// <c>VERTEBRA_ONNX_MODELS</c> or in <c>../peers/.work/onnx</c> beside the shared data.
/// </summary>
internal static class ForeignModels
{
    public const string Missing = "needs ONNX files of torchvision's networks: set VERTEBRA_ONNX_MODELS to their folder, or run peers/bench.py ort export";

    public static string? Folder { get; } = Find();

    public static IEnumerable<string> Names =>
        Folder is null ? [] : Directory.GetFiles(Folder, "*_b1.onnx").Select(f => Path.GetFileNameWithoutExtension(f)!).Order(StringComparer.Ordinal);

    public static string PathOf(string name) => Path.Combine(Folder!, $"{name}.onnx");

    public static float[] Read(string name, string what) =>
        MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Path.Combine(Folder!, $"{name}.{what}.f32"))).ToArray();

    private static string? Find()
    {
        string?[] candidates =
        [
            Environment.GetEnvironmentVariable("VERTEBRA_ONNX_MODELS"),
            SharedData.Root is null ? null : Path.Combine(SharedData.Root, "peers", ".work", "onnx"),
            SharedData.Root is null ? null : Path.Combine(SharedData.Root, "..", "peers", ".work", "onnx"),
        ];
        return candidates.FirstOrDefault(c => c is not null && Directory.Exists(c) && Directory.GetFiles(c, "*_b1.onnx").Length > 0);
    }
}

/// <summary>A theory over files that PyTorch exported; skipped, with the reason, where there are none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ForeignModelTheoryAttribute : TheoryAttribute
{
    public ForeignModelTheoryAttribute()
    {
        if (ForeignModels.Folder is null)
            Skip = ForeignModels.Missing;
    }
}
