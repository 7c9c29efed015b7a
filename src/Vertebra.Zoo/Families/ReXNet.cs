using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// ReXNet (Han et al. 2020): inverted residuals whose width grows a little with every block, so that no layer is a bottleneck of
/// rank. Names, state-dict keys and defaults follow timm's rexnet family.
/// </summary>
public sealed class ReXNet : PooledBackbone
{
    private readonly ConvNormAct _stem;
    private readonly Sequential _blocks;

    internal ReXNet(double width, int divisor, ModelOptions options) : base(options, "stem.conv", "head.fc")
    {
        // The narrow networks keep the width of the stem and of the first block.
        var stemWidth = Widths.Divisible(Math.Round((width < 1 ? 32 / width : 32) * width), divisor);
        _stem = Child("stem", Conv(InChans, stemWidth, 3, ActivationKind.Silu, stride: 2));
        _blocks = Child("features", new Sequential(MakeBlocks(width, divisor, stemWidth, options)));
        AddHead(Widths.Divisible(1280 * width, divisor), options, initialiser: Init.Uniform(1 / MathF.Sqrt(Math.Max(1, NumClasses))));
    }

    public static Family Family { get; } = new(
        "rexnet",
        "Han, Yun, Heo, Yoo: Rethinking channel dimensions for efficient model design, CVPR 2021, arXiv:2007.00992",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "rexnet", r.Tags, "head.fc", "stem.conv", options => new ReXNet(r.Width, r.Divisor, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Channels grow linearly with depth, a little in every block, so that no layer becomes a bottleneck of rank. Inverted residuals with squeeze-and-excitation carry it, and a block passes the channels that it has on and appends new ones.",
    };

    protected override Tensor OnForwardFeatures(Tensor x) => _blocks.Forward(_stem.Forward(x));

    internal static ConvNormAct Conv(int inChannels, int outChannels, int kernel, ActivationKind act, int stride = 1, int dilation = 1, int groups = 1) =>
        new(inChannels, outChannels, kernel, stride, act, dilation, groups, initialiser: MobileInit.Conv(outChannels, kernel, groups));

    private List<Module> MakeBlocks(double width, int divisor, int channels, ModelOptions options)
    {
        (int Count, int Stride)[] stages = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (5, 2)];
        var strides = stages.SelectMany(s => Enumerable.Range(0, s.Count).Select(i => i == 0 ? s.Stride : 1)).ToArray();
        var (stride, dilation, baseWidth) = (2, 1, width < 1 ? 16 / width : 16.0);
        var blocks = new List<Module>();
        for (var i = 0; i < strides.Length; i++)
        {
            var (step, nextDilation) = (strides[i], dilation);
            if (step > 1)
            {
                AddFeature(channels, stride, $"features.{i - 1}");
                if (stride >= (options.OutputStride ?? 32))
                    (nextDilation, step) = (dilation * step, 1);
            }
            var outChannels = Widths.Divisible(Math.Round(baseWidth * width), divisor);
            baseWidth += 180.0 / strides.Length;
            var inner = i == 0 ? channels : Widths.Divisible(channels * 6, divisor);
            // The first two stages go without attention.
            var squeezed = i < 3 ? 0 : Widths.Divisible((int)(inner * (1 / 12.0)), divisor);
            var hasShortcut = step == 1 && dilation == nextDilation && channels <= outChannels;
            var rate = Widths.DropPathRate(options.DropPathRate, i, strides.Length);
            blocks.Add(new LinearBottleneck(channels, inner, squeezed, outChannels, step, dilation, hasShortcut, rate));
            (stride, dilation, channels) = (stride * step, nextDilation, outChannels);
        }
        AddFeature(channels, stride, $"features.{blocks.Count - 1}");
        blocks.Add(Conv(channels, Widths.Divisible(1280 * width, divisor), 1, ActivationKind.Silu));
        return blocks;
    }

    private static (string Name, double Width, int Divisor, (string Tag, PretrainedConfig Config)[] Tags)[] Rows()
    {
        var naver = new PretrainedConfig { License = "mit" };
        var sw = naver.Crop(0.95f).TestAt(288, 1) with { License = "apache-2.0" };
        return
        [
            ("rexnet_100", 1, 1, [("nav_in1k", naver)]),
            ("rexnet_130", 1.3, 1, [("nav_in1k", naver)]),
            ("rexnet_150", 1.5, 1, [("nav_in1k", naver)]),
            ("rexnet_200", 2, 1, [("nav_in1k", naver)]),
            ("rexnet_300", 3, 1, [("nav_in1k", naver)]),
            ("rexnetr_100", 1, 8, [("untrained", naver)]),
            ("rexnetr_130", 1.3, 8, [("untrained", naver)]),
            ("rexnetr_150", 1.5, 8, [("untrained", naver)]),
            ("rexnetr_200", 2, 8, [("sw_in12k_ft_in1k", sw), ("sw_in12k", sw.Classes(11821))]),
            ("rexnetr_300", 3, 16, [("sw_in12k_ft_in1k", sw), ("sw_in12k", sw.Classes(11821))]),
        ];
    }

    /// <summary>An inverted residual whose shortcut covers the channels that came in; the new ones have none.</summary>
    private sealed class LinearBottleneck : Module
    {
        private readonly ConvNormAct? _expand;
        private readonly ConvNormAct _depthwise;
        private readonly SqueezeExcite? _attention;
        private readonly ActivationLayer _act;
        private readonly ConvNormAct _project;
        private readonly DropPath? _dropPath;
        private readonly bool _hasShortcut;
        private readonly int _newChannels;

        public LinearBottleneck(int inChannels, int inner, int squeezed, int outChannels, int stride, int dilation, bool hasShortcut, float dropPathRate)
        {
            (_hasShortcut, _newChannels) = (hasShortcut, outChannels - inChannels);
            if (inner != inChannels)
                _expand = Child("conv_exp", Conv(inChannels, inner, 1, ActivationKind.Silu));
            _depthwise = Child("conv_dw", Conv(inner, inner, 3, ActivationKind.Identity, stride, dilation, inner));
            if (squeezed > 0)
                _attention = Child("se", new SqueezeExcite(inner, squeezed, initialiser: Init.KaimingNormal(fanOut: true), biasInitialiser: Init.Zeros, normalises: true));
            _act = Child("act_dw", new ActivationLayer(ActivationKind.Relu6));
            _project = Child("conv_pwl", Conv(inner, outChannels, 1, ActivationKind.Identity));
            if (hasShortcut && dropPathRate > 0)
                _dropPath = Child("drop_path", new DropPath(dropPathRate));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var shortcut = x;
            x = _depthwise.Forward(_expand?.Forward(x) ?? x);
            x = _project.Forward(_act.Forward(_attention?.Forward(x) ?? x));
            if (!_hasShortcut)
                return x;
            if (_newChannels > 0)
                shortcut = shortcut.Pad([0, 0, 0, 0], [0, 0, 0, _newChannels]);
            return (_dropPath?.Forward(x) ?? x) + shortcut;
        }
    }
}
