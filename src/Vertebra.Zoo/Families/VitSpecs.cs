namespace Vertebra.Zoo.Families;

/// <summary>The usual sizes of vision transformers, and small changes of them, for the rows of the tables.</summary>
internal static class VitSpecs
{
    public static VitSpec Tiny(int patch) => new(patch, 192, 12, 3);

    public static VitSpec Small(int patch) => new(patch, 384, 12, 6);

    public static VitSpec Base(int patch) => new(patch, 768, 12, 12);

    public static VitSpec Large(int patch) => new(patch, 1024, 24, 16);

    public static VitSpec Huge(int patch) => new(patch, 1280, 32, 16);

    /// <summary>Any other size.</summary>
    public static VitSpec Vit(int patch, int width, int depth, int heads) => new(patch, width, depth, heads);

    public static VitSpec Ratio(this VitSpec spec, double ratio) => spec with { MlpRatio = ratio };

    public static VitSpec Scale(this VitSpec spec, float initial) => spec with { LayerScale = initial };

    public static VitSpec Registers(this VitSpec spec, int count) => spec with { Registers = count };

    /// <summary>The mean of the patches is classified, and there is no class token.</summary>
    public static VitSpec Mean(this VitSpec spec) => spec with { HasClassToken = false, Pool = GlobalPool.Avg };

    /// <summary>Attention pooling, and no class token.</summary>
    public static VitSpec Map(this VitSpec spec) => spec with { HasClassToken = false, Pool = GlobalPool.Map };

    /// <summary>The final normaliser stands before the pool.</summary>
    public static VitSpec NormFirst(this VitSpec spec) => spec with { NormsPooled = false };

    /// <summary>Positions are added to the patches only.</summary>
    public static VitSpec Unplaced(this VitSpec spec) => spec with { HasPlacedPrefix = false };

    public static VitSpec NoQkvBias(this VitSpec spec) => spec with { HasQkvBias = false };

    public static VitSpec Tanh(this VitSpec spec) => spec with { Activation = ActivationKind.GeluTanh };

    public static VitSpec Quick(this VitSpec spec) => spec with { Activation = ActivationKind.QuickGelu };

    /// <summary>As in CLIP: normalised before the first block.</summary>
    public static VitSpec Clip(this VitSpec spec) => spec with { HasPreNorm = true, Epsilon = 1e-5f };

    /// <summary>A gated MLP of the same cost as a plain one.</summary>
    public static VitSpec Swish(this VitSpec spec) => spec with { Activation = ActivationKind.Silu, MlpKind = VitMlpKind.PackedGate, MlpRatio = 2.66667 * 2 };

    /// <summary>As in AIMv2: root-mean-square normalisers, gated MLPs, no biases.</summary>
    public static VitSpec Aim(this VitSpec spec) => spec with
    {
        IsRms = true,
        Epsilon = 1e-5f,
        NormsPatches = true,
        HasQkvBias = false,
        HasBias = false,
        MlpKind = VitMlpKind.Gate,
    };

    /// <summary>As in BEiT-3: normalisers inside attention and MLP.</summary>
    public static VitSpec Beit3(this VitSpec spec) => spec with { Epsilon = 1e-5f, NormsInside = true, Pool = GlobalPool.Avg };

    /// <summary>Attention and MLP side by side, after normalised queries and keys.</summary>
    public static VitSpec Xp(this VitSpec spec) => spec with { IsRms = true, HasPreNorm = true, NormsHeads = true, BlockKind = VitBlockKind.Joint };

    /// <summary>A row of a table as an entry of the registry.</summary>
    public static ModelInfo Row(string family, (string Name, VitSpec Spec, (string Tag, PretrainedConfig Config)[] Tags) row) =>
        ModelInfo.Row(row.Name, family, row.Tags, row.Spec.Classifier, row.Spec.FirstConv, options => new VisionTransformer(row.Spec, options));
}
