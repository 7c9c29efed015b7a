using Vertebra.Kernels;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

/// <summary>Tests that nothing else may run beside: they set process-wide state, or need the kernel threads for themselves.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}

/// <summary>
/// The number of threads never shows in the bits, of results or of gradients. Not beside other tests: the pool serves one caller
/// at a time, and whoever comes second computes on its own thread, where the number of threads would go untested.
/// </summary>
[Collection(Alone.Name)]
public class ThreadCountTests
{
    [Fact]
    public void Results_have_the_same_bits_at_any_number_of_threads() =>
        OpSweepTests.Sweep(_ => true, c => CheckSameBits(() => c.Op.ApplyAll(c.Inputs)));

    [Fact]
    public void Gradients_have_the_same_bits_at_any_number_of_threads() =>
        OpSweepTests.Sweep(OpChecks.HasGradient, c => CheckSameBits(() => Gradients(c)));

    private static Tensor[] Gradients(OpCase c)
    {
        try
        {
            return OpChecks.FirstDerivatives(c, Array.ConvertAll(c.Inputs, i => i.Clone()));
        }
        catch (VertebraException e) when (e.Message.Contains("have no gradient"))
        {
            // An input that cannot be trained, such as class weights: other cases of the op go without it.
            return [];
        }
    }

    private static void CheckSameBits(Func<Tensor[]> compute)
    {
        var former = Workers.Count;
        try
        {
            Workers.Count = 1;
            var one = Bits(compute());
            foreach (var threads in new[] { 2, 3 })
            {
                Workers.Count = threads;
                Assert.Equal(one, Bits(compute()));
            }
        }
        finally
        {
            Workers.Count = former;
        }
    }

    private static List<long[]> Bits(Tensor[] outputs) =>
        [.. outputs.Select(o => Array.ConvertAll(OpCases.ToDouble(o), BitConverter.DoubleToInt64Bits))];
}
