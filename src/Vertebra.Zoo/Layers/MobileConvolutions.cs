namespace Vertebra.Zoo.Layers;

/// <summary>Initialisers of the mobile networks, as in TensorFlow's implementations.</summary>
internal static class MobileInit
{
    /// <summary>Normal with variance 2 / fan-out, the fan counted within a group.</summary>
    public static Initialiser Conv(int outChannels, int kernel, int groups) => Init.Normal(MathF.Sqrt(2f / Math.Max(1, kernel * kernel * outChannels / groups)));

    /// <summary>A classifier: uniform with bound 1 / √outputs, no bias at first.</summary>
    public static Linear Linear(int inFeatures, int outFeatures, bool countsInputs = false) =>
        new(inFeatures, outFeatures, initialiser: Init.Uniform(1 / MathF.Sqrt(outFeatures + (countsInputs ? inFeatures : 0))), biasInitialiser: Init.Zeros);
}

/// <summary>
/// Mixed convolution (Tan and Le 2019, "MixConv"): the channels are split into one group per kernel size, each convolved with
/// its own kernel, <c>0</c>, <c>1</c>, ..., and put together again.
/// </summary>
internal sealed class MixedConv2d : Module
{
    private readonly Conv2d[] _convs;
    private readonly IntList _splits;

    /// <param name="inChannels">Channels of the input, split evenly; the first group takes what is left over.</param>
    /// <param name="outChannels">Channels of the output, likewise.</param>
    /// <param name="kernels">Kernel size of each group.</param>
    /// <param name="make">Makes one convolution from input channels, output channels and kernel size.</param>
    public MixedConv2d(int inChannels, int outChannels, IReadOnlyList<int> kernels, Func<int, int, int, Conv2d> make)
    {
        var (inSplits, outSplits) = (Split(inChannels, kernels.Count), Split(outChannels, kernels.Count));
        _convs = [.. kernels.Select((kernel, i) => Child($"{i}", make(inSplits[i], outSplits[i], kernel)))];
        _splits = [.. inSplits];
    }

    protected override Tensor OnForward(Tensor x)
    {
        var parts = x.Split(_splits, -1);
        return Tensor.Concat([.. _convs.Select((conv, i) => conv.Forward(parts[i]))], -1);
    }

    private static int[] Split(int channels, int count)
    {
        var splits = Enumerable.Repeat(channels / count, count).ToArray();
        splits[0] += channels % count;
        return splits;
    }
}

/// <summary>
/// Conditionally parameterised convolution (Yang et al. 2019, "CondConv"): every image is convolved with its own kernel, a sum
/// of the experts' kernels weighted by its routing. <c>weight</c> [experts, O · I / groups · K · K].
/// </summary>
internal sealed class ConditionalConv2d : Module
{
    private readonly Tensor _weight;
    private readonly int _outChannels, _kernel, _stride, _dilation, _groups;
    private readonly WindowPadding _padding;
    private readonly int _groupWidth;

    public ConditionalConv2d(int inChannels, int outChannels, int kernel, int stride, WindowPadding padding, int dilation, int groups, int experts)
    {
        (_outChannels, _kernel, _stride, _padding, _dilation, _groups, _groupWidth) = (outChannels, kernel, stride, padding, dilation, groups, inChannels / groups);
        _weight = Parameter("weight", [experts, outChannels * _groupWidth * kernel * kernel], MobileInit.Conv(outChannels, kernel, groups));
    }

    /// <summary>Convolves [N, H, W, C] by a routing [N, experts].</summary>
    public Tensor Forward(Tensor x, Tensor routing)
    {
        using var scope = Enter();
        var kernels = routing.MatMul(_weight).Reshape([x.Shape[0], _outChannels, _groupWidth, _kernel, _kernel]);
        return x.PerImageConv2d(kernels, _stride, _padding.For(x.Shape, _kernel, _stride, _dilation), _dilation, _groups);
    }

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a conditional convolution needs the routing of its block");
}

/// <summary>
/// Multi-query attention over the pixels (Shazeer 2019; in this form Qin et al. 2024, "MobileNetV4"): all heads share one set of
/// keys and values, which may be taken from a smaller image.
/// </summary>
internal sealed class MultiQueryAttention2d : Module
{
    private readonly Sequential _query, _key, _value, _output;
    private readonly int _width;

    /// <param name="channels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="width">Width of a key and of a value.</param>
    /// <param name="shrink">Layers that make the smaller image; called for keys and for values.</param>
    public MultiQueryAttention2d(int channels, int outChannels, int heads, int width, Func<IEnumerable<(string, Module)>> shrink)
    {
        _width = width;
        _query = Child("query", new Sequential([("proj", Projection(channels, heads * width))]));
        _key = Child("key", new Sequential([.. shrink(), ("proj", Projection(channels, width))]));
        _value = Child("value", new Sequential([.. shrink(), ("proj", Projection(channels, width))]));
        _output = Child("output", new Sequential([("proj", Projection(heads * width, outChannels))]));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (n, h, w) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        // With one key for all heads, the heads of a pixel are just more queries: nothing has to be moved.
        var q = _query.Forward(x);
        var (k, v) = (_key.Forward(x), _value.Forward(x));
        var (heads, keys) = (q.Shape[3] / _width, k.Shape[1] * k.Shape[2]);
        var attended = q.Reshape([n, 1, h * w * heads, _width])
            .Attention(k.Reshape([n, 1, keys, _width]), v.Reshape([n, 1, keys, _width]));
        return _output.Forward(attended.Reshape([n, h, w, heads * _width]));
    }

    private static Conv2d Projection(int inChannels, int outChannels) => new(inChannels, outChannels, 1, bias: false, initialiser: Init.XavierUniform);
}
