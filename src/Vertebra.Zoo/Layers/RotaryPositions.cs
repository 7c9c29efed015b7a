namespace Vertebra.Zoo.Layers;

/// <summary>
/// Rotary positions (Su et al. 2021): pairs of a head's channels are turned by angles that grow with the token's place, so that the
/// product of a query with a key depends on how far they lie apart.
/// </summary>
/// <param name="Cos">Cosines of the angles, [L, D / 2] or [1, heads, L, D / 2].</param>
/// <param name="Sin">Sines, likewise.</param>
/// <param name="IsInterleaved">Whether the partners of a pair are neighbours, or lie half a head apart.</param>
internal sealed record Rotation(Tensor Cos, Tensor Sin, bool IsInterleaved)
{
    /// <summary>
    /// Queries or keys [N, heads, L, D], turned. All first partners come out before all second ones: queries and keys change order
    /// alike, so that their products do not notice, and no channels need to be put between others.
    /// </summary>
    public Tensor Turn(Tensor x)
    {
        var width = x.Shape[3];
        var (first, second) = IsInterleaved
            ? (x.Slice(3, 0, width, 2), x.Slice(3, 1, width, 2))
            : (x.Slice(3, 0, width / 2), x.Slice(3, width / 2));
        return Tensor.Concat([(first * Cos) - (second * Sin), (second * Cos) + (first * Sin)], 3);
    }
}

/// <summary>How the angles of rotary positions follow from places in a grid of patches.</summary>
/// <param name="Temperature">Ratio of the fastest to the (next beyond the) slowest turn.</param>
internal sealed record RotarySpec(double Temperature)
{
    /// <summary>Added to a patch's row and column.</summary>
    public float Offset { get; init; }

    /// <summary>Side of the grid whose places other grids are stretched or squeezed to; null: places are counted.</summary>
    public int? ReferenceSide { get; init; }

    /// <summary>Whether the first channels turn by the column, the others by the row; or the other way round.</summary>
    public bool StartsWithColumns { get; init; }

    /// <summary>Places go from -1 to 1 over the image, at the middles of its patches, and the fastest turn is a whole one (Siméoni et al. 2025, DINOv3).</summary>
    public bool IsCentred { get; init; }

    /// <summary>Whether the partners of a pair are neighbours, or lie half a head apart.</summary>
    public bool IsInterleaved { get; init; } = true;

    /// <summary>Angle of a pair of channels at a patch.</summary>
    /// <param name="patch">Row and column.</param>
    /// <param name="grid">Rows and columns in all.</param>
    /// <param name="pair">Which pair.</param>
    /// <param name="pairs">Pairs in all, an even number: half of them turn by the row.</param>
    public float Angle((int Row, int Column) patch, Size2d grid, int pair, int pairs)
    {
        var bands = pairs / 2;
        var isColumn = pair < bands == StartsWithColumns;
        var (place, side) = isColumn ? (patch.Column, grid.W) : (patch.Row, grid.H);
        var slowness = (float)Math.Pow(Temperature, (float)(pair % bands) / bands);
        if (IsCentred)
            return 2 * MathF.PI * ((2 * ((place + 0.5f + Offset) / side)) - 1) / slowness;
        var position = place + Offset;
        if (ReferenceSide is { } reference)
            position = position / side * reference;
        return position * (1 / slowness);
    }
}

/// <summary>The rotations of a network's blocks.</summary>
internal abstract class RotaryPositions : Module
{
    /// <summary>One rotation for each block; tokens before the patches do not turn.</summary>
    /// <param name="grid">The grid of patches.</param>
    public abstract IReadOnlyList<Rotation> For(Size2d grid);

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("rotary positions turn queries and keys; ask them for the rotations");
}

/// <summary>Fixed angles, the same in every block and head.</summary>
internal sealed class FixedRotaryPositions : RotaryPositions
{
    private readonly RotarySpec _spec;
    private readonly int _pairs;
    private readonly Size2d _grid;
    private readonly int _prefix;
    private readonly int _blocks;
    private readonly Tensor _cos;
    private readonly Tensor _sin;

    public FixedRotaryPositions(RotarySpec spec, int headWidth, Size2d grid, int prefix, int blocks)
    {
        (_spec, _pairs, _grid, _prefix, _blocks) = (spec, headWidth / 2, grid, prefix, blocks);
        _cos = Buffer("cos", Table(grid, MathF.Cos), persistent: false);
        _sin = Buffer("sin", Table(grid, MathF.Sin), persistent: false);
    }

    public override IReadOnlyList<Rotation> For(Size2d grid)
    {
        var isBuiltFor = grid == _grid;
        var rotation = new Rotation(isBuiltFor ? _cos : Table(grid, MathF.Cos), isBuiltFor ? _sin : Table(grid, MathF.Sin), _spec.IsInterleaved);
        return [.. Enumerable.Repeat(rotation, _blocks)];
    }

    private Tensor Table(Size2d grid, Func<float, float> function) => PositionTables.Make([_prefix + (grid.H * grid.W), _pairs], i =>
    {
        var patch = (i / _pairs) - _prefix;
        return function(patch < 0 ? 0 : _spec.Angle((patch / grid.W, patch % grid.W), grid, i % _pairs, _pairs));
    });
}

/// <summary>
/// Angles that mix row and column, with learned frequencies <c>freqs</c> [2, blocks, heads, D / 2] for every block and head (Heo et al.
/// 2024, "Rotary position embedding for vision transformer").
/// </summary>
internal sealed class MixedRotaryPositions : RotaryPositions
{
    private readonly Size2d _grid;
    private readonly int _prefix;
    private readonly Tensor _frequencies;
    private readonly Tensor _places;

    public MixedRotaryPositions(double temperature, int heads, int headWidth, Size2d grid, int prefix, int blocks)
    {
        (_grid, _prefix) = (grid, prefix);
        _frequencies = Parameter("freqs", [2, blocks, heads, headWidth / 2], Initialiser(temperature));
        _places = Buffer("places", Places(grid), persistent: false);
    }

    public override IReadOnlyList<Rotation> For(Size2d grid)
    {
        var places = grid == _grid ? _places : Places(grid);
        var blocks = _frequencies.Shape[1];
        var angles = places.MatMul(_frequencies.Permute([1, 2, 0, 3])).Pad([0, 0, _prefix, 0], [0, 0, 0, 0]);
        var (cos, sin) = (angles.Cos().Chunk(blocks, 0), angles.Sin().Chunk(blocks, 0));
        return [.. cos.Zip(sin, (c, s) => new Rotation(c, s, IsInterleaved: true))];
    }

    // Column and row of each patch.
    private static Tensor Places(Size2d grid) => PositionTables.Make([grid.H * grid.W, 2], i => i % 2 == 0 ? i / 2 % grid.W : i / 2 / grid.W);

    // Frequencies fall as those of fixed angles do; each head looks in a direction of its own, and at a right angle to it.
    private static Initialiser Initialiser(double temperature) => (parameter, random) =>
    {
        var (blocks, heads, pairs) = (parameter.Shape[1], parameter.Shape[2], parameter.Shape[3]);
        var directions = Tensor.Zeros([blocks * heads]);
        Init.Uniform(MathF.PI)(directions, random);
        var values = parameter.AsSpan<float>();
        var angles = directions.AsSpan<float>();
        for (var i = 0; i < values.Length; i++)
        {
            var (axis, head, pair) = (i / pairs / angles.Length, i / pairs % angles.Length, i % pairs);
            var direction = angles[head] + (pair < pairs / 2 ? 0 : MathF.PI / 2);
            var frequency = 1 / (float)Math.Pow(temperature, (double)(pair % (pairs / 2)) / (pairs / 2));
            values[i] = frequency * (axis == 0 ? MathF.Cos(direction) : MathF.Sin(direction));
        }
    };
}
