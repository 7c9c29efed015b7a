using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// ConvMixer (Trockman and Kolter 2022, "Patches are all you need?"): patches, then at one resolution depthwise convolutions
/// with shortcuts and 1x1 convolutions. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class ConvMixer : PooledBackbone
{
    private readonly Sequential _stem;
    private readonly Sequential _blocks;

    internal ConvMixer(ConvMixerSpec spec, ModelOptions options) : base(options, "stem.0", "head")
    {
        if (options.OutputStride is { } stride && stride != spec.Patch)
            throw new VertebraException($"output_stride {stride} is not to be had from ConvMixer: all its maps are {spec.Patch} times smaller than the image; leave it out");
        var width = spec.Width;
        Module[] Activated(Conv2d conv) => [conv, new ActivationLayer(spec.Activation), new BatchNorm2d(width)];
        _stem = Child("stem", new Sequential(Activated(new Conv2d(InChans, width, spec.Patch, spec.Patch))));
        _blocks = Child("blocks", new Sequential(Enumerable.Range(0, spec.Depth).Select(_ => new Sequential(
        [
            new Residual(new Sequential(Activated(new Conv2d(width, width, spec.Kernel, 1, spec.Kernel / 2, 1, width)))),
            .. Activated(new Conv2d(width, width, 1)),
        ]))));
        AddHead(width, options);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x) => _blocks.Forward(_stem.Forward(x));

    private static Family MakeFamily()
    {
        (string Name, ConvMixerSpec Spec)[] rows =
        [
            ("convmixer_1536_20", new(1536, 20, 9, 7)),
            ("convmixer_768_32", new(768, 32, 7, 7) { Activation = ActivationKind.Relu }),
            ("convmixer_1024_20_ks9_p14", new(1024, 20, 9, 14)),
        ];
        var tags = ConvMixerWeights.Tags();
        return new(
            "convmixer",
            "Trockman, Kolter: Patches are all you need?, TMLR 2023, arXiv:2201.09792",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "convmixer", tags[r.Name], "head", "stem.0", options => new ConvMixer(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Patches are embedded once and then mixed at the same resolution by depthwise convolutions with large kernels and by pointwise ones. It asks whether patches, rather than attention, make vision transformers strong.",
        };
    }

    /// <summary>A module beside a shortcut.</summary>
    private sealed class Residual : Module
    {
        private readonly Module _body;

        public Residual(Module body) => _body = Child("fn", body);

        protected override Tensor OnForward(Tensor x) => _body.Forward(x) + x;
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels.</param>
/// <param name="Depth">Blocks.</param>
/// <param name="Kernel">Of the depthwise convolutions.</param>
/// <param name="Patch">Side of a patch.</param>
internal sealed record ConvMixerSpec(int Width, int Depth, int Kernel, int Patch)
{
    public ActivationKind Activation { get; init; } = ActivationKind.Gelu;
}
