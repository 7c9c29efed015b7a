namespace Vertebra.Zoo.Layers;

/// <summary>
/// Scores of queries for the relative positions of keys on a grid: <c>height_rel</c> and <c>width_rel</c> [2 K - 1, d] hold a vector for
/// every distance, and a query's products with them are added (Bello et al. 2019, "Attention augmented convolutional networks").
/// </summary>
internal sealed class RelativePositions2d : Module
{
    private readonly Tensor _rows;
    private readonly Tensor _columns;

    /// <param name="height">Rows of keys.</param>
    /// <param name="width">Columns of keys.</param>
    /// <param name="dimension">Length of a query.</param>
    /// <param name="deviation">Of the initial values.</param>
    public RelativePositions2d(int height, int width, int dimension, float deviation)
    {
        _rows = Parameter("height_rel", [(2 * height) - 1, dimension], Init.TruncatedNormal(deviation));
        _columns = Parameter("width_rel", [(2 * width) - 1, dimension], Init.TruncatedNormal(deviation));
    }

    /// <summary>Queries [B, h, w, d] give scores [B, h, w, height, width].</summary>
    protected override Tensor OnForward(Tensor x)
    {
        var (b, h, w) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        var columns = Along(x, _columns);
        var rows = Along(x.Permute([0, 2, 1, 3]), _rows).Permute([0, 2, 1, 3]);
        return rows.Reshape([b, h, w, rows.Shape[3], 1]) + columns.Reshape([b, h, w, 1, columns.Shape[3]]);
    }

    // Queries [B, R, L, d] and keys of one line: [B, R, L, K]. Query l and key k have distance k - l, whose vector is row k - l + K - 1.
    // Rows that are one too long, read as rows of the right length, shift by one from line to line.
    private static Tensor Along(Tensor queries, Tensor table)
    {
        var (b, r, l) = (queries.Shape[0], queries.Shape[1], queries.Shape[2]);
        var distances = table.Shape[0];
        var x = queries.Linear(table).Reshape([b * r, l, distances]).Pad([0, 0, 0], [0, 0, 1]);
        x = x.Reshape([b * r, l * (distances + 1)]).Pad([0, 0], [0, distances - l]).Reshape([b * r, l + 1, distances]);
        return x.Slice(1, 0, l).Slice(2, (distances - 1) / 2).Reshape([b, r, l, (distances + 1) / 2]);
    }
}

/// <summary>Which self-attention stands in a block, and its sizes.</summary>
internal sealed record SelfAttentionSpec(SelfAttentionKind Kind)
{
    /// <summary>Heads; the kind's default if null.</summary>
    public int? Heads { get; init; }

    /// <summary>Length of a query; the channels per head if null.</summary>
    public int? QueryWidth { get; init; }

    /// <summary>Length of all queries relative to the channels, where <see cref="QueryWidth"/> is null.</summary>
    public double QueryRatio { get; init; } = 1;

    /// <summary>Side of a block of queries.</summary>
    public int Block { get; init; } = 8;

    /// <summary>Pixels around a block that its queries see too.</summary>
    public int Halo { get; init; } = 3;

    /// <summary>Side of the convolution over positions; null: a vector for every relative position.</summary>
    public int? Radius { get; init; } = 9;

    public Module Create(int channels, int stride, Size2d? map) => Kind switch
    {
        SelfAttentionKind.Bottleneck => new BottleneckAttention(this, channels, stride, Required(map)),
        SelfAttentionKind.Halo => new HaloAttention(this, channels, stride),
        SelfAttentionKind.Lambda => new LambdaLayer(this, channels, stride, Radius is null ? Required(map) : map),
        _ => throw new InvalidOperationException($"self-attention {Kind} has no module"),
    };

    public int QueryWidthOf(int channels, int heads) => QueryWidth ?? (Widths.Divisible(channels * QueryRatio) / heads);

    private static Size2d Required(Size2d? map) => map ?? throw new InvalidOperationException("this attention needs the size of its map");
}

internal enum SelfAttentionKind
{
    /// <summary>Global, with relative positions (BoTNet).</summary>
    Bottleneck,

    /// <summary>In blocks that see their surroundings (HaloNet).</summary>
    Halo,

    /// <summary>Linear functions made of context (LambdaNetworks).</summary>
    Lambda,
}

/// <summary>Attention of all pixels to all, with relative positions (Srinivas et al. 2021, "Bottleneck transformers for visual recognition").</summary>
internal sealed class BottleneckAttention : Module
{
    private readonly Size2d _map;
    private readonly int _heads;
    private readonly int _queryWidth;
    private readonly Conv2d _qkv;
    private readonly RelativePositions2d _positions;
    private readonly Module _pool;

    public BottleneckAttention(SelfAttentionSpec spec, int channels, int stride, Size2d map)
    {
        (_map, _heads) = (map, spec.Heads ?? 4);
        _queryWidth = spec.QueryWidthOf(channels, _heads);
        _qkv = Child("qkv", new Conv2d(
            channels, (2 * _heads * _queryWidth) + channels, 1, bias: false, initialiser: Init.TruncatedNormal(1 / MathF.Sqrt(channels))));
        _positions = Child("pos_embed", new RelativePositions2d(map.H, map.W, _queryWidth, 1 / MathF.Sqrt(_queryWidth)));
        _pool = Child<Module>("pool", stride == 2 ? new AvgPool2d(2) : new Identity());
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (n, h, w, c) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]);
        if (h != _map.H || w != _map.W)
            throw new VertebraException($"attention with relative positions was built for maps of {_map.H}x{_map.W} and got {h}x{w}; build the network with img_size of the images");
        var width = _heads * _queryWidth;
        var qkv = _qkv.Forward(x).Reshape([n, h * w, (2 * width) + c]);
        var q = qkv.Slice(-1, 0, width).SplitHeads(_heads);
        var (k, v) = (qkv.Slice(-1, width, 2 * width).SplitHeads(_heads), qkv.Slice(-1, 2 * width).SplitHeads(_heads));
        var scores = _positions.Forward(q.Reshape([n * _heads, h, w, _queryWidth])).Reshape([n, _heads, h * w, h * w]);
        return _pool.Forward(q.Attention(k, v, mask: scores).JoinHeads().Reshape([n, h, w, c]));
    }
}

/// <summary>
/// Attention in square blocks, whose queries also see the pixels around the block (Vaswani et al. 2021, "Scaling local
/// self-attention for parameter efficient visual backbones").
/// </summary>
internal sealed class HaloAttention : Module
{
    private readonly int _block;
    private readonly int _halo;
    private readonly int _heads;
    private readonly int _queryWidth;
    private readonly int _queryStep;
    private readonly Conv2d _q;
    private readonly Conv2d _kv;
    private readonly RelativePositions2d _positions;
    private readonly Module _pool;

    public HaloAttention(SelfAttentionSpec spec, int channels, int stride)
    {
        (_block, _halo, _heads) = (spec.Block, spec.Halo, spec.Heads ?? 8);
        _queryWidth = spec.QueryWidthOf(channels, _heads);
        var pools = stride > 1 && _block % stride != 0;
        _queryStep = pools ? 1 : stride;
        var initialiser = Init.TruncatedNormal(1 / MathF.Sqrt(channels));
        _q = Child("q", new Conv2d(channels, _heads * _queryWidth, 1, _queryStep, bias: false, initialiser: initialiser));
        _kv = Child("kv", new Conv2d(channels, (_heads * _queryWidth) + channels, 1, bias: false, initialiser: initialiser));
        _positions = Child("pos_embed", new RelativePositions2d(Window, Window, _queryWidth, 1 / MathF.Sqrt(_queryWidth)));
        _pool = Child<Module>("pool", pools ? new AvgPool2d(2) : new Identity());
    }

    private int Window => _block + (2 * _halo);

    protected override Tensor OnForward(Tensor x)
    {
        var (n, h, w, c) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]);
        if (h % _block != 0 || w % _block != 0)
            throw new VertebraException($"the map is {h}x{w}; halo attention needs multiples of {_block}");
        var (rows, columns, side, width) = (h / _block, w / _block, _block / _queryStep, _queryWidth + (c / _heads));
        var blocks = n * rows * columns;
        var q = _q.Forward(x).Reshape([n, rows, side, columns, side, _heads * _queryWidth])
            .Permute([0, 1, 3, 2, 4, 5]).Reshape([blocks, side * side, _heads * _queryWidth]).SplitHeads(_heads);
        var kv = Windows(Windows(_kv.Forward(x), 1, rows), 3, columns)
            .Permute([0, 1, 3, 2, 4, 5]).Reshape([blocks, Window * Window, _heads * width]).SplitHeads(_heads);
        var scores = _positions.Forward(q.Reshape([blocks * _heads, side, side, _queryWidth])).Reshape([blocks, _heads, side * side, Window * Window]);
        var y = q.Attention(kv.Slice(-1, 0, _queryWidth), kv.Slice(-1, _queryWidth), mask: scores).JoinHeads();
        y = y.Reshape([n, rows, columns, side, side, c]).Permute([0, 1, 3, 2, 4, 5]).Reshape([n, rows * side, columns * side, c]);
        return _pool.Forward(y);
    }

    // Cuts an axis of count blocks into as many overlapping windows, zeros beyond the border: [.., count, window, ..]. A window is
    // its block's length from the padded axis, and then the beginnings of the blocks after it.
    private Tensor Windows(Tensor x, int axis, int count)
    {
        var pieces = (Window + _block - 1) / _block;
        int[] before = new int[x.Rank], after = new int[x.Rank];
        before[axis] = _halo;
        after[axis] = ((count + pieces - 1) * _block) - (count * _block) - _halo;
        int[] blocked = [.. x.Shape.Span[..axis], count + pieces - 1, _block, .. x.Shape.Span[(axis + 1)..]];
        x = x.Pad(before, after).Reshape(blocked);
        var parts = Enumerable.Range(0, pieces).Select(i => x.Slice(axis, i, i + count).Slice(axis + 1, 0, Math.Min(_block, Window - (i * _block))));
        return Tensor.Concat([.. parts], axis + 1);
    }
}

/// <summary>
/// Every pixel's context becomes a small matrix that is applied to its query (Bello 2021, "LambdaNetworks: modeling long-range
/// interactions without attention").
/// </summary>
internal sealed class LambdaLayer : Module
{
    private readonly int _heads;
    private readonly int _queryWidth;
    private readonly int _valueWidth;
    private readonly Size2d? _map;
    private readonly Tensor? _embedding;
    private readonly Tensor? _indices;
    private readonly Conv2d _qkv;
    private readonly BatchNorm2d _normQ;
    private readonly BatchNorm2d _normV;
    private readonly PositionConvolution? _conv;
    private readonly Module _pool;

    public LambdaLayer(SelfAttentionSpec spec, int channels, int stride, Size2d? map)
    {
        (_heads, _queryWidth) = (spec.Heads ?? 4, spec.QueryWidth ?? 16);
        _valueWidth = channels / _heads;
        if (spec.Radius is null)
        {
            _map = map;
            _embedding = Parameter("pos_emb", [(2 * map!.Value.H) - 1, (2 * map.Value.W) - 1, _queryWidth], Init.TruncatedNormal(0.02f));
            _indices = Buffer("rel_pos_indices", RelativeIndices(map.Value), persistent: false);
        }
        _qkv = Child("qkv", new Conv2d(
            channels, (_heads * _queryWidth) + _queryWidth + _valueWidth, 1, bias: false, initialiser: Init.TruncatedNormal(1 / MathF.Sqrt(channels))));
        _normQ = Child("norm_q", new BatchNorm2d(_heads * _queryWidth));
        _normV = Child("norm_v", new BatchNorm2d(_valueWidth));
        if (spec.Radius is { } radius)
            _conv = Child("conv_lambda", new PositionConvolution(_queryWidth, radius));
        _pool = Child<Module>("pool", stride == 2 ? new AvgPool2d(2) : new Identity());
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (n, h, w, pixels) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[1] * x.Shape[2]);
        var qkv = _qkv.Forward(x);
        var queries = _heads * _queryWidth;
        var q = _normQ.Forward(qkv.Slice(-1, 0, queries)).Reshape([n, pixels, _heads, _queryWidth]);
        var k = qkv.Slice(-1, queries, queries + _queryWidth).Reshape([n, pixels, _queryWidth]).Softmax(1);
        var v = _normV.Forward(qkv.Slice(-1, queries + _queryWidth));
        var content = k.MatMul(v.Reshape([n, pixels, _valueWidth]), transposeA: true);
        var fromContent = q.Reshape([n, pixels * _heads, _queryWidth]).MatMul(content).Reshape([n, pixels, _heads, _valueWidth]);
        var fromPositions = q.MatMul(PositionLambdas(v));
        return _pool.Forward((fromContent + fromPositions).Reshape([n, h, w, _heads * _valueWidth]));
    }

    // [N, H, W, V] gives a matrix a pixel: [N, H·W, K, V].
    private Tensor PositionLambdas(Tensor v)
    {
        var (n, h, w) = (v.Shape[0], v.Shape[1], v.Shape[2]);
        if (_conv is not null)
            return _conv.Forward(v).Reshape([n, _valueWidth, h * w, _queryWidth]).Permute([0, 2, 3, 1]);
        if (_map is not { } map || h != map.H || w != map.W)
            throw new VertebraException($"a lambda layer with relative positions was built for maps of {_map?.H}x{_map?.W} and got {h}x{w}; build the network with img_size of the images");
        var pixels = h * w;
        var embedding = _embedding!.Reshape([((2 * map.H) - 1) * ((2 * map.W) - 1), _queryWidth]).IndexSelect(0, _indices!).Reshape([1, pixels, pixels, _queryWidth]);
        return embedding.MatMul(v.Reshape([n, 1, pixels, _valueWidth]), transposeA: true);
    }

    // Row of the embedding table for query pixel i and context pixel j, at i · pixels + j.
    private static Tensor RelativeIndices(Size2d map)
    {
        var pixels = map.H * map.W;
        if (Construction.IsMeta)
            return Tensor.Meta([pixels * pixels], DType.Int64);
        var indices = new long[pixels * pixels];
        for (var at = 0; at < indices.Length; at++)
        {
            var (i, j) = (at / pixels, at % pixels);
            var (row, column) = ((j / map.W) - (i / map.W) + map.H - 1, (j % map.W) - (i % map.W) + map.W - 1);
            indices[at] = (row * ((2 * map.W) - 1)) + column;
        }
        return Tensor.From(indices);
    }

    /// <summary>A convolution over the pixels of each value channel by itself; <c>weight</c> [K, 1, r, r, 1] and <c>bias</c> as PyTorch's Conv3d.</summary>
    private sealed class PositionConvolution : Module
    {
        private readonly Tensor _weight;
        private readonly Tensor _bias;

        public PositionConvolution(int outputs, int side)
        {
            _weight = Parameter("weight", [outputs, 1, side, side, 1], Init.TruncatedNormal(1 / MathF.Sqrt(outputs)));
            _bias = Parameter("bias", [outputs], Init.Uniform(1f / side));
        }

        /// <summary>[N, H, W, V] gives [N·V, H, W, K]: value channels stand where images do.</summary>
        protected override Tensor OnForward(Tensor x)
        {
            var (n, h, w, c) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]);
            var side = _weight.Shape[2];
            var maps = x.Permute([0, 3, 1, 2]).Reshape([n * c, h, w, 1]);
            return maps.Conv2d(_weight.Reshape([_weight.Shape[0], 1, side, side]), _bias, padding: side / 2);
        }
    }
}
