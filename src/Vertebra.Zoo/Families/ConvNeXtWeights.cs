using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for the ConvNeXts, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class ConvNeXtWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { CropPct = 1, License = "apache-2.0" };
        var crop87p5Test288Crop95 = usual.TestAt(288, 0.95f) with { CropPct = 0.875f };
        var crop95Test288Crop100 = usual.TestAt(288, 1) with { CropPct = 0.95f };
        var crop95Classes11821 = usual with { CropPct = 0.95f, NumClasses = 11821 };
        var at384Classes11821 = usual.At(384) with { NumClasses = 11821 };
        var at384Squash = usual.At(384) with { CropMode = "squash" };
        var crop87p5Test288Crop100 = usual.TestAt(288, 1) with { CropPct = 0.875f };
        var crop87p5Classes21841 = usual with { CropPct = 0.875f, NumClasses = 21841 };
        var classes0Dinov3License = usual with { NumClasses = 0, License = "dinov3-license" };
        var at256Classes0FairNoncommercialResearchLicense = usual.At(256) with { NumClasses = 0, License = "fair-noncommercial-research-license" };
        var clipAt256 = usual.At(256) with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd };
        var clipAt384Squash = usual.At(384) with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd, CropMode = "squash" };
        var clipAt256Classes11821 = usual.At(256) with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd, NumClasses = 11821 };
        var clipAt256Classes640 = usual.At(256) with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd, NumClasses = 640 };
        var clipAt320Classes640 = usual.At(320) with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd, NumClasses = 640 };
        var clipAt384SquashClasses11821 = usual.At(384) with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd, NumClasses = 11821, CropMode = "squash" };
        var clipAt320Classes768 = usual.At(320) with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd, NumClasses = 768 };
        var clipAt256Classes1024 = usual.At(256) with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd, NumClasses = 1024 };
        var crop87p5Test288Crop95CcByNc40 = usual.TestAt(288, 0.95f) with { CropPct = 0.875f, License = "cc-by-nc-4.0" };
        var crop87p5Classes0CcByNc40 = usual with { CropPct = 0.875f, NumClasses = 0, License = "cc-by-nc-4.0" };
        var crop87p5Test288Crop100CcByNc40 = usual.TestAt(288, 1) with { CropPct = 0.875f, License = "cc-by-nc-4.0" };
        var at384SquashCcByNc40 = usual.At(384) with { CropMode = "squash", License = "cc-by-nc-4.0" };
        var halfAt160Crop95 = usual.At(160) with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, CropPct = 0.95f };
        return new()
        {
            ["convnext_zepto_rms"] = [("ra4_e3600_r224_in1k", usual with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, CropPct = 0.875f })],
            ["convnext_zepto_rms_ols"] = [("ra4_e3600_r224_in1k", usual with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, CropPct = 0.9f })],
            ["convnext_atto"] = [("d2_in1k", crop87p5Test288Crop95)],
            ["convnext_atto_ols"] = [("a2_in1k", crop87p5Test288Crop95)],
            ["convnext_atto_rms"] = [("untrained", usual.TestAt(256, 0.95f) with { CropPct = 0.875f })],
            ["convnext_femto"] = [("d1_in1k", crop87p5Test288Crop95)],
            ["convnext_femto_ols"] = [("d1_in1k", crop87p5Test288Crop95)],
            ["convnext_pico"] = [("d1_in1k", crop87p5Test288Crop95)],
            ["convnext_pico_ols"] = [("d1_in1k", crop95Test288Crop100)],
            ["convnext_nano"] =
            [
                ("in12k_ft_in1k", crop95Test288Crop100), ("d1h_in1k", crop95Test288Crop100), ("r384_in12k_ft_in1k", usual.At(384)), ("in12k", crop95Classes11821),
                ("r384_in12k", at384Classes11821), ("r384_ad_in12k", at384Classes11821),
            ],
            ["convnext_nano_ols"] = [("d1h_in1k", crop95Test288Crop100)],
            ["convnext_tiny_hnf"] = [("a2h_in1k", crop95Test288Crop100)],
            ["convnext_tiny"] =
            [
                ("in12k_ft_in1k", crop95Test288Crop100), ("in12k_ft_in1k_384", at384Squash), ("in12k", crop95Classes11821),
                ("fb_in22k_ft_in1k", crop87p5Test288Crop100), ("fb_in1k", crop87p5Test288Crop100), ("fb_in22k_ft_in1k_384", at384Squash),
                ("fb_in22k", crop87p5Classes21841), ("dinov3_lvd1689m", classes0Dinov3License), ("eupe_lvd1689m", at256Classes0FairNoncommercialResearchLicense),
            ],
            ["convnext_small"] =
            [
                ("in12k_ft_in1k", crop95Test288Crop100), ("in12k_ft_in1k_384", at384Squash), ("in12k", crop95Classes11821),
                ("fb_in22k_ft_in1k", crop87p5Test288Crop100), ("fb_in1k", crop87p5Test288Crop100), ("fb_in22k_ft_in1k_384", at384Squash),
                ("fb_in22k", crop87p5Classes21841), ("dinov3_lvd1689m", classes0Dinov3License), ("eupe_lvd1689m", at256Classes0FairNoncommercialResearchLicense),
            ],
            ["convnext_base"] =
            [
                ("fb_in22k_ft_in1k", crop87p5Test288Crop100), ("fb_in1k", crop87p5Test288Crop100), ("fb_in22k_ft_in1k_384", at384Squash),
                ("fb_in22k", crop87p5Classes21841), ("clip_laion2b_augreg_ft_in12k_in1k", clipAt256), ("clip_laion2b_augreg_ft_in12k_in1k_384", clipAt384Squash),
                ("clip_laion2b_augreg_ft_in1k", clipAt256),
                ("clip_laiona_augreg_ft_in1k_384", usual.At(384) with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd }),
                ("clip_laion2b_augreg_ft_in12k", clipAt256Classes11821), ("clip_laion2b", clipAt256Classes640), ("clip_laion2b_augreg", clipAt256Classes640),
                ("clip_laiona", clipAt256Classes640), ("clip_laiona_320", clipAt320Classes640), ("clip_laiona_augreg_320", clipAt320Classes640),
                ("dinov3_lvd1689m", classes0Dinov3License), ("eupe_lvd1689m", at256Classes0FairNoncommercialResearchLicense),
            ],
            ["convnext_large"] =
            [
                ("fb_in22k_ft_in1k", crop87p5Test288Crop100), ("fb_in1k", crop87p5Test288Crop100), ("fb_in22k_ft_in1k_384", at384Squash),
                ("fb_in22k", crop87p5Classes21841), ("dinov3_lvd1689m", classes0Dinov3License),
            ],
            ["convnext_large_mlp"] =
            [
                ("clip_laion2b_soup_ft_in12k_in1k_320", usual.At(320) with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd }),
                ("clip_laion2b_soup_ft_in12k_in1k_384", clipAt384Squash), ("clip_laion2b_augreg_ft_in1k", clipAt256),
                ("clip_laion2b_augreg_ft_in1k_384", clipAt384Squash),
                ("clip_laion2b_soup_ft_in12k_320", usual.At(320) with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd, NumClasses = 11821 }),
                ("clip_laion2b_augreg_ft_in12k_384", clipAt384SquashClasses11821), ("clip_laion2b_soup_ft_in12k_384", clipAt384SquashClasses11821),
                ("clip_laion2b_augreg", usual.At(256) with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd, NumClasses = 768 }),
                ("clip_laion2b_ft_320", clipAt320Classes768), ("clip_laion2b_ft_soup_320", clipAt320Classes768),
            ],
            ["convnext_xlarge"] = [("fb_in22k_ft_in1k", crop87p5Test288Crop100), ("fb_in22k_ft_in1k_384", at384Squash), ("fb_in22k", crop87p5Classes21841)],
            ["convnext_xxlarge"] =
            [
                ("clip_laion2b_soup_ft_in1k", clipAt256), ("clip_laion2b_soup_ft_in12k", clipAt256Classes11821), ("clip_laion2b_soup", clipAt256Classes1024),
                ("clip_laion2b_rewind", clipAt256Classes1024),
            ],
            ["convnextv2_atto"] = [("fcmae_ft_in1k", crop87p5Test288Crop95CcByNc40), ("fcmae", crop87p5Classes0CcByNc40)],
            ["convnextv2_femto"] = [("fcmae_ft_in1k", crop87p5Test288Crop95CcByNc40), ("fcmae", crop87p5Classes0CcByNc40)],
            ["convnextv2_pico"] = [("fcmae_ft_in1k", crop87p5Test288Crop95CcByNc40), ("fcmae", crop87p5Classes0CcByNc40)],
            ["convnextv2_nano"] =
            [
                ("fcmae_ft_in22k_in1k", crop87p5Test288Crop100CcByNc40), ("fcmae_ft_in22k_in1k_384", at384SquashCcByNc40),
                ("fcmae_ft_in1k", crop87p5Test288Crop100CcByNc40), ("fcmae", crop87p5Classes0CcByNc40),
            ],
            ["convnextv2_tiny"] =
            [
                ("fcmae_ft_in22k_in1k", crop87p5Test288Crop100CcByNc40), ("fcmae_ft_in22k_in1k_384", at384SquashCcByNc40),
                ("fcmae_ft_in1k", crop87p5Test288Crop100CcByNc40), ("fcmae", crop87p5Classes0CcByNc40),
            ],
            ["convnextv2_small"] = [("untrained", usual with { CropPct = 0.875f })],
            ["convnextv2_base"] =
            [
                ("fcmae_ft_in22k_in1k", crop87p5Test288Crop100CcByNc40), ("fcmae_ft_in22k_in1k_384", at384SquashCcByNc40),
                ("fcmae_ft_in1k", crop87p5Test288Crop100CcByNc40), ("fcmae", crop87p5Classes0CcByNc40),
            ],
            ["convnextv2_large"] =
            [
                ("fcmae_ft_in22k_in1k", crop87p5Test288Crop100CcByNc40), ("fcmae_ft_in22k_in1k_384", at384SquashCcByNc40),
                ("fcmae_ft_in1k", crop87p5Test288Crop100CcByNc40), ("fcmae", crop87p5Classes0CcByNc40),
            ],
            ["convnextv2_huge"] =
            [
                ("fcmae_ft_in22k_in1k_384", at384SquashCcByNc40),
                ("fcmae_ft_in22k_in1k_512", usual.At(512) with { PoolSize = [15, 15], CropMode = "squash", License = "cc-by-nc-4.0" }),
                ("fcmae_ft_in1k", crop87p5Test288Crop100CcByNc40), ("fcmae", crop87p5Classes0CcByNc40),
            ],
            ["test_convnext"] = [("r160_in1k", halfAt160Crop95)],
            ["test_convnext2"] = [("r160_in1k", halfAt160Crop95)],
            ["test_convnext3"] = [("r160_in1k", halfAt160Crop95)],
        };
    }

    public static Dictionary<string, string> Aliases() => new()
    {
        ["convnext_tiny_in22ft1k"] = "convnext_tiny.fb_in22k_ft_in1k",
        ["convnext_small_in22ft1k"] = "convnext_small.fb_in22k_ft_in1k",
        ["convnext_base_in22ft1k"] = "convnext_base.fb_in22k_ft_in1k",
        ["convnext_large_in22ft1k"] = "convnext_large.fb_in22k_ft_in1k",
        ["convnext_xlarge_in22ft1k"] = "convnext_xlarge.fb_in22k_ft_in1k",
        ["convnext_tiny_384_in22ft1k"] = "convnext_tiny.fb_in22k_ft_in1k_384",
        ["convnext_small_384_in22ft1k"] = "convnext_small.fb_in22k_ft_in1k_384",
        ["convnext_base_384_in22ft1k"] = "convnext_base.fb_in22k_ft_in1k_384",
        ["convnext_large_384_in22ft1k"] = "convnext_large.fb_in22k_ft_in1k_384",
        ["convnext_xlarge_384_in22ft1k"] = "convnext_xlarge.fb_in22k_ft_in1k_384",
        ["convnext_tiny_in22k"] = "convnext_tiny.fb_in22k",
        ["convnext_small_in22k"] = "convnext_small.fb_in22k",
        ["convnext_base_in22k"] = "convnext_base.fb_in22k",
        ["convnext_large_in22k"] = "convnext_large.fb_in22k",
        ["convnext_xlarge_in22k"] = "convnext_xlarge.fb_in22k",
    };
}
