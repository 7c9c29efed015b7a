using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.ByobNetVariants;

namespace Vertebra.Zoo.Families;

/// <summary>The part of the table of <see cref="ByobNet"/> whose blocks have self-attention. Facts as in timm's registry.</summary>
internal static class ByoaNetVariants
{
    private static readonly PretrainedConfig s_base = new PretrainedConfig { CropPct = 0.95f, License = "apache-2.0", MinInputSize = new(3, 224, 224) }.At(256);
    private static readonly PretrainedConfig s_fixed = s_base with { FixedInputSize = true };
    private static readonly PretrainedConfig s_halo = s_base with { MinInputSize = new(3, 256, 256) };
    private static readonly PretrainedConfig s_lambda = s_base with { MinInputSize = new(3, 128, 128) };

    private static readonly SelfAttentionSpec s_bottleneck = new(SelfAttentionKind.Bottleneck);
    private static readonly SelfAttentionSpec s_halo2 = new(SelfAttentionKind.Halo) { Halo = 2 };
    private static readonly SelfAttentionSpec s_halo3 = new(SelfAttentionKind.Halo);
    private static readonly SelfAttentionSpec s_lambda9 = new(SelfAttentionKind.Lambda);

    internal static IEnumerable<Row> Rows()
    {
        (string Name, ByobSpec Spec, string Tag, PretrainedConfig Config)[] rows =
        [
            ("botnet26t_256", R26(s_bottleneck) with { ImageSize = 256 }, "c1_in1k", s_fixed),
            ("sebotnet33ts_256", R33(s_bottleneck) with { ImageSize = 256 }, "a1h_in1k", s_fixed with { CropPct = 0.94f }),
            ("botnet50ts_256", R50(s_bottleneck, s_bottleneck, s_bottleneck, [3]) with { ImageSize = 256, StemPool = ByobPool.Max }, "untrained", s_fixed),
            ("eca_botnext26ts_256", Eca(R26(s_bottleneck with { QueryWidth = 16 }, 16)) with { ImageSize = 256 }, "c1_in1k", s_fixed),
            ("halonet_h1", HaloH1, "untrained", s_halo),
            ("halonet26t", R26(s_halo2), "a1h_in1k", s_halo),
            ("sehalonet33ts", R33(s_halo3), "ra2_in1k", s_halo with { CropPct = 0.94f }),
            ("halonet50ts", R50(s_halo3 with { Heads = 4 }, s_halo3, s_halo3, [3]) with { StemPool = ByobPool.Max }, "a1h_in1k", s_halo with { CropPct = 0.94f }),
            ("eca_halonext26ts", Eca(R26(s_halo2 with { QueryWidth = 16 }, 16)), "c1_in1k", s_halo with { CropPct = 0.94f }),
            ("lambda_resnet26t", R26(s_lambda9), "c1_in1k", s_lambda with { CropPct = 0.94f }),
            ("lambda_resnet50ts", R50(s_lambda9, s_lambda9, s_lambda9, [3]) with { StemPool = ByobPool.Max }, "a1h_in1k", s_lambda),
            ("lambda_resnet26rpt_256", R26(s_lambda9 with { Radius = null }) with { ImageSize = 256 }, "c1_in1k", s_fixed with { CropPct = 0.94f }),
            ("haloregnetz_b", HaloRegNet, "ra3_in1k", s_base.At(224) with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, CropPct = 0.94f }),
            ("lamhalobotnet50ts_256", R50(s_lambda9 with { Radius = 13 }, s_halo3, s_bottleneck, [1, 3]) with { ImageSize = 256 }, "a1h_in1k", s_fixed),
            ("halo2botnet50ts_256", R50(s_halo3, s_halo3, s_bottleneck, [1, 3]) with { ImageSize = 256 }, "a1h_in1k", s_fixed),
        ];
        return rows.Select(r => new Row(r.Name, r.Spec, [(r.Tag, r.Config)]));
    }

    // The blocks of a stage at some places attend.
    private static ByobStage Attending(this ByobStage stage, SelfAttentionSpec attention, params int[] places) => stage with
    {
        Blocks = [.. stage.Blocks.Select((b, i) => places.Contains(i) ? b with { Kind = ByobBlockKind.SelfAttention, SelfAttention = attention } : b)],
    };

    private static ByobSpec R26(SelfAttentionSpec attention, int groupSize = 0)
    {
        var plain = Residual([2, 2, 2, 2], groupSize);
        return plain with { StemPool = ByobPool.Max, Stages = [plain.Stages[0], plain.Stages[1], plain.Stages[2].Attending(attention, 1), plain.Stages[3].Attending(attention, 0, 1)] };
    }

    private static ByobSpec R33(SelfAttentionSpec attention) => Residual([2, 3, 3, 2], 0) with
    {
        Stages =
        [
            Bottle(2, 256, 1, 0, 0.25), Bottle(3, 512, 2, 0, 0.25).Attending(attention, 2),
            Bottle(3, 1024, 2, 0, 0.25).Attending(attention, 2), Bottle(2, 1536, 2, 0, 0.333).Attending(attention, 0, 1),
        ],
        Activation = ActivationKind.Silu,
        FinalWidth = 1280,
        Attention = new(AttentionKind.SqueezeExcite),
    };

    private static ByobSpec R50(SelfAttentionSpec second, SelfAttentionSpec third, SelfAttentionSpec fourth, int[] secondPlaces)
    {
        var plain = Residual([3, 4, 6, 3], 0);
        return plain with
        {
            Stages = [plain.Stages[0], plain.Stages[1].Attending(second, secondPlaces), plain.Stages[2].Attending(third, 1, 3, 5), plain.Stages[3].Attending(fourth, 1)],
            Activation = ActivationKind.Silu,
        };
    }

    private static ByobSpec Eca(ByobSpec spec) => spec with { Activation = ActivationKind.Silu, Attention = new(AttentionKind.EfficientChannel) };

    private static ByobSpec HaloH1 { get; } = new(
    [
        Bottle(3, 64, 1, 0, 1).Attending(s_halo3, 0, 1, 2), Bottle(3, 128, 2, 0, 1).Attending(s_halo3, 0, 1, 2),
        Bottle(10, 256, 2, 0, 1).Attending(s_halo3, [.. Enumerable.Range(0, 10)]), Bottle(3, 512, 2, 0, 1).Attending(s_halo3, 0, 1, 2),
    ]) { Stem = [64], StemKind = ByobStem.Conv7, StemPool = ByobPool.Max };

    private static ByobSpec HaloRegNet
    {
        get
        {
            var plain = RegNetZ([2, 6, 12, 2], 3);
            var attention = s_halo2 with { Block = 7, QueryRatio = 0.33 };
            return plain with { Stages = [plain.Stages[0], plain.Stages[1], plain.Stages[2].Attending(attention, 3, 7, 11), plain.Stages[3].Attending(attention, 0, 1)] };
        }
    }
}
