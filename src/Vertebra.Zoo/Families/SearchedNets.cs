using System.Globalization;

namespace Vertebra.Zoo.Families;

/// <summary>The tables of <see cref="SearchedNet"/>: the block choices that the authors published, in their <c>net.config</c> files.</summary>
/// <remarks>
/// A stage is written as its blocks, each by two digits: side of the depthwise kernel, and expansion. A dash is a block that was
/// searched away.
/// </remarks>
internal static class SearchedNets
{
    // Published weights lie in the authors' own archive, under their identifiers.
    private static readonly PretrainedConfig s_config = new() { Interpolation = "bilinear", License = "mit", HubId = "" };

    private static readonly SearchedForm s_v3 = new(16, [16, 24, 40, 80, 112, 160], 1280) { ExpandWidth = 960, IsMobileNetV3 = true };

    private static readonly SearchedForm s_v3Wide = new(24, [24, 32, 48, 96, 136, 192], 1536) { ExpandWidth = 1152, IsMobileNetV3 = true };

    private static readonly SearchedForm s_proxyless = new(40, [24, 32, 56, 104, 128, 248, 416], 1664);

    public static Family Proxyless { get; } = new(
        "proxylessnas",
        "Cai, Zhu, Han: ProxylessNAS: Direct neural architecture search on target task and hardware, ICLR 2019, arXiv:1812.00332",
        [
            Row("proxylessnas", "proxyless_cpu", "in1k", 224, new(40, [24, 32, 48, 88, 104, 216, 360], 1432), "36 33 33 33 | 36 33 33 53 | 36 - - 33 | 56 33 33 33 | 56 53 53 33 | 56"),
            Row("proxylessnas", "proxyless_gpu", "in1k", 224, new(40, [24, 32, 56, 112, 128, 256, 432], 1728), "53 - - - | 73 - - 33 | 76 - - 53 | 56 - 33 53 | 76 76 76 56 | 76"),
            Row("proxylessnas", "proxyless_mobile", "in1k", 224, new(32, [16, 32, 40, 80, 96, 192, 320], 1280), "53 33 - - | 73 33 53 53 | 76 53 53 53 | 56 53 53 53 | 76 76 73 73 | 76"),
            Row("proxylessnas", "proxyless_mobile_14", "in1k", 224, new(48, [24, 40, 56, 112, 136, 256, 448], 1792), "53 33 - - | 73 33 53 53 | 76 53 53 53 | 56 53 53 53 | 76 76 73 73 | 76"),
        ],
        new Dictionary<string, string>
        {
            ["proxylessnas_cpu"] = "proxyless_cpu",
            ["proxylessnas_gpu"] = "proxyless_gpu",
            ["proxylessnas_mobile"] = "proxyless_mobile",
            ["proxylessnas_mobile_14"] = "proxyless_mobile_14",
        })
    {
        Idea = "The network is searched for directly on the target task and hardware, by training an overparameterised one of which a single path is in memory at a time. Latency is modelled as a differentiable term of the loss.",
        FollowsTimm = false,
    };

    public static Family OnceForAll { get; } = new(
        "once_for_all",
        "Cai, Gan, Wang, Zhang, Han: Once-for-all: Train one network and specialize it for efficient deployment, ICLR 2020, arXiv:1908.09791",
        [
            .. Specialised().Select(s => Row("once_for_all", s.Name, TagOf(s.Identifier), s.Side, s.Form, s.Stages)),
            .. Extremes(),
        ],
        Specialised().SelectMany(s => new[] { s.Identifier, s.Identifier.Replace('@', '-') }.Select(i => (i, $"{s.Name}.{TagOf(s.Identifier)}"))).ToDictionary())
    {
        Idea = "One network is trained from which subnetworks of many depths, widths, kernels and resolutions can be taken without training again. Progressive shrinking, from the largest to the smallest, keeps them from disturbing each other.",
        FollowsTimm = false,
    };

    private static string TagOf(string identifier) => $"ft{identifier[(identifier.LastIndexOf('@') + 1)..]}_in1k";

    // The largest and the smallest network within each once-for-all network.
    private static IEnumerable<ModelInfo> Extremes()
    {
        (string Name, SearchedForm Form)[] spaces = [("mbv3_100", s_v3), ("mbv3_120", s_v3Wide), ("proxyless_130", s_proxyless)];
        foreach (var (name, form) in spaces)
        {
            var stages = form.Widths.Count - 1;
            string Stages(int depth, string block) =>
                string.Join(" | ", Enumerable.Range(0, stages).Select(i => string.Join(' ', Enumerable.Repeat(block, i == 5 ? 1 : depth))));
            yield return Row("once_for_all", $"ofa_{name}_max", "untrained", 224, form, Stages(4, "76"));
            yield return Row("once_for_all", $"ofa_{name}_min", "untrained", 224, form, Stages(2, "33"));
        }
    }

    private static ModelInfo Row(string family, string name, string tag, int side, SearchedForm form, string stages) => ModelInfo.Row(
        name, family, [(tag, s_config.At(side))], "classifier.linear", "first_conv.conv", options => new SearchedNet(form.Spec(stages), options));

    private static IEnumerable<(string Name, string Identifier, SearchedForm Form, int Side, string Stages)> Specialised() =>
    [
        ("ofa_1080ti_gpu64_12ms", "1080ti_gpu64@12ms_top1@72.6_finetune@25", s_proxyless, 128, "33 33 | 36 54 54 | 56 53 73 | 34 73 36 34 | 76 54 73 53 | 36"),
        ("ofa_1080ti_gpu64_15ms", "1080ti_gpu64@15ms_top1@73.8_finetune@25", s_proxyless, 144, "34 34 | 36 36 34 | 33 53 | 33 54 33 36 | 36 76 74 36 | 53"),
        ("ofa_1080ti_gpu64_22ms", "1080ti_gpu64@22ms_top1@75.3_finetune@25", s_proxyless, 188, "33 33 | 53 36 | 34 54 36 | 34 36 74 | 36 54 54 | 34"),
        ("ofa_1080ti_gpu64_27ms", "1080ti_gpu64@27ms_top1@76.4_finetune@25", s_proxyless, 188, "33 33 | 36 56 34 34 | 56 33 54 | 56 34 54 | 36 56 73 36 | 76"),
        ("ofa_lg_g8_11ms", "LG-G8_lat@11ms_top1@73.0_finetune@25", s_v3, 156, "33 33 | 53 34 74 | 54 33 | 54 34 53 | 56 76 54"),
        ("ofa_lg_g8_16ms", "LG-G8_lat@16ms_top1@74.7_finetune@25", s_v3, 176, "33 33 | 74 53 33 | 56 54 53 | 34 74 53 | 56 76 36 34"),
        ("ofa_lg_g8_24ms", "LG-G8_lat@24ms_top1@76.4_finetune@25", s_v3, 220, "33 33 | 74 53 33 | 56 54 53 | 34 74 53 | 56 76 36 34"),
        ("ofa_lg_g8_8ms", "LG-G8_lat@8ms_top1@71.1_finetune@25", s_v3, 144, "33 33 | 54 53 | 53 33 33 | 36 74 | 36 74"),
        ("ofa_cpu_10ms", "cpu_lat@10ms_top1@71.1_finetune@25", s_proxyless, 144, "54 33 | 33 33 | 73 33 73 | 53 54 | 53 34 | 34"),
        ("ofa_cpu_11ms", "cpu_lat@11ms_top1@72.0_finetune@25", s_proxyless, 144, "54 53 | 33 73 | 54 34 73 | 54 74 | 36 34 | 54"),
        ("ofa_cpu_15ms", "cpu_lat@15ms_top1@74.6_finetune@25", s_proxyless, 188, "33 33 | 34 36 | 76 34 | 54 36 36 | 56 33 | 76"),
        ("ofa_cpu_17ms", "cpu_lat@17ms_top1@75.7_finetune@25", s_proxyless, 208, "33 34 | 53 34 | 36 73 33 | 53 54 36 | 36 54 33 | 34"),
        ("ofa_flops_389m", "flops@389M_top1@79.1_finetune@75", s_v3Wide, 224, "33 33 | 53 56 33 | 54 54 33 | 56 54 34 34 | 36 36 76 33"),
        ("ofa_flops_482m", "flops@482M_top1@79.6_finetune@75", s_v3Wide, 224, "53 33 33 | 54 34 54 33 | 54 56 33 33 | 56 76 36 54 | 76 36 36 33"),
        ("ofa_flops_595m", "flops@595M_top1@80.0_finetune@75", s_v3Wide, 236, "33 54 33 | 54 54 36 53 | 76 56 33 54 | 36 56 76 34 | 36 36 56 33"),
        ("ofa_note10_11ms", "note10_lat@11ms_top1@73.6_finetune@25", s_v3, 176, "33 33 | 54 34 | 54 34 | 34 33 33 | 34 54 54"),
        ("ofa_note10_16ms", "note10_lat@16ms_top1@75.5_finetune@25", s_v3, 192, "33 33 | 53 54 34 33 | 54 54 33 | 54 54 33 | 36 74 54 33"),
        ("ofa_note10_22ms", "note10_lat@22ms_top1@76.6_finetune@25", s_v3, 224, "33 33 | 53 34 34 | 74 54 54 | 54 36 34 | 36 36 36 33"),
        ("ofa_note10_30ms", "note10_lat@30ms_top1@78.4_finetune@75", s_v3Wide, 224, "33 33 | 54 33 34 | 54 54 33 | 36 34 34 | 36 36 34 33"),
        ("ofa_note10_41ms", "note10_lat@41ms_top1@79.3_finetune@75", s_v3Wide, 220, "33 34 | 74 34 36 | 76 36 33 34 | 36 56 36 34 | 36 36 36 33"),
        ("ofa_note10_50ms", "note10_lat@50ms_top1@79.7_finetune@75", s_v3Wide, 220, "53 36 36 | 54 36 36 53 | 76 76 34 54 | 76 56 36 36 | 36 36 36"),
        ("ofa_note10_64ms", "note10_lat@64ms_top1@80.2_finetune@75", s_v3Wide, 260, "33 36 33 | 54 36 33 53 | 56 56 34 74 | 56 36 36 34 | 36 36 56 33"),
        ("ofa_note10_8ms", "note10_lat@8ms_top1@71.4_finetune@25", s_v3, 160, "33 33 | 33 34 | 34 33 33 | 33 34 | 34 54"),
        ("ofa_note8_22ms", "note8_lat@22ms_top1@70.4_finetune@25", s_v3, 140, "33 33 | 53 53 | 74 33 | 53 34 | 36 76"),
        ("ofa_note8_31ms", "note8_lat@31ms_top1@72.8_finetune@25", s_v3, 152, "53 33 | 54 53 | 34 34 54 | 34 53 74 | 36 33 53 53"),
        ("ofa_note8_49ms", "note8_lat@49ms_top1@74.9_finetune@25", s_v3, 176, "53 34 | 54 34 74 | 74 73 34 | 34 36 34 | 36 56 36 54"),
        ("ofa_note8_65ms", "note8_lat@65ms_top1@76.1_finetune@25", s_v3, 204, "73 33 | 34 54 33 | 76 36 34 | 56 36 34 | 56 54 54 33"),
        ("ofa_pixel1_132ms", "pixel1_lat@132ms_top1@79.8_finetune@75", s_v3Wide, 228, "53 36 | 54 56 36 53 | 76 56 36 54 | 56 56 56 54 | 36 36 56 33"),
        ("ofa_pixel1_143ms", "pixel1_lat@143ms_top1@80.1_finetune@75", s_v3Wide, 240, "53 36 33 | 56 56 36 53 | 76 56 36 34 | 56 36 56 34 | 36 36 56 33"),
        ("ofa_pixel1_20ms", "pixel1_lat@20ms_top1@71.4_finetune@25", s_v3, 152, "33 33 | 53 53 | 74 33 | 53 34 | 36 76"),
        ("ofa_pixel1_28ms", "pixel1_lat@28ms_top1@73.3_finetune@25", s_v3, 160, "33 34 | 73 36 34 | 73 36 | 36 54 | 36 34 33 36"),
        ("ofa_pixel1_40ms", "pixel1_lat@40ms_top1@74.9_finetune@25", s_v3, 172, "53 34 | 54 34 74 | 74 73 34 | 34 36 34 | 36 56 36 54"),
        ("ofa_pixel1_58ms", "pixel1_lat@58ms_top1@76.9_finetune@75", s_v3, 220, "33 33 | 74 53 33 | 56 54 53 | 34 74 53 | 56 76 36 34"),
        ("ofa_pixel1_79ms", "pixel1_lat@79ms_top1@78.7_finetune@75", s_v3Wide, 224, "33 33 | 53 34 | 74 54 33 | 56 34 34 33 | 36 36 36 33"),
        ("ofa_pixel2_25ms", "pixel2_lat@25ms_top1@71.5_finetune@25", s_v3, 144, "33 33 | 56 54 | 74 33 | 74 73 34 | 56 34"),
        ("ofa_pixel2_35ms", "pixel2_lat@35ms_top1@73.4_finetune@25", s_v3, 160, "33 33 | 33 34 36 | 74 74 | 54 33 33 73 | 74 76 73 53"),
        ("ofa_pixel2_50ms", "pixel2_lat@50ms_top1@74.7_finetune@25", s_v3, 208, "33 34 | 33 33 | 33 56 | 56 74 | 36 53 74 53"),
        ("ofa_pixel2_62ms", "pixel2_lat@62ms_top1@75.8_finetune@25", s_v3, 208, "33 33 | 74 53 33 | 56 54 53 | 34 74 53 | 56 76 36 34"),
        ("ofa_s7edge_29ms", "s7edge_lat@29ms_top1@70.5_finetune@25", s_v3, 144, "33 33 | 53 34 | 54 34 | 54 54 | 36 53"),
        ("ofa_s7edge_41ms", "s7edge_lat@41ms_top1@73.1_finetune@25", s_v3, 160, "33 33 | 53 34 | 74 54 | 34 34 33 | 36 54 33 33"),
        ("ofa_s7edge_58ms", "s7edge_lat@58ms_top1@74.7_finetune@25", s_v3, 192, "33 33 | 53 34 | 74 53 34 33 | 34 34 33 | 36 54 54"),
        ("ofa_s7edge_88ms", "s7edge_lat@88ms_top1@76.3_finetune@25", s_v3, 192, "53 34 | 56 36 34 | 74 56 53 | 56 56 34 54 | 36 76 36 34"),
        ("ofa_tx2_gpu16_35ms", "tx2_gpu16@35ms_top1@70.3_finetune@25", s_proxyless, 128, "34 33 | 36 76 | 56 53 | 53 34 | 56 34 | 54"),
        ("ofa_tx2_gpu16_47ms", "tx2_gpu16@47ms_top1@72.9_finetune@25", s_proxyless, 144, "33 34 | 53 34 | 36 73 33 | 53 54 36 | 36 54 33 | 34"),
        ("ofa_tx2_gpu16_80ms", "tx2_gpu16@80ms_top1@75.4_finetune@25", s_proxyless, 188, "33 33 | 53 36 | 34 54 36 | 34 36 74 | 36 54 54 | 34"),
        ("ofa_tx2_gpu16_96ms", "tx2_gpu16@96ms_top1@75.8_finetune@25", s_proxyless, 172, "33 34 36 | 73 54 | 34 54 54 53 | 54 73 73 36 | 36 36 56 34 | 53"),
        ("ofa_v100_gpu64_11ms", "v100_gpu64@11ms_top1@76.1_finetune@25", s_proxyless, 192, "33 33 | 56 53 | 73 33 74 | 74 54 33 74 | 36 56 54 36 | 34"),
        ("ofa_v100_gpu64_5ms", "v100_gpu64@5ms_top1@71.6_finetune@25", s_proxyless, 128, "33 33 | 53 36 | 34 54 36 | 34 36 74 | 36 54 54 | 34"),
        ("ofa_v100_gpu64_6ms", "v100_gpu64@6ms_top1@73.0_finetune@25", s_proxyless, 144, "33 34 | 53 34 | 36 73 33 | 53 54 36 | 36 54 33 | 34"),
        ("ofa_v100_gpu64_9ms", "v100_gpu64@9ms_top1@75.3_finetune@25", s_proxyless, 188, "33 33 | 53 36 | 34 54 36 | 34 36 74 | 36 54 54 | 34"),
    ];
}

/// <summary>What networks of one search space have in common.</summary>
/// <param name="StemWidth">Channels of the first convolution.</param>
/// <param name="Widths">Of the block after it and of the stages.</param>
/// <param name="MixWidth">Width of the vector that is classified.</param>
internal sealed record SearchedForm(int StemWidth, IReadOnlyList<int> Widths, int MixWidth)
{
    private static readonly int[] s_strides = [2, 2, 2, 1, 2, 1];

    /// <summary>As <see cref="SearchedSpec.ExpandWidth"/>.</summary>
    public int? ExpandWidth { get; init; }

    /// <summary>Activations and squeeze-and-excitation by stage, as in MobileNetV3; else ReLU6 everywhere.</summary>
    public bool IsMobileNetV3 { get; init; }

    /// <summary>The network of a row of the table.</summary>
    public SearchedSpec Spec(string stages)
    {
        var first = IsMobileNetV3 ? ActivationKind.Relu : ActivationKind.Relu6;
        var blocks = new List<SearchedPlan?> { new(StemWidth, Widths[0], 3, 1, StemWidth, first) { HasShortcut = StemWidth == Widths[0] } };
        var (channels, stage) = (Widths[0], 0);
        foreach (var text in stages.Split(" | "))
        {
            var width = Widths[stage + 1];
            foreach (var (i, block) in text.Split(' ').Index())
            {
                blocks.Add(block == "-" ? null : Plan(block, channels, width, i == 0 ? s_strides[stage] : 1, stage));
                channels = width;
            }
            stage++;
        }
        return new(StemWidth, IsMobileNetV3 ? ActivationKind.HardSwish : ActivationKind.Relu6, blocks, MixWidth)
        {
            ExpandWidth = ExpandWidth,
            Epsilon = IsMobileNetV3 ? 1e-5f : 1e-3f,
        };
    }

    private SearchedPlan Plan(string digits, int channels, int width, int stride, int stage)
    {
        var (kernel, expansion) = (digits[0] - '0', int.Parse(digits.AsSpan(1), CultureInfo.InvariantCulture));
        var act = !IsMobileNetV3 ? ActivationKind.Relu6 : stage < 2 ? ActivationKind.Relu : ActivationKind.HardSwish;
        return new(channels, width, kernel, stride, channels * expansion, act)
        {
            Expands = true,
            Excites = IsMobileNetV3 && stage is (1 or 3 or 4),
            HasShortcut = stride == 1 && channels == width,
        };
    }
}
