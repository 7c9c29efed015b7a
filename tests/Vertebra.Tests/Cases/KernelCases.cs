using Vertebra.Kernels;

namespace Vertebra.Tests.Cases;

/// <summary>The checks of kernels apart from ops, callable without a test runner, so that every instruction level can run them.</summary>
public static partial class KernelCases
{
    // Small enough for cases to have results that go past the caches, whatever the caches of this machine.
    static KernelCases() => Epilogue.StreamedCount = 1 << 18;

    public static IEnumerable<(string Name, Action Check)> All() => [.. MatMulCases(), .. ConvCases(), .. WinogradCases(), .. VectorMathCases.All(), .. Lab.Images.ImageCases.All(),
        ("pixel operations", new Lab.Data.Augment.PixelOperationTests().Every_operation_gives_Pillows_pixels)];

    /// <summary>
    /// Compares with float64 sums. <paramref name="magnitudes"/> are the sums of the absolute values of the same terms: rounding
    /// errors of float32 are in proportion to those, not to the result.
    /// </summary>
    private static void AssertClose(ReadOnlySpan<double> expected, ReadOnlySpan<double> magnitudes, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            var allowed = 4e-7 * magnitudes[i] + 1e-12;
            Assert.True(Math.Abs(expected[i] - actual[i]) <= allowed, $"element {i}: {actual[i]} instead of {expected[i]}, {allowed} allowed");
        }
    }

    /// <summary>Runs on 1, 2 and 3 threads and asserts the same bits, with nothing written outside.</summary>
    private static GuardedFloats SameBitsOnAnyThreads(int length, Action<GuardedFloats> run)
    {
        var before = Workers.Count;
        GuardedFloats? first = null;
        try
        {
            foreach (var threads in (int[])[1, 2, 3])
            {
                Workers.Count = threads;
                var output = new GuardedFloats(length);
                run(output);
                output.AssertGuards();
                if (first is null)
                {
                    first = output;
                    continue;
                }
                for (var i = 0; i < length; i++)
                    Assert.True(BitConverter.SingleToInt32Bits(first[i]) == BitConverter.SingleToInt32Bits(output[i]), $"element {i} differs on {threads} threads");
            }
        }
        finally
        {
            Workers.Count = before;
        }
        return first!;
    }
}
