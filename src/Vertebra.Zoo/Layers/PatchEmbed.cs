namespace Vertebra.Zoo.Layers;

/// <summary>
/// Cuts an image into square patches and maps each to a token by a convolution <c>proj</c> whose stride is its kernel, with a
/// normaliser <c>norm</c> if wanted (Dosovitskiy et al. 2021). Pixels that fill no whole patch at the right and below are left out.
/// </summary>
public sealed class PatchEmbed : Module
{
    private readonly bool _flatten;
    private readonly Conv2d _proj;
    private readonly Module? _norm;

    /// <param name="inChans">Channels of the image.</param>
    /// <param name="width">Channels of a token.</param>
    /// <param name="patch">Side of a patch in pixels.</param>
    /// <param name="bias">Whether the convolution has a bias.</param>
    /// <param name="norm">Normaliser of the tokens; it becomes the child <c>norm</c>.</param>
    /// <param name="flatten">Whether the result is a row of tokens [N, L, C] or the map [N, H, W, C].</param>
    public PatchEmbed(int inChans, int width, int patch, bool bias = true, Module? norm = null, bool flatten = true)
    {
        _flatten = flatten;
        _proj = Child("proj", new Conv2d(inChans, width, patch, patch, bias: bias));
        _norm = norm is null ? null : Child("norm", norm);
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _proj.Forward(x);
        if (_flatten)
            x = x.ToTokens();
        return _norm?.Forward(x) ?? x;
    }
}

/// <summary>Feature maps [N, H, W, C] as rows of tokens [N, H·W, C], and back.</summary>
internal static class TokenMaps
{
    /// <summary>A map [N, H, W, C] as tokens [N, H·W, C], row by row.</summary>
    public static Tensor ToTokens(this Tensor map) => map.Reshape([map.Shape[0], map.Shape[1] * map.Shape[2], map.Shape[3]]);

    /// <summary>Tokens [N, H·W, C] as a map [N, H, W, C].</summary>
    public static Tensor ToMap(this Tensor tokens, int height, int width) => tokens.Reshape([tokens.Shape[0], height, width, tokens.Shape[2]]);

    /// <summary>Learned tokens [1, T, C] before (or after) the tokens of every image.</summary>
    public static Tensor Prepend(this Tensor tokens, Tensor learned) =>
        Tensor.Concat([learned.Expand([tokens.Shape[0], learned.Shape[1], learned.Shape[2]]), tokens], 1);

    /// <summary>One token [N, C] of each row [N, L, C].</summary>
    public static Tensor TokenAt(this Tensor tokens, int index) => tokens.Slice(1, index, index + 1).Squeeze(1);
}
