namespace Vertebra.Zoo.Families;

/// <summary>How images are prepared for the weights of transformers, and small changes of it, for the rows of their tables.</summary>
internal static class TransformerConfigs
{
    private static readonly IReadOnlyList<float> s_clipMean = [0.48145466f, 0.4578275f, 0.40821073f];
    private static readonly IReadOnlyList<float> s_clipStd = [0.26862954f, 0.26130258f, 0.27577711f];

    /// <summary>224 pixels, crop 0.9, ImageNet's colours.</summary>
    public static PretrainedConfig ImageNet { get; } = new() { PoolSize = [], FixedInputSize = true, CropPct = 0.9f, License = "apache-2.0" };

    /// <summary>The same with mean and deviation 0.5.</summary>
    public static PretrainedConfig Inception { get; } = ImageNet with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half };

    /// <summary>The same with the colours of OpenAI's CLIP.</summary>
    public static PretrainedConfig Clip { get; } = ImageNet with { Mean = s_clipMean, Std = s_clipStd };

    /// <summary>The same with pixels as they are, in [0, 1].</summary>
    public static PretrainedConfig Raw { get; } = ImageNet with { Mean = [0, 0, 0], Std = [1, 1, 1] };

    public static PretrainedConfig Square(this PretrainedConfig config, int side) => config with { InputSize = new(config.InputSize.Channels, side, side) };

    public static PretrainedConfig Licence(this PretrainedConfig config, string? licence) => config with { License = licence };

    /// <summary>The network takes other sizes too.</summary>
    public static PretrainedConfig AnySize(this PretrainedConfig config) => config with { FixedInputSize = false };

    /// <summary>The weights lie in another repository than the name says.</summary>
    public static PretrainedConfig Hub(this PretrainedConfig config, string repository) => config with { HubId = repository };

    /// <summary>The weights are not on the hub.</summary>
    public static PretrainedConfig NotOnHub(this PretrainedConfig config) => config with { HubId = "" };
}
