namespace Vertebra.Zoo.Layers;

/// <summary>A network whose map a transformer cuts into patches.</summary>
/// <param name="Make">Builds it for a number of channels of the image.</param>
/// <param name="Channels">Channels of its map.</param>
/// <param name="Reduction">Pixels of the image per pixel of the map, along one side.</param>
/// <param name="FirstConv">Path of the convolution that sees the image.</param>
/// <param name="IsProjected">Whether a convolution makes tokens of the patches; else the map's pixels are the tokens.</param>
internal sealed record HybridStem(Func<int, Module> Make, int Channels, int Reduction, string FirstConv, bool IsProjected = true);

/// <summary>Tokens [N, L, C] of the map of a network <c>backbone</c>, by a convolution <c>proj</c> (Dosovitskiy et al. 2021).</summary>
internal sealed class HybridEmbed : Module
{
    private readonly Module _backbone;
    private readonly Conv2d? _proj;

    /// <param name="stem">The network.</param>
    /// <param name="inChans">Channels of the image.</param>
    /// <param name="width">Channels of a token.</param>
    /// <param name="patch">Side of a patch in pixels of the map.</param>
    public HybridEmbed(HybridStem stem, int inChans, int width, int patch)
    {
        _backbone = Child("backbone", stem.Make(inChans));
        _proj = stem.IsProjected ? Child("proj", new Conv2d(stem.Channels, width, patch, patch)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _backbone.Forward(x);
        return (_proj?.Forward(x) ?? x).ToTokens();
    }
}
