namespace Vertebra.Zoo.Layers;

/// <summary>
/// Bilinear attentional transforms (Chi et al. 2020, "Non-local neural networks with grouped bilinear attentional
/// transforms"): in a narrow space each channel's map is multiplied from both sides by matrices computed from its content.
/// </summary>
public sealed class BilinearAttention : Module
{
    private const float DropRate = 0.2f;
    private readonly ConvNormAct _reduce;
    private readonly BilinearTransform _transform;
    private readonly ConvNormAct _expand;
    private readonly DropPath _drop;

    /// <param name="channels">Channels of the image.</param>
    /// <param name="reduced">Channels of the narrow space; a multiple of <paramref name="groups"/>.</param>
    /// <param name="block">Blocks along each side of the map; the sides are multiples of it.</param>
    /// <param name="groups">Groups of channels that share their matrices.</param>
    public BilinearAttention(int channels, int reduced, int block, int groups = 2)
    {
        _reduce = Child("conv1", new ConvNormAct(channels, reduced, 1));
        _transform = Child("ba", new BilinearTransform(reduced, block, groups));
        _expand = Child("conv2", new ConvNormAct(reduced, channels, 1));
        _drop = Child("dropout", new DropPath(DropRate));
    }

    protected override Tensor OnForward(Tensor x) => DropChannels(_expand.Forward(_transform.Forward(_reduce.Forward(x)))) + x;

    // Whole channels are dropped: they stand where images do.
    private Tensor DropChannels(Tensor x)
    {
        if (!_drop.IsInPlace)
            return x;
        var (n, h, w, c) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]);
        return _drop.Forward(x.Permute([0, 3, 1, 2]).Reshape([n * c, h, w])).Reshape([n, c, h, w]).Permute([0, 2, 3, 1]);
    }
}

/// <summary>The two matrices and their products.</summary>
internal sealed class BilinearTransform : Module
{
    private readonly int _block;
    private readonly int _groups;
    private readonly ConvNormAct _squeeze;
    private readonly Conv2d _rows;
    private readonly Conv2d _columns;
    private readonly ConvNormAct _project;

    public BilinearTransform(int channels, int block, int groups)
    {
        (_block, _groups) = (block, groups);
        _squeeze = Child("conv1", new ConvNormAct(channels, groups, 1));
        _rows = Child("conv_p", new Conv2d(groups, block * block * groups, (block, 1)));
        _columns = Child("conv_q", new Conv2d(groups, block * block * groups, (1, block)));
        _project = Child("conv2", new ConvNormAct(channels, channels, 1));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (n, h, w, c) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]);
        if (h % _block != 0 || w % _block != 0)
            throw new VertebraException($"the map is {h}x{w}; bilinear attention needs multiples of {_block}");
        var squeezed = _squeeze.Forward(x);
        var rowMaxima = squeezed.Reshape([n, _block, h / _block, w, _groups]).Max([2, 3]).Reshape([n, _block, 1, _groups]);
        var columnMaxima = squeezed.Reshape([n, h, _block, w / _block, _groups]).Max([1, 3]).Reshape([n, 1, _block, _groups]);
        var p = _rows.Forward(rowMaxima).Reshape([n, _groups, _block, _block]).Sigmoid();
        var q = _columns.Forward(columnMaxima).Reshape([n, _groups, _block, _block]).Sigmoid();
        p /= p.Sum([3], keepAxes: true);
        q /= q.Sum([2], keepAxes: true);
        var y = Matrix(p, c, h / _block).MatMul(x.Permute([0, 3, 1, 2])).MatMul(Matrix(q, c, w / _block));
        return _project.Forward(y.Permute([0, 2, 3, 1]));
    }

    // [n, groups, B, B] for every channel, and as Kronecker product with the identity of size t: [n, channels, B·t, B·t]. The
    // identity comes of padding: t ones with t zeros after each lie on the diagonal of rows of length t.
    private Tensor Matrix(Tensor x, int channels, int t)
    {
        var (n, b) = (x.Shape[0], _block);
        x = x.Reshape([n, _groups, 1, b, b]).Expand([n, _groups, channels / _groups, b, b]).Reshape([n, channels, b, b]);
        if (t == 1)
            return x;
        var maps = n * channels;
        x = x.Reshape([maps, b, b, 1, 1]).Expand([maps, b, b, t, 1]).Pad([0, 0, 0, 0, 0], [0, 0, 0, 0, t]);
        x = x.Reshape([maps, b, b, t * (t + 1)]).Slice(-1, 0, t * t).Reshape([maps, b, b, t, t]);
        return x.Permute([0, 1, 3, 2, 4]).Reshape([n, channels, b * t, b * t]);
    }
}
