namespace Vertebra.Zoo;

/// <summary>Shape of one input image.</summary>
public readonly record struct InputSize(int Channels, int Height, int Width)
{
    public override string ToString() => $"{Channels}x{Height}x{Width}";
}

/// <summary>
/// Facts that belong to one set of published weights: where they are, how images are prepared for them, and their licence.
/// A network that was trained here carries the same record in its <c>config.json</c>. Fields and defaults follow timm's
/// <c>pretrained_cfg</c>.
/// </summary>
public sealed record PretrainedConfig
{
    /// <summary>Mean and deviation of ImageNet's colours, the usual normalisation.</summary>
    public static readonly IReadOnlyList<float> ImageNetMean = [0.485f, 0.456f, 0.406f];

    /// <inheritdoc cref="ImageNetMean"/>
    public static readonly IReadOnlyList<float> ImageNetStd = [0.229f, 0.224f, 0.225f];

    /// <summary>Mean and deviation 0.5 ("Inception"): pixels in [-1, 1].</summary>
    public static readonly IReadOnlyList<float> Half = [0.5f, 0.5f, 0.5f];

    /// <summary>Mean and deviation of the pictures that CLIP was trained on.</summary>
    public static readonly IReadOnlyList<float> ClipMean = [0.48145466f, 0.4578275f, 0.40821073f];

    /// <inheritdoc cref="ClipMean"/>
    public static readonly IReadOnlyList<float> ClipStd = [0.26862954f, 0.26130258f, 0.27577711f];

    /// <summary>Which weights of the model these are: the part after the dot in <c>resnet50.a1_in1k</c>.</summary>
    public string Tag { get; init; } = "";

    /// <summary>Repository on the Hugging Face hub; null when no weights are published.</summary>
    public string? HubId { get; init; }

    /// <summary>Classes of the published classifier.</summary>
    public int NumClasses { get; init; } = 1000;

    /// <summary>Image size of training and of the default evaluation.</summary>
    public InputSize InputSize { get; init; } = new(3, 224, 224);

    /// <summary>A larger size at which the weights do better; null: the same.</summary>
    public InputSize? TestInputSize { get; init; }

    /// <summary>The smallest size that the network can take, where that is more than a few pixels.</summary>
    public InputSize? MinInputSize { get; init; }

    /// <summary>True when the network takes no other size than <see cref="InputSize"/>.</summary>
    public bool FixedInputSize { get; init; }

    /// <summary>Height and width of the last feature map at <see cref="InputSize"/>; empty where that has no meaning.</summary>
    public IntList PoolSize { get; init; } = [7, 7];

    /// <summary>Subtracted from each channel of an image in [0, 1].</summary>
    public IReadOnlyList<float> Mean { get; init; } = ImageNetMean;

    /// <summary>Divides each channel after that.</summary>
    public IReadOnlyList<float> Std { get; init; } = ImageNetStd;

    /// <summary>Side of the centre crop as a share of the resized image's short side.</summary>
    public float CropPct { get; init; } = 0.875f;

    /// <summary>The same at <see cref="TestInputSize"/>; null: <see cref="CropPct"/>.</summary>
    public float? TestCropPct { get; init; }

    /// <summary><c>center</c>, <c>squash</c> or <c>border</c>.</summary>
    public string CropMode { get; init; } = "center";

    /// <summary><c>bilinear</c>, <c>bicubic</c> or <c>nearest</c>, antialiased as in Pillow.</summary>
    public string Interpolation { get; init; } = "bicubic";

    /// <summary>SPDX-like name of the weights' licence; null when unknown.</summary>
    public string? License { get; init; }

    /// <summary>What the batch norms added to the variance when the weights were trained; null: what the design says.</summary>
    public float? BnEps { get; init; }

    /// <summary>Path of the classifier module, which is left out when the number of classes differs; several are separated by commas.</summary>
    public string? Classifier { get; init; }

    /// <summary>Path of the convolution that sees the image, which is adapted when the number of channels differs; several are separated by commas.</summary>
    public string? FirstConv { get; init; }

    /// <summary>True when weights are published.</summary>
    public bool HasWeights => HubId is not null;

    /// <summary>This configuration at another square input, with the last feature map 32 times smaller.</summary>
    public PretrainedConfig At(int side) => this with { InputSize = new(InputSize.Channels, side, side), PoolSize = [(side + 31) / 32, (side + 31) / 32] };

    /// <summary>This configuration with its larger test size and crop there.</summary>
    public PretrainedConfig TestAt(int side, float? cropPct) => this with { TestInputSize = new(InputSize.Channels, side, side), TestCropPct = cropPct };
}
