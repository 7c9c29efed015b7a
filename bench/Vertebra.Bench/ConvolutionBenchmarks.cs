using BenchmarkDotNet.Attributes;
using Vertebra.Kernels;

namespace Vertebra.Bench;

/// <summary>
/// The 3 × 3 convolutions of ResNets and VGGs by each method, weights packed before, on one thread: the ratios that
/// <see cref="ConvMethods.Fastest"/> is set by.
/// </summary>
[InProcess]
public unsafe class ConvolutionBenchmarks
{
    private NativeFloats _x = null!;
    private NativeFloats _weight = null!;
    private NativeFloats _bias = null!;
    private NativeFloats _y = null!;
    private PackedConvWeights _direct = null!;
    private PackedConvWeights _two = null!;
    private PackedConvWeights _four = null!;
    private ConvShape _shape;

    /// <summary>Side of the image, channels, filters.</summary>
    [Params("112, 64, 128", "56, 64, 64", "28, 128, 128", "14, 256, 256", "7, 512, 512")]
    public string Layer { get; set; } = "";

    [Params(1, 8)]
    public int Batch { get; set; }

    [GlobalSetup]
    public void Prepare()
    {
        Workers.Count = 1;
        var sizes = Layer.Split(", ").Select(int.Parse).ToArray();
        _shape = new(Batch, sizes[0], sizes[0], sizes[1], sizes[2], 3, 3) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        (_x, _weight, _bias, _y) = (new(_shape.InputCount, 1), new(_shape.WeightCount, 2), new(_shape.OC, 3), new(_shape.OutputCount, 4));
        _direct = new(_shape, _weight.Pointer);
        _two = new(_shape, _weight.Pointer, ConvUse.Forward, ConvMethod.Winograd2);
        _four = new(_shape, _weight.Pointer, ConvUse.Forward, ConvMethod.Winograd4);
    }

    [GlobalCleanup]
    public void Release()
    {
        foreach (var memory in (NativeFloats[])[_x, _weight, _bias, _y])
            memory.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Direct() => Conv.Forward(_shape, _x.Pointer, _direct, _bias.Pointer, _y.Pointer);

    [Benchmark]
    public void Winograd2() => Conv.Forward(_shape, _x.Pointer, _two, _bias.Pointer, _y.Pointer);

    [Benchmark]
    public void Winograd4() => Conv.Forward(_shape, _x.Pointer, _four, _bias.Pointer, _y.Pointer);
}
