namespace Vertebra.Zoo.Families;

/// <summary>
/// Rows for networks that torchvision has and timm has not. They are registered as <c>tv_NAME</c>, which cannot collide with timm's
/// names, and NAME alone is an alias. Their weights are not on the hub: torchvision's files load by name.
/// </summary>
internal static class TorchvisionRows
{
    /// <summary>A row of a table.</summary>
    /// <param name="name">torchvision's name.</param>
    /// <param name="family">The family the row stands in.</param>
    /// <param name="classifier">Paths of the classifiers.</param>
    /// <param name="firstConv">Path of the convolution that sees the image.</param>
    /// <param name="build">Builds the network.</param>
    /// <param name="resize">Short side of the image before the crop of 224 pixels.</param>
    /// <param name="pixels">Side of the last feature map.</param>
    public static ModelInfo Row(
        string name, string family, string classifier, string firstConv, Func<ModelOptions, Backbone> build, int resize = 256, int pixels = 7)
    {
        var config = new PretrainedConfig
        {
            HubId = "",
            CropPct = 224f / resize,
            Interpolation = "bilinear",
            PoolSize = [pixels, pixels],
            License = "bsd-3-clause",
        };
        return ModelInfo.Row($"tv_{name}", family, [("tv_in1k", config)], classifier, firstConv, build);
    }

    /// <summary>The names without prefix.</summary>
    public static Dictionary<string, string> Aliases(params IEnumerable<string> names) => names.ToDictionary(n => n, n => $"tv_{n}");
}
