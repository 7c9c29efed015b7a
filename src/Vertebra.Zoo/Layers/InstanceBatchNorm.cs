namespace Vertebra.Zoo.Layers;

/// <summary>
/// Instance normalisation, <c>IN</c>, of the first half of the channels and batch normalisation, <c>BN</c>, of the others (Pan
/// et al. 2018, "Two at once"): [N, H, W, C] to the same.
/// </summary>
public sealed class InstanceBatchNorm : Module
{
    private readonly int _half;
    private readonly GroupNorm _instance;
    private readonly BatchNorm2d _batch;

    /// <param name="channels">Size of the last axis, at least 2.</param>
    public InstanceBatchNorm(int channels)
    {
        _half = channels / 2;
        _instance = Child("IN", new GroupNorm(_half, _half));
        _batch = Child("BN", new BatchNorm2d(channels - _half));
    }

    protected override Tensor OnForward(Tensor x) =>
        Tensor.Concat([_instance.Forward(x.Slice(-1, 0, _half)), _batch.Forward(x.Slice(-1, _half))], -1);
}
