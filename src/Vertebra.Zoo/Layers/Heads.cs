namespace Vertebra.Zoo.Layers;

/// <summary>Makes one vector per image of a feature map [N, H, W, C].</summary>
/// <param name="pool">How.</param>
/// <param name="flatten">Whether the result is [N, C] or [N, 1, 1, C]; without a pool the map stays as it is.</param>
public sealed class GlobalPool2d(GlobalPool pool, bool flatten = true) : Module
{
    public GlobalPool Pool { get; } = pool;

    protected override Tensor OnForward(Tensor x) => Pool switch
    {
        GlobalPool.None => x,
        GlobalPool.Avg => Mean(x),
        GlobalPool.Max => Max(x),
        GlobalPool.AvgMax => (Mean(x) + Max(x)) * 0.5f,
        GlobalPool.CatAvgMax => Tensor.Concat([Mean(x), Max(x)], -1),
        _ => throw new InvalidOperationException($"pool {Pool} has no forward"),
    };

    private Tensor Mean(Tensor x) => x.Mean([1, 2], keepAxes: !flatten);

    private Tensor Max(Tensor x) => x.Max([1, 2], keepAxes: !flatten);
}
