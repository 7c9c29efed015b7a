using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>The networks of <see cref="InceptionNet"/>, layer by layer as in the papers.</summary>
internal static class InceptionPlans
{
    public static Family Family { get; } = MakeFamily();

    private static Family MakeFamily()
    {
        (string Name, InceptionPlan Plan)[] rows =
        [
            ("inception_v3", new(
                null, "Conv2d_1a_3x3.conv", "fc", V3,
                [(64, 2, "Conv2d_2b_3x3"), (192, 4, "Conv2d_4a_3x3"), (288, 8, "Mixed_5d"), (768, 16, "Mixed_6e"), (2048, 32, "Mixed_7c")])),
            ("inception_v4", new(
                "features", "features.0.conv", "last_linear", channels => V4(channels).Select((module, i) => ($"{i}", module)),
                [(64, 2, "features.2"), (160, 4, "features.3"), (384, 8, "features.9"), (1024, 16, "features.17"), (1536, 32, "features.21")])),
            ("inception_resnet_v2", new(
                null, "conv2d_1a.conv", "classif", ResNetV2,
                [(64, 2, "conv2d_2b"), (192, 4, "conv2d_4a"), (320, 8, "repeat"), (1088, 16, "repeat_1"), (1536, 32, "conv2d_7b")])),
        ];
        var tags = InceptionWeights.Tags();
        return new(
            "inception",
            "Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: Rethinking the Inception architecture for computer vision, CVPR 2016, arXiv:1512.00567; Szegedy, Ioffe, Vanhoucke, Alemi: Inception-v4, Inception-ResNet and the impact of residual connections on learning, AAAI 2017, arXiv:1602.07261",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "inception", tags[r.Name], r.Plan.Classifier, r.Plan.FirstConv, options => new InceptionNet(r.Plan, options)))],
            InceptionWeights.Aliases())
        {
            Idea = "Each block looks at the map through several kernels at once and concatenates what they find; large kernels are factorised into rows and columns. V4 and the residual forms make the blocks uniform and add shortcuts.",
        };
    }

    private static ConvNormAct Conv(int inWidth, string step) => InceptionConvs.Chain(inWidth, step, out _)[0];

    private static MaxPool2d MaxPool() => new(3, 2);

    private static AvgPool2d Average() => new(3, 1, 1, countIncludePad: false);

    // ---------------------------------------------------------------- v3

    private static IEnumerable<(string, Module)> V3(int channels)
    {
        yield return ("Conv2d_1a_3x3", Conv(channels, "32@3s"));
        yield return ("Conv2d_2a_3x3", Conv(32, "32@3v"));
        yield return ("Conv2d_2b_3x3", Conv(32, "64@3"));
        yield return ("Pool1", MaxPool());
        yield return ("Conv2d_3b_1x1", Conv(64, "80@1"));
        yield return ("Conv2d_4a_3x3", Conv(80, "192@3v"));
        yield return ("Pool2", MaxPool());
        yield return ("Mixed_5b", A(192, 32));
        yield return ("Mixed_5c", A(256, 64));
        yield return ("Mixed_5d", A(288, 64));
        yield return ("Mixed_6a", new InceptionBlock(288)
            .Steps("branch3x3", "384@3s").Steps("branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3", "64@1 96@3 96@3s").Steps("", "", pool: MaxOf));
        yield return ("Mixed_6b", C(128));
        yield return ("Mixed_6c", C(160));
        yield return ("Mixed_6d", C(160));
        yield return ("Mixed_6e", C(192));
        yield return ("Mixed_7a", new InceptionBlock(768)
            .Steps("branch3x3_1 branch3x3_2", "192@1 320@3s")
            .Steps("branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4", "192@1 192@1x7 192@7x1 192@3s").Steps("", "", pool: MaxOf));
        yield return ("Mixed_7b", E(1280));
        yield return ("Mixed_7c", E(2048));
    }

    private static Tensor MaxOf(Tensor x) => x.MaxPool2d(3, 2);

    private static Tensor MeanOf(Tensor x) => x.AvgPool2d(3, 1, 1);

    private static InceptionBlock A(int inWidth, int pooled) => new InceptionBlock(inWidth)
        .Steps("branch1x1", "64@1")
        .Steps("branch5x5_1 branch5x5_2", "48@1 64@5")
        .Steps("branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3", "64@1 96@3 96@3")
        .Steps("branch_pool", $"{pooled}@1", pool: MeanOf);

    private static InceptionBlock C(int inner) => new InceptionBlock(768)
        .Steps("branch1x1", "192@1")
        .Steps("branch7x7_1 branch7x7_2 branch7x7_3", $"{inner}@1 {inner}@1x7 192@7x1")
        .Steps("branch7x7dbl_1 branch7x7dbl_2 branch7x7dbl_3 branch7x7dbl_4 branch7x7dbl_5", $"{inner}@1 {inner}@7x1 {inner}@1x7 {inner}@7x1 192@1x7")
        .Steps("branch_pool", "192@1", pool: MeanOf);

    private static InceptionBlock E(int inWidth) => new InceptionBlock(inWidth)
        .Steps("branch1x1", "320@1")
        .Steps("branch3x3_1", "384@1", "branch3x3_2a branch3x3_2b", "384@1x3 384@3x1")
        .Steps("branch3x3dbl_1 branch3x3dbl_2", "448@1 384@3", "branch3x3dbl_3a branch3x3dbl_3b", "384@1x3 384@3x1")
        .Steps("branch_pool", "192@1", pool: MeanOf);

    // ---------------------------------------------------------------- v4

    private static IEnumerable<Module> V4(int channels)
    {
        yield return Conv(channels, "32@3s");
        yield return Conv(32, "32@3v");
        yield return Conv(32, "64@3");
        yield return new InceptionBlock(64).Pool("maxpool", MaxPool()).Branch("conv", "96@3s");
        yield return new InceptionBlock(160).Branch("branch0", "64@1 96@3v").Branch("branch1", "64@1 64@1x7 64@7x1 96@3v");
        yield return new InceptionBlock(192).Branch("conv", "192@3s").Pool("maxpool", MaxPool());
        for (var i = 0; i < 4; i++)
        {
            yield return new InceptionBlock(384)
                .Branch("branch0", "96@1").Branch("branch1", "64@1 96@3").Branch("branch2", "64@1 96@3 96@3").Branch("branch3", "96@1", Average());
        }
        yield return new InceptionBlock(384).Branch("branch0", "384@3s").Branch("branch1", "192@1 224@3 256@3s").Pool("branch2", MaxPool());
        for (var i = 0; i < 7; i++)
        {
            yield return new InceptionBlock(1024)
                .Branch("branch0", "384@1").Branch("branch1", "192@1 224@1x7 256@7x1").Branch("branch2", "192@1 192@7x1 224@1x7 224@7x1 256@1x7")
                .Branch("branch3", "128@1", Average());
        }
        yield return new InceptionBlock(1024).Branch("branch0", "192@1 192@3s").Branch("branch1", "256@1 256@1x7 320@7x1 320@3s").Pool("branch2", MaxPool());
        for (var i = 0; i < 3; i++)
        {
            yield return new InceptionBlock(1536)
                .Branch("branch0", "256@1")
                .Steps("branch1_0", "384@1", "branch1_1a branch1_1b", "256@1x3 256@3x1")
                .Steps("branch2_0 branch2_1 branch2_2", "384@1 448@3x1 512@1x3", "branch2_3a branch2_3b", "256@1x3 256@3x1")
                .Branch("branch3", "256@1", Average());
        }
    }

    // ---------------------------------------------------------------- Inception-ResNet v2

    private static IEnumerable<(string, Module)> ResNetV2(int channels)
    {
        yield return ("conv2d_1a", Conv(channels, "32@3s"));
        yield return ("conv2d_2a", Conv(32, "32@3v"));
        yield return ("conv2d_2b", Conv(32, "64@3"));
        yield return ("maxpool_3a", MaxPool());
        yield return ("conv2d_3b", Conv(64, "80@1"));
        yield return ("conv2d_4a", Conv(80, "192@3v"));
        yield return ("maxpool_5a", MaxPool());
        yield return ("mixed_5b", new InceptionBlock(192)
            .Branch("branch0", "96@1").Branch("branch1", "48@1 64@5").Branch("branch2", "64@1 96@3 96@3").Branch("branch3", "64@1", Average()));
        yield return ("repeat", Repeat(10, () => new InceptionBlock(320)
            .Branch("branch0", "32@1").Branch("branch1", "32@1 32@3").Branch("branch2", "32@1 48@3 64@3").Residual(0.17f)));
        yield return ("mixed_6a", new InceptionBlock(320).Branch("branch0", "384@3s").Branch("branch1", "256@1 256@3 384@3s").Pool("branch2", MaxPool()));
        yield return ("repeat_1", Repeat(20, () => new InceptionBlock(1088)
            .Branch("branch0", "192@1").Branch("branch1", "128@1 160@1x7 192@7x1").Residual(0.1f)));
        yield return ("mixed_7a", new InceptionBlock(1088)
            .Branch("branch0", "256@1 384@3s").Branch("branch1", "256@1 288@3s").Branch("branch2", "256@1 288@3 320@3s").Pool("branch3", MaxPool()));
        yield return ("repeat_2", Repeat(9, () => Last().Residual(0.2f)));
        yield return ("block8", Last().Residual(1, activates: false));
        yield return ("conv2d_7b", Conv(2080, "1536@1"));
    }

    private static InceptionBlock Last() => new InceptionBlock(2080).Branch("branch0", "192@1").Branch("branch1", "192@1 224@1x3 256@3x1");

    private static Sequential Repeat(int count, Func<Module> make) => new(Enumerable.Range(0, count).Select(_ => make()));
}
