using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>
/// Adafactor (Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", 2018) with a learning rate
/// from outside: of a matrix's mean squares only those of its rows and columns are kept. As in timm: a convolution is factored
/// over its output and input channels, tensors with 16 or fewer of either are not factored, and there is no mean of the
/// gradient unless a beta is given.
/// </summary>
public sealed class Adafactor : Optimizer
{
    private const int SmallestFactored = 16;
    private const double Epsilon = 1e-30;
    private const double ClipThreshold = 1;
    private const double DecayExponent = -0.8;

    private readonly double? _beta1;

    /// <param name="groups">What to train.</param>
    /// <param name="beta1">Decay of the mean of the updates; null keeps none.</param>
    public Adafactor(IReadOnlyList<ParameterGroup> groups, double? beta1 = null)
        : base(groups, p => Slots(p.Tensor.Shape, beta1 is not null)) => _beta1 = beta1;

    private static IEnumerable<(string Name, Tensor Tensor)> Slots(Shape shape, bool hasMean)
    {
        if (Factored.Of(shape) is { } f)
        {
            yield return ("exp_avg_sq_row", Tensor.Zeros([f.Outer, f.Rows, f.Inner]));
            yield return ("exp_avg_sq_col", Tensor.Zeros([f.Outer, f.Columns, f.Inner]));
        }
        else
        {
            yield return ("exp_avg_sq", Tensor.Zeros(shape));
        }
        if (hasMean)
            yield return ("exp_avg", Tensor.Zeros(shape));
    }

    private protected override void Update(GradientScaling scaling)
    {
        // A tensor is one part: its sums are in one order, whatever the number of threads.
        Workers.Run(Parameters.Count, i =>
        {
            if (Parameters[i].Gradient is not null)
                Update(Parameters[i], Parameters[i].Treated(scaling));
        });
    }

    private void Update(OptimizedParameter parameter, Tensor gradient)
    {
        var rate = LearningRate * parameter.Group.RateScale;
        var beta2 = 1 - Math.Pow(StepCount, DecayExponent);
        var weights = parameter.Tensor.AsSpan<float>();
        var update = gradient.AsSpan<float>();
        if (Factored.Of(parameter.Tensor.Shape) is { } factored)
            factored.Normalise(update, parameter.Slots[0].AsSpan<float>(), parameter.Slots[1].AsSpan<float>(), beta2);
        else
            Normalise(update, parameter.Slots[0].AsSpan<float>(), beta2);
        var length = Math.Sqrt(OptimizerSteps.SumOfSquares(update) / update.Length);
        var factor = rate / Math.Max(1, length / ClipThreshold);
        var keep = (float)(1 - (rate * parameter.Group.WeightDecay));
        if ((Momentum is not null && _beta1 is not null ? Momentum : _beta1) is { } beta1)
        {
            var mean = parameter.Slots[^1].AsSpan<float>();
            UpdateSteps.Subtract(mean, update, (float)beta1, (float)(-(1 - beta1) * factor));
            UpdateSteps.Subtract(weights, mean, keep, 1);
        }
        else
        {
            UpdateSteps.Subtract(weights, update, keep, (float)factor);
        }
        parameter.MarkWritten();
        GC.KeepAlive(gradient);
    }

    private static void Normalise(Span<float> update, Span<float> squares, double beta2)
    {
        for (var i = 0; i < update.Length; i++)
        {
            squares[i] = (float)((beta2 * squares[i]) + ((1 - beta2) * (((double)update[i] * update[i]) + Epsilon)));
            update[i] = (float)(update[i] / Math.Sqrt(squares[i]));
        }
    }

    /// <summary>A tensor seen as [Outer, Rows, Columns, Inner], factored over rows and columns.</summary>
    private readonly record struct Factored(int Outer, int Rows, int Columns, int Inner)
    {
        public static Factored? Of(Shape shape)
        {
            if (shape.Rank > 2 && shape[0] > SmallestFactored && shape[1] > SmallestFactored)
                return new(1, shape[0], shape[1], Product(shape, 2, shape.Rank));
            return shape.Rank >= 2 && shape[-2] > SmallestFactored && shape[-1] > SmallestFactored
                ? new(Product(shape, 0, shape.Rank - 2), shape[-2], shape[-1], 1)
                : null;
        }

        private static int Product(Shape shape, int from, int to)
        {
            var product = 1;
            for (var i = from; i < to; i++)
                product *= shape[i];
            return product;
        }

        /// <summary>Moves the mean squares of rows and columns on and divides the gradient by the root of what they say of each element.</summary>
        public void Normalise(Span<float> update, Span<float> rows, Span<float> columns, double beta2)
        {
            var (rowSums, columnSums) = (new double[rows.Length], new double[columns.Length]);
            for (var i = 0; i < update.Length; i++)
            {
                var square = ((double)update[i] * update[i]) + Epsilon;
                rowSums[RowOf(i)] += square;
                columnSums[ColumnOf(i)] += square;
            }
            for (var i = 0; i < rows.Length; i++)
                rows[i] = (float)((beta2 * rows[i]) + ((1 - beta2) * rowSums[i] / Columns));
            for (var i = 0; i < columns.Length; i++)
                columns[i] = (float)((beta2 * columns[i]) + ((1 - beta2) * columnSums[i] / Rows));
            var means = RowMeans(rows);
            for (var i = 0; i < update.Length; i++)
            {
                var row = RowOf(i);
                var mean = means[(row / (Rows * Inner) * Inner) + (row % Inner)];
                update[i] = (float)(update[i] / Math.Sqrt(rows[row] / mean * columns[ColumnOf(i)]));
            }
        }

        private double[] RowMeans(Span<float> rows)
        {
            var means = new double[Outer * Inner];
            for (var i = 0; i < rows.Length; i++)
                means[(i / (Rows * Inner) * Inner) + (i % Inner)] += (double)rows[i] / Rows;
            return means;
        }

        private int RowOf(int i) => (i / (Columns * Inner) * Inner) + (i % Inner);

        private int ColumnOf(int i) => (i / (Rows * Columns * Inner) * Columns * Inner) + (i % (Columns * Inner));
    }
}
