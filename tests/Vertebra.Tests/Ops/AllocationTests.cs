using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

/// <summary>What a compiled graph rests on: prepared for its shapes, an op of inference computes without making garbage.</summary>
public class AllocationTests
{
    // Ops of training: gradients, losses, random masks, statistics of a batch. They are not part of inference.
    private static readonly HashSet<string> s_training =
    [
        nameof(ActivationGate), nameof(AttentionGradient), nameof(AvgPoolGradient), nameof(BatchNormGradient), nameof(Conv2dWeightGradient),
        nameof(CrossEntropy), nameof(CrossEntropyGradient), nameof(DropPath), nameof(Dropout), nameof(GroupNormGradient), nameof(IndexAdd),
        nameof(InterpolateGradient), nameof(LayerNormGradient), nameof(MaxPoolGradient), nameof(MaxPoolPick), nameof(ScatterAdd),
        nameof(SoftCrossEntropy), nameof(SoftCrossEntropyGradient), nameof(Unslice),
    ];

    // Ops whose kernels still make closures or tables with every call.
    private static readonly HashSet<string> s_open =
    [
        nameof(ArgMax), nameof(ConvTranspose2d), nameof(CumSum), nameof(Gather), nameof(TopK),
    ];

    [Fact]
    public void Ops_of_inference_allocate_nothing_once_prepared() => OpSweepTests.Sweep(IsChecked, c =>
    {
        var outputs = Array.ConvertAll(c.Op.Infer(Array.ConvertAll(c.Inputs, i => i.Spec)), s => Tensor.Empty(s.Shape, s.DType));
        var prepared = c.Op.Prepare(c.Inputs, outputs);
        for (var i = 0; i < 3; i++)
            c.Op.ForwardPrepared(prepared, c.Inputs, outputs);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 5; i++)
            c.Op.ForwardPrepared(prepared, c.Inputs, outputs);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() == before, $"{c} allocated {(GC.GetAllocatedBytesForCurrentThread() - before) / 5} bytes a run");
    });

    [Fact]
    public void Only_ops_that_exist_are_excused()
    {
        var names = OpCases.All.Select(c => c.Op.GetType().Name).ToHashSet();
        Assert.Empty(s_training.Concat(s_open).Where(n => !names.Contains(n)));
    }

    private static bool IsChecked(OpCase c) => !c.Op.IsView && !s_training.Contains(c.Op.GetType().Name) && !s_open.Contains(c.Op.GetType().Name);
}
