using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// A cell as architecture search found it: it sees the outputs of the two cells before it, makes both as wide as itself, combines
/// them pair by pair, and concatenates. All windows are padded as TensorFlow's "same".
/// </summary>
internal sealed class SearchedCell : Module
{
    private readonly Module? _previous;
    private readonly FactorisedReduction? _inline;
    private readonly Module _current;
    private readonly List<Combination> _combinations = [];
    private readonly string _outputs;

    /// <param name="plan">The combinations; see <see cref="CellPlan"/>.</param>
    /// <param name="width">Channels of every part.</param>
    /// <param name="previousWidth">Channels of the cell before the last.</param>
    /// <param name="currentWidth">Channels of the last cell.</param>
    public SearchedCell(CellPlan plan, int width, int previousWidth, int currentWidth)
    {
        switch (plan.Entry)
        {
            case CellEntry.Inline:
                _current = Child("conv_1x1", new ActivatedConv(currentWidth, width));
                _inline = new FactorisedReduction(previousWidth, width);
                foreach (var (name, part) in _inline.Children)
                    Child(name, part);
                break;
            case CellEntry.Raw:
                _current = Child("conv_1x1", new ActivatedConv(currentWidth, width));
                break;
            default:
                _previous = Child<Module>("conv_prev_1x1", plan.Entry == CellEntry.Halving ? new FactorisedReduction(previousWidth, width) : new ActivatedConv(previousWidth, width));
                _current = Child("conv_1x1", new ActivatedConv(currentWidth, width));
                break;
        }
        var pairs = plan.Combinations.Split('|');
        for (var i = 0; i < pairs.Length; i++)
        {
            var steps = pairs[i].Split(' ');
            var rawWidth = plan.Entry == CellEntry.Raw ? previousWidth : width;
            var left = Step($"comb_iter_{i}_left", steps[0], rawWidth, width, plan.Stride);
            _combinations.Add(new(left, steps[0][^1], Step($"comb_iter_{i}_right", steps[1], rawWidth, width, plan.Stride), steps[1][^1]));
        }
        _outputs = plan.Outputs;
    }

    /// <summary>The cell over the output of the last cell and of the one before.</summary>
    public Tensor Forward(Tensor current, Tensor previous) => Forward(() => Apply(current, previous));

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a searched cell takes the outputs of two cells");

    private Tensor Apply(Tensor current, Tensor previous)
    {
        var left = _inline?.Reduce(previous) ?? _previous?.Forward(previous) ?? previous;
        var right = _current.Forward(current);
        var sums = new List<Tensor>();
        Tensor Operand(char name) => name switch { 'L' => left, 'R' => right, _ => sums[name - '0'] };
        foreach (var pair in _combinations)
            sums.Add(Applied(pair.Left, Operand(pair.LeftOperand)) + Applied(pair.Right, Operand(pair.RightOperand)));
        return Tensor.Concat([.. _outputs.Select(Operand)], -1);
    }

    internal static BatchNorm2d Norm(int channels) => new(channels, 1e-3f);

    internal static Conv2d Conv(int inWidth, int outWidth, int kernel = 1, int stride = 1, int groups = 1) =>
        new(inWidth, outWidth, kernel, stride, WindowPadding.Same, groups: groups, bias: false);

    private static Tensor Applied(Module? step, Tensor x) => step?.Forward(x) ?? x;

    private Module? Step(string name, string step, int rawWidth, int width, int cellStride)
    {
        var (kind, operand) = (step[0], step[^1]);
        if (kind == '-')
            return null;
        var inWidth = operand == 'L' ? rawWidth : width;
        var stride = operand is 'L' or 'R' ? cellStride : 1;
        return Child<Module>(name, kind switch
        {
            's' => new TwofoldSeparable(inWidth, width, step[1] - '0', stride),
            'c' => new ActivatedConv(inWidth, width, stride),
            'm' when inWidth != width => new Sequential([("max_pool", MaxPool(stride)), ("conv", Conv(inWidth, width)), ("bn", Norm(width))]),
            'm' => MaxPool(stride),
            // Where the reference pads by itself, its zeros count in the mean.
            'a' => new AvgPool2d(3, stride, WindowPadding.Same, countIncludePad: stride > 1),
            _ => throw new ArgumentException($"no step is '{step}'"),
        });
    }

    private static MaxPool2d MaxPool(int stride) => new(3, stride, WindowPadding.Same);

    private readonly record struct Combination(Module? Left, char LeftOperand, Module? Right, char RightOperand);

    /// <summary>ReLU, 1x1 convolution, normaliser.</summary>
    private sealed class ActivatedConv : Module
    {
        private readonly Module[] _layers;

        public ActivatedConv(int inWidth, int outWidth, int stride = 1) => _layers =
        [
            Child("act", new ActivationLayer(ActivationKind.Relu)), Child("conv", Conv(inWidth, outWidth, stride: stride)), Child("bn", Norm(outWidth)),
        ];

        protected override Tensor OnForward(Tensor x)
        {
            foreach (var layer in _layers)
                x = layer.Forward(x);
            return x;
        }
    }

    /// <summary>ReLU, depthwise and 1x1 convolution, normaliser; and all that again, the first time with the stride and the change of width.</summary>
    private sealed class TwofoldSeparable : Module
    {
        private readonly List<Module> _layers = [];

        public TwofoldSeparable(int inWidth, int outWidth, int kernel, int stride)
        {
            for (var i = 1; i <= 2; i++)
            {
                var from = i == 1 ? inWidth : outWidth;
                _layers.Add(Child($"act_{i}", new ActivationLayer(ActivationKind.Relu)));
                _layers.Add(Child($"separable_{i}", new Sequential(
                [
                    ("depthwise_conv2d", Conv(from, from, kernel, i == 1 ? stride : 1, groups: from)), ("pointwise_conv2d", Conv(from, outWidth)),
                ])));
                _layers.Add(Child($"bn_sep_{i}", Norm(outWidth)));
            }
        }

        protected override Tensor OnForward(Tensor x)
        {
            foreach (var layer in _layers)
                x = layer.Forward(x);
            return x;
        }
    }

    /// <summary>Halves a map: half of the channels from the pixels of even rows and columns, half from the odd ones.</summary>
    private sealed class FactorisedReduction : Module
    {
        private readonly Module _act, _even, _odd, _norm;

        public FactorisedReduction(int inWidth, int outWidth)
        {
            _act = Child("act", new ActivationLayer(ActivationKind.Relu));
            _even = Child("path_1", new Sequential([("avgpool", new AvgPool2d(1, 2)), ("conv", Conv(inWidth, outWidth / 2))]));
            _odd = Child("path_2", new Sequential([("pad", new DiagonalShift()), ("avgpool", new AvgPool2d(1, 2)), ("conv", Conv(inWidth, outWidth / 2))]));
            _norm = Child("final_path_bn", Norm(outWidth));
        }

        /// <summary>The same without being a module of the network: for cells that own the parts themselves.</summary>
        public Tensor Reduce(Tensor x)
        {
            x = _act.Forward(x);
            return _norm.Forward(Tensor.Concat([_even.Forward(x), _odd.Forward(x)], -1));
        }

        protected override Tensor OnForward(Tensor x) => Reduce(x);
    }

    /// <summary>Takes the first row and column off and puts zeros at the other ends.</summary>
    private sealed class DiagonalShift : Module
    {
        protected override Tensor OnForward(Tensor x) => x.Slice(1, 1).Slice(2, 1).Pad([0, 0, 0, 0], [0, 1, 1, 0]);
    }
}

/// <summary>What a cell combines.</summary>
/// <param name="Combinations">
/// Pairs whose members are added, each a step and its operand: <c>s5</c> is a twofold separable convolution with a 5x5 kernel,
/// <c>m</c> the maximum and <c>a</c> the mean of 3x3 pixels, <c>c</c> a 1x1 convolution, <c>-</c> nothing; <c>L</c> is the cell before
/// the last, <c>R</c> the last, a digit an earlier pair.
/// </param>
/// <param name="Outputs">What is concatenated.</param>
/// <param name="Entry">How the cell before the last comes in.</param>
/// <param name="Stride">Step of what reads <c>L</c> and <c>R</c>.</param>
internal sealed record CellPlan(string Combinations, string Outputs, CellEntry Entry = CellEntry.Conv, int Stride = 1);

/// <summary>How a cell takes the output of the cell before the last.</summary>
internal enum CellEntry
{
    /// <summary>Through a 1x1 convolution.</summary>
    Conv,

    /// <summary>It is twice as large and is halved.</summary>
    Halving,

    /// <summary>The same, with the parts as children of the cell.</summary>
    Inline,

    /// <summary>As it is.</summary>
    Raw,
}
