namespace Vertebra.Zoo.Layers;

/// <summary>
/// Coordinate attention (Hou et al. 2021): means along each axis pass a common narrow convolution, and one of their own gives the
/// gates of the rows and of the columns. Names of this and the next three follow timm.
/// </summary>
public sealed class CoordinateAttention : Module
{
    private readonly Conv2d _reduce;
    private readonly BatchNorm2d _norm;
    private readonly ActivationLayer _act;
    private readonly Conv2d _rows;
    private readonly Conv2d _columns;
    private readonly ActivationLayer _gate;

    /// <param name="channels">Channels of the image.</param>
    /// <param name="reduced">Channels of the narrow convolution.</param>
    /// <param name="initialiser">Fills the convolutions.</param>
    public CoordinateAttention(int channels, int reduced, Initialiser? initialiser = null)
    {
        _reduce = Child("conv1", new Conv2d(channels, reduced, 1, bias: false, initialiser: initialiser));
        _norm = Child("bn1", new BatchNorm2d(reduced));
        _act = Child("act", new ActivationLayer(ActivationKind.HardSwish));
        _rows = Child("conv_h", new Conv2d(reduced, channels, 1, bias: false, initialiser: initialiser));
        _columns = Child("conv_w", new Conv2d(reduced, channels, 1, bias: false, initialiser: initialiser));
        _gate = Child("gate", new ActivationLayer(ActivationKind.Sigmoid));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var rows = x.Shape[1];
        var strips = Tensor.Concat([x.Mean([2], keepAxes: true), x.Mean([1], keepAxes: true).Permute([0, 2, 1, 3])], 1);
        var narrow = _norm.Forward(_reduce.Forward(strips), _act);
        var rowGate = _gate.Forward(_rows.Forward(narrow.Slice(1, 0, rows)));
        var columnGate = _gate.Forward(_columns.Forward(narrow.Slice(1, rows).Permute([0, 2, 1, 3])));
        return x * columnGate * rowGate;
    }
}

/// <summary>Coordinate attention of linear layers, with one gate of the sum.</summary>
public sealed class SimpleCoordinateAttention : Module
{
    private readonly Linear _reduce;
    private readonly ActivationLayer _act;
    private readonly Linear _rows;
    private readonly Linear _columns;
    private readonly ActivationLayer _gate;

    /// <param name="channels">Channels of the image.</param>
    /// <param name="reduced">Features of the narrow layer.</param>
    public SimpleCoordinateAttention(int channels, int reduced)
    {
        _reduce = Child("fc1", new Linear(channels, reduced));
        _act = Child("act", new ActivationLayer(ActivationKind.Silu));
        _rows = Child("fc_h", new Linear(reduced, channels));
        _columns = Child("fc_w", new Linear(reduced, channels));
        _gate = Child("gate", new ActivationLayer(ActivationKind.Sigmoid));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var rows = _rows.Forward(_act.Forward(_reduce.Forward(x.Mean([2], keepAxes: true))));
        var columns = _columns.Forward(_act.Forward(_reduce.Forward(x.Mean([1], keepAxes: true))));
        return x * _gate.Forward(rows + columns);
    }
}

/// <summary>Efficient local attention (Xu and Wan 2024): depthwise convolutions along the means of each axis, normalised over all channels, are the gates.</summary>
public sealed class EfficientLocalAttention : Module
{
    private const int Kernel = 7;
    private readonly Conv2d _rows;
    private readonly Conv2d _columns;
    private readonly GroupNorm _rowNorm;
    private readonly GroupNorm _columnNorm;
    private readonly ActivationLayer _act;
    private readonly ActivationLayer _gate;

    /// <param name="channels">Channels of the image.</param>
    /// <param name="initialiser">Fills the convolutions.</param>
    public EfficientLocalAttention(int channels, Initialiser? initialiser = null)
    {
        var convs = new StripConvolutions(channels, Kernel, initialiser);
        (_rows, _columns) = (Child("conv_h", convs.Rows), Child("conv_w", convs.Columns));
        _rowNorm = Child("norm_h", new GroupNorm(1, channels));
        _columnNorm = Child("norm_w", new GroupNorm(1, channels));
        _act = Child("act", new ActivationLayer(ActivationKind.Silu));
        _gate = Child("gate", new ActivationLayer(ActivationKind.Sigmoid));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var rows = _act.Forward(_rowNorm.Forward(_rows.Forward(x.Mean([2], keepAxes: true))));
        var columns = _act.Forward(_columnNorm.Forward(_columns.Forward(x.Mean([1], keepAxes: true))));
        return x * _gate.Forward(rows) * _gate.Forward(columns);
    }
}

/// <summary>Strip attention: depthwise convolutions along the means of each axis; their sum is the gate.</summary>
public sealed class StripAttention : Module
{
    private const int Kernel = 3;
    private readonly Conv2d _rows;
    private readonly Conv2d _columns;
    private readonly ActivationLayer _gate;

    /// <param name="channels">Channels of the image.</param>
    /// <param name="initialiser">Fills the convolutions.</param>
    public StripAttention(int channels, Initialiser? initialiser = null)
    {
        var convs = new StripConvolutions(channels, Kernel, initialiser);
        (_rows, _columns) = (Child("conv_h", convs.Rows), Child("conv_w", convs.Columns));
        _gate = Child("gate", new ActivationLayer(ActivationKind.Sigmoid));
    }

    protected override Tensor OnForward(Tensor x) =>
        x * _gate.Forward(_rows.Forward(x.Mean([2], keepAxes: true)) + _columns.Forward(x.Mean([1], keepAxes: true)));
}

/// <summary>Depthwise convolutions without bias down a column of rows' means and along a row of columns' means.</summary>
internal readonly struct StripConvolutions(int channels, int kernel, Initialiser? initialiser)
{
    public Conv2d Rows { get; } = new(channels, channels, (kernel, 1), 1, WindowPadding.Centred((kernel, 1), 1, 1), groups: channels, bias: false, initialiser: initialiser);

    public Conv2d Columns { get; } = new(channels, channels, (1, kernel), 1, WindowPadding.Centred((1, kernel), 1, 1), groups: channels, bias: false, initialiser: initialiser);
}
