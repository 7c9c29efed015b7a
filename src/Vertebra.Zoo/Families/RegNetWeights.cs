using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for RegNet, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class RegNetWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { License = "mit" };
        var crop96p5Bsd3Clause = usual with { CropPct = 0.965f, License = "bsd-3-clause" };
        var crop95Test288Crop100Apache20 = usual.TestAt(288, 1) with { CropPct = 0.95f, License = "apache-2.0" };
        var crop95Test288Crop100Classes11821Apache20 = usual.TestAt(288, 1) with { CropPct = 0.95f, NumClasses = 11821, License = "apache-2.0" };
        var at384Crop100CcByNc40 = usual.At(384) with { CropPct = 1, License = "cc-by-nc-4.0" };
        var crop96p5CcByNc40 = usual with { CropPct = 0.965f, License = "cc-by-nc-4.0" };
        var at384Crop100SeerLicense = usual.At(384) with { CropPct = 1, License = "seer-license" };
        var crop96p5Classes0SeerLicense = usual with { CropPct = 0.965f, NumClasses = 0, License = "seer-license" };
        var at256Crop100Test320Crop100Apache20 = usual.At(256).TestAt(320, 1) with { CropPct = 1, License = "apache-2.0" };
        return new()
        {
            ["regnetx_002"] = [("pycls_in1k", usual)],
            ["regnetx_004"] = [("pycls_in1k", usual)],
            ["regnetx_004_tv"] = [("tv2_in1k", crop96p5Bsd3Clause)],
            ["regnetx_006"] = [("pycls_in1k", usual)],
            ["regnetx_008"] = [("tv2_in1k", crop96p5Bsd3Clause), ("pycls_in1k", usual)],
            ["regnetx_016"] = [("tv2_in1k", crop96p5Bsd3Clause), ("pycls_in1k", usual)],
            ["regnetx_032"] = [("tv2_in1k", crop96p5Bsd3Clause), ("pycls_in1k", usual)],
            ["regnetx_040"] = [("pycls_in1k", usual)],
            ["regnetx_064"] = [("pycls_in1k", usual)],
            ["regnetx_080"] = [("tv2_in1k", crop96p5Bsd3Clause), ("pycls_in1k", usual)],
            ["regnetx_120"] = [("pycls_in1k", usual)],
            ["regnetx_160"] = [("tv2_in1k", crop96p5Bsd3Clause), ("pycls_in1k", usual)],
            ["regnetx_320"] = [("tv2_in1k", crop96p5Bsd3Clause), ("pycls_in1k", usual)],
            ["regnety_002"] = [("pycls_in1k", usual)],
            ["regnety_004"] = [("tv2_in1k", crop96p5Bsd3Clause), ("pycls_in1k", usual)],
            ["regnety_006"] = [("pycls_in1k", usual)],
            ["regnety_008"] = [("pycls_in1k", usual)],
            ["regnety_008_tv"] = [("tv2_in1k", crop96p5Bsd3Clause)],
            ["regnety_016"] = [("tv2_in1k", crop96p5Bsd3Clause), ("pycls_in1k", usual)],
            ["regnety_032"] = [("ra_in1k", crop95Test288Crop100Apache20), ("tv2_in1k", crop96p5Bsd3Clause), ("pycls_in1k", usual)],
            ["regnety_040"] = [("ra3_in1k", crop95Test288Crop100Apache20), ("pycls_in1k", usual)],
            ["regnety_064"] = [("ra3_in1k", crop95Test288Crop100Apache20), ("pycls_in1k", usual)],
            ["regnety_080"] = [("ra3_in1k", crop95Test288Crop100Apache20), ("pycls_in1k", usual)],
            ["regnety_080_tv"] = [("tv2_in1k", crop96p5Bsd3Clause)],
            ["regnety_120"] = [("sw_in12k_ft_in1k", crop95Test288Crop100Apache20), ("sw_in12k", crop95Test288Crop100Classes11821Apache20), ("pycls_in1k", usual)],
            ["regnety_160"] =
            [
                ("sw_in12k_ft_in1k", crop95Test288Crop100Apache20), ("lion_in12k_ft_in1k", crop95Test288Crop100Apache20),
                ("sw_in12k", crop95Test288Crop100Classes11821Apache20), ("deit_in1k", crop95Test288Crop100Apache20), ("tv2_in1k", crop96p5Bsd3Clause),
                ("swag_ft_in1k", at384Crop100CcByNc40), ("swag_lc_in1k", crop96p5CcByNc40), ("pycls_in1k", usual),
            ],
            ["regnety_320"] =
            [
                ("tv2_in1k", crop96p5Bsd3Clause), ("swag_ft_in1k", at384Crop100CcByNc40), ("swag_lc_in1k", crop96p5CcByNc40),
                ("seer_ft_in1k", at384Crop100SeerLicense), ("seer", crop96p5Classes0SeerLicense), ("pycls_in1k", usual),
            ],
            ["regnety_640"] = [("seer_ft_in1k", at384Crop100SeerLicense), ("seer", crop96p5Classes0SeerLicense)],
            ["regnety_1280"] =
            [
                ("swag_ft_in1k", at384Crop100CcByNc40), ("swag_lc_in1k", crop96p5CcByNc40), ("seer_ft_in1k", at384Crop100SeerLicense),
                ("seer", crop96p5Classes0SeerLicense),
            ],
            ["regnety_2560"] = [("seer_ft_in1k", at384Crop100SeerLicense)],
            ["regnety_040_sgn"] = [("untrained", crop95Test288Crop100Apache20)],
            ["regnetv_040"] = [("ra3_in1k", crop95Test288Crop100Apache20)],
            ["regnetv_064"] = [("ra3_in1k", crop95Test288Crop100Apache20)],
            ["regnetz_005"] = [("untrained", crop95Test288Crop100Apache20)],
            ["regnetz_040"] = [("ra3_in1k", at256Crop100Test320Crop100Apache20)],
            ["regnetz_040_h"] = [("ra3_in1k", at256Crop100Test320Crop100Apache20)],
        };
    }

    public static Dictionary<string, string> Aliases() => new()
    {
        ["regnetz_040h"] = "regnetz_040_h",
    };
}
