namespace Vertebra.Zoo.Families;

/// <summary>
/// ShuffleNet V2 (Ma et al. 2018): a block changes one half of the channels and interleaves both. Names and state-dict keys are
/// torchvision's.
/// </summary>
public sealed class ShuffleNetV2 : PooledBackbone
{
    private const int StemWidth = 24;
    private readonly Module[] _layers;

    /// <param name="widths">Widths of the three stages and of the last convolution.</param>
    /// <param name="options">As <see cref="Backbone"/> takes them.</param>
    internal ShuffleNetV2(int[] widths, ModelOptions options) : base(options, "conv1.0", "fc")
    {
        RefuseOutputStride(options, "ShuffleNet V2");
        var layers = new List<Module>
        {
            Child("conv1", new Sequential(ConvNorm(InChans, StemWidth, 3, stride: 2, activates: true))),
            Child("maxpool", new MaxPool2d(3, 2, 1)),
        };
        AddFeature(StemWidth, 2, "conv1");
        int[] depths = [4, 8, 4];
        var width = StemWidth;
        for (var stage = 0; stage < depths.Length; stage++)
        {
            var (inWidth, outWidth) = (width, widths[stage]);
            layers.Add(Child($"stage{stage + 2}", new Sequential(Enumerable.Range(0, depths[stage]).Select(i => new ShuffleBlock(i == 0 ? inWidth : outWidth, outWidth, i == 0)))));
            AddFeature(outWidth, 8 << stage, $"stage{stage + 2}");
            width = outWidth;
        }
        layers.Add(Child("conv5", new Sequential(ConvNorm(width, widths[3], 1, activates: true))));
        _layers = [.. layers];
        AddHead(widths[3], options);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        foreach (var layer in _layers)
            x = layer.Forward(x);
        return x;
    }

    private static IEnumerable<Module> ConvNorm(int inWidth, int outWidth, int kernel, int stride = 1, bool activates = false, int groups = 1)
    {
        yield return new Conv2d(inWidth, outWidth, kernel, stride, WindowPadding.Centred(kernel, stride, 1), groups: groups, bias: false);
        yield return new BatchNorm2d(outWidth);
        if (activates)
            yield return new ActivationLayer(ActivationKind.Relu);
    }

    private static Family MakeFamily()
    {
        (string Name, int Resize, int[] Widths)[] rows =
        [
            ("shufflenet_v2_x0_5", 256, [48, 96, 192, 1024]),
            ("shufflenet_v2_x1_0", 256, [116, 232, 464, 1024]),
            ("shufflenet_v2_x1_5", 232, [176, 352, 704, 1024]),
            ("shufflenet_v2_x2_0", 232, [244, 488, 976, 2048]),
        ];
        return new(
            "shufflenet_v2",
            "Ma, Zhang, Zheng, Sun: ShuffleNet V2: Practical guidelines for efficient CNN architecture design, ECCV 2018, arXiv:1807.11164",
            [.. rows.Select(r => TorchvisionRows.Row(r.Name, "shufflenet_v2", "fc", "conv1.0", options => new ShuffleNetV2(r.Widths, options), r.Resize))],
            TorchvisionRows.Aliases(rows.Select(r => r.Name)))
        {
            Idea = "Measured time, not arithmetic, guides the design: equal widths, few groups, few fragments, few element-wise steps. Half of the channels passes a block untouched, and a shuffle mixes both halves afterwards.",
            FollowsTimm = false,
        };
    }

    /// <summary>Half of the channels pass, the others are convolved; where the block halves the size, both halves are made of all channels.</summary>
    private sealed class ShuffleBlock : Module
    {
        private readonly Sequential? _shortcut;
        private readonly Sequential _convs;
        private readonly int _half;

        public ShuffleBlock(int inWidth, int outWidth, bool strides)
        {
            _half = outWidth / 2;
            var stride = strides ? 2 : 1;
            if (strides)
                _shortcut = Child("branch1", new Sequential([.. ConvNorm(inWidth, inWidth, 3, stride, groups: inWidth), .. ConvNorm(inWidth, _half, 1, activates: true)]));
            _convs = Child("branch2", new Sequential(
            [
                .. ConvNorm(strides ? inWidth : _half, _half, 1, activates: true), .. ConvNorm(_half, _half, 3, stride, groups: _half), .. ConvNorm(_half, _half, 1, activates: true),
            ]));
        }

        protected override Tensor OnForward(Tensor x)
        {
            if (_shortcut is not null)
                return Interleave(_shortcut.Forward(x), _convs.Forward(x));
            var halves = x.Split([_half, _half], -1);
            return Interleave(halves[0], _convs.Forward(halves[1]));
        }

        // Channels a0, b0, a1, b1, ...: side by side along an axis of their own.
        private static Tensor Interleave(Tensor a, Tensor b)
        {
            var (n, h, w, c) = (a.Shape[0], a.Shape[1], a.Shape[2], a.Shape[3]);
            return Tensor.Concat([a.Reshape([n, h, w, c, 1]), b.Reshape([n, h, w, c, 1])], -1).Reshape([n, h, w, 2 * c]);
        }
    }
}
