using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for VoVNet, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class VovNetWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { License = "apache-2.0" };
        var test288Crop95 = usual.TestAt(288, 0.95f);
        return new()
        {
            ["vovnet39a"] = [("untrained", usual)],
            ["vovnet57a"] = [("untrained", usual)],
            ["ese_vovnet19b_slim_dw"] = [("untrained", usual)],
            ["ese_vovnet19b_dw"] = [("ra_in1k", test288Crop95)],
            ["ese_vovnet19b_slim"] = [("untrained", usual)],
            ["ese_vovnet39b"] = [("ra_in1k", test288Crop95)],
            ["ese_vovnet57b"] =
            [
                ("ra4_e3600_r256_in1k", usual.At(256).TestAt(320, 1) with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, CropPct = 0.95f }),
            ],
            ["ese_vovnet99b"] = [("untrained", usual)],
            ["eca_vovnet39b"] = [("untrained", usual)],
            ["ese_vovnet39b_evos"] = [("untrained", usual)],
        };
    }
}
