using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Images read at free places, and regions of images.</summary>
public sealed class SamplingCases : IOpCases
{
    public static IEnumerable<OpCase> All()
    {
        foreach (var mode in Enum.GetValues<InterpolationMode>())
        {
            foreach (var padding in Enum.GetValues<GridPadding>())
            {
                foreach (var align in (bool[])[false, true])
                {
                    foreach (var channels in (int[])[1, 3, 16, 19])
                        yield return Grid(new(mode, padding, align), [2, 4, 5, channels], 2, 3) with { CheckGradient = channels < 4 };
                    yield return Grid(new(mode, padding, align), [1, 1, 2, 2], 3, 3);
                    yield return GridGradient(Grid(new(mode, padding, align), [2, 4, 5, 2], 2, 2));
                }
            }
        }
        yield return Grid(new(InterpolationMode.Bilinear, GridPadding.Zeros, false), [2, 9, 7, 5], 20, 30) with { CheckGradient = false };
        var far = Tensor.From([float.NaN, 0, 1e30f, 0, float.NegativeInfinity, 0], [1, 1, 3, 2]);
        var two = Tensor.From([3f, 4f], [1, 1, 2, 1]);
        yield return new(new GridSample(InterpolationMode.Bilinear, GridPadding.Zeros, false), [two, far], _ => [[0, 0, 0]]) { CheckGradient = false };
        yield return new(new GridSample(InterpolationMode.Nearest, GridPadding.Border, false), [two, far], _ => [[3, 4, 3]]) { CheckGradient = false };

        foreach (var halfPixel in (bool[])[false, true])
        {
            foreach (var ratio in (int[])[0, 1, 3])
            {
                foreach (var largest in (bool[])[false, true])
                {
                    foreach (var c in Regions(new(3, 2, 0.5f, ratio, halfPixel, largest), [2, 6, 8, 3]))
                        yield return c;
                }
            }
        }
        foreach (var c in Regions(new(7, 7, 0.25f, 2, true), [3, 20, 17, 33]))
            yield return c;
    }

    // ---------------------------------------------------------------- grids

    private static OpCase Grid(GridSample op, Shape x, int height, int width)
    {
        // No place near a pixel's centre or in the middle of two: there the functions have kinks and jumps.
        var random = new Philox(20261120, 5);
        var grid = new float[x[0] * height * width * 2];
        for (var i = 0; i < grid.Length; i++)
        {
            var size = i % 2 == 0 ? x[2] : x[1];
            var place = random.Below(size + 6, (ulong)(2 * i)) - 3 + 0.15f + (0.25f * random.Uniform((ulong)((2 * i) + 1)));
            grid[i] = op.AlignCorners ? size == 1 ? place : (2 * place / (size - 1)) - 1 : (((2 * place) + 1) / size) - 1;
        }
        Shape gridShape = [x[0], height, width, 2];
        return new(op, [OpCases.Uniform(x, 1), Tensor.From(grid, gridShape)], v =>
            [[.. Naive.Positions([x[0], height, width, x[3]]).Select(p => Sample(op, v[0], x, p, v[1].AsSpan(Naive.Offset(gridShape, [p[0], p[1], p[2], 0]), 2).ToArray()))]]);
    }

    // The result is linear in the images: the gradient of a pixel is what an image of that pixel alone gives.
    private static OpCase GridGradient(OpCase forward)
    {
        var (op, x, grid) = ((GridSample)forward.Op, forward.Inputs[0], forward.Inputs[1]);
        var dy = OpCases.Uniform(op.Infer([x.Spec, grid.Spec])[0].Shape, 4);
        return new(new GridSampleGradient(op), [x, grid, dy], v =>
        {
            double Loss(double[] image, double[] places) => forward.Reference([image, places])[0].Zip(v[2], (a, b) => a * b).Sum();
            double AlongGrid(int i, double step) => Loss(v[0], [.. v[1].Select((g, at) => at == i ? g + step : g)]);
            return
            [
                [.. v[0].Select((_, i) => Loss([.. v[0].Select((_, at) => at == i ? 1.0 : 0)], v[1]))],
                [.. v[1].Select((_, i) => (AlongGrid(i, 1e-6) - AlongGrid(i, -1e-6)) / 2e-6)],
            ];
        }) { CheckGradient = false };
    }

    private static double Sample(GridSample op, double[] image, Shape x, int[] place, double[] at)
    {
        double sum = 0;
        var (row, column) = (Place(at[1], x[1], op.AlignCorners), Place(at[0], x[2], op.AlignCorners));
        for (var i = (int)Math.Floor(row) - 2; i <= row + 3; i++)
        {
            for (var j = (int)Math.Floor(column) - 2; j <= column + 3; j++)
            {
                var (inside, r) = Extend(i, x[1], op);
                var (alsoInside, c) = Extend(j, x[2], op);
                if (inside && alsoInside)
                    sum += Weight(op.Mode, row - i) * Weight(op.Mode, column - j) * image[Naive.Offset(x, [place[0], r, c, place[3]])];
            }
        }
        return sum;
    }

    private static double Place(double coordinate, int size, bool align) => align ? (coordinate + 1) / 2 * (size - 1) : (((coordinate + 1) * size) - 1) / 2;

    // The image continued beyond its border; mirrors repeat it with twice its period.
    private static (bool Inside, int Index) Extend(int index, int size, GridSample op)
    {
        if (op.Padding == GridPadding.Zeros)
            return (index >= 0 && index < size, index);
        if (op.Padding == GridPadding.Border || size == 1)
            return (true, Math.Clamp(index, 0, size - 1));
        int[] period = op.AlignCorners
            ? [.. Enumerable.Range(0, size), .. Enumerable.Range(1, size - 2).Reverse()]
            : [.. Enumerable.Range(0, size), .. Enumerable.Range(0, size).Reverse()];
        return (true, period[((index % period.Length) + period.Length) % period.Length]);
    }

    private static double Weight(InterpolationMode mode, double distance)
    {
        var x = Math.Abs(distance);
        return mode switch
        {
            InterpolationMode.Nearest => x < 0.5 ? 1 : 0,
            InterpolationMode.Bilinear => Math.Max(0, 1 - x),
            _ => x <= 1 ? (1.25 * x * x * x) - (2.25 * x * x) + 1 : x < 2 ? (-0.75 * x * x * x) + (3.75 * x * x) - (6 * x) + 3 : 0,
        };
    }

    // ---------------------------------------------------------------- regions

    private static IEnumerable<OpCase> Regions(RoiAlign op, Shape x)
    {
        // Inside, across every border, wholly outside, tiny, and turned inside out.
        float[][] boxes = [[1, 1, 9, 7], [-6, 3, 5, 30], [8, -9, 40, 4], [100, 100, 130, 120], [4, 4, 4.2f, 4.1f], [9, 9, 3, 3], [0, 0, 15, 11]];
        var regions = Tensor.From(boxes.SelectMany(b => b).ToArray(), [boxes.Length, 4]);
        var images = OpCases.Indices([boxes.Length], x[0], 3);
        Shape y = [boxes.Length, op.Height, op.Width, x[3]];
        var taps = boxes.Select((b, r) => Taps(op, x, b)).ToArray();
        yield return new(op, [OpCases.Uniform(x, 1), regions, images], v => [[.. Naive.Positions(y).Select(p =>
        {
            var values = taps[p[0]][p[1], p[2]].Select(t => t.Weight * (t.Weight == 0 ? 0 : v[0][Naive.Offset(x, [(int)v[2][p[0]], t.Row, t.Column, p[3]])])).ToArray();
            return values.Length == 0 ? 0 : op.Largest ? values.Max() : 4 * values.Average(); // a sample has four corners
        })]]) { CheckGradient = false }; // the regions have none; the images' is checked beside
        if (op.Largest)
            yield break;
        yield return new(new RoiAlignGradient(op, x[0], x[1], x[2]), [OpCases.Uniform(y, 2), regions, images], v =>
        {
            var dx = new double[x.ElementCount];
            foreach (var p in Naive.Positions(y))
            {
                var own = taps[p[0]][p[1], p[2]];
                foreach (var t in own)
                    dx[Naive.Offset(x, [(int)v[2][p[0]], t.Row, t.Column, p[3]])] += 4 * t.Weight / own.Count * v[0][Naive.Offset(y, p)];
            }
            return [dx];
        }) { CheckGradient = false };
    }

    // The corners of every sample of every bin, four each.
    private static List<(int Row, int Column, double Weight)>[,] Taps(RoiAlign op, Shape x, float[] box)
    {
        var (rows, columns) = (Samples(op, box[1], box[3], op.Height), Samples(op, box[0], box[2], op.Width));
        var taps = new List<(int, int, double)>[op.Height, op.Width];
        for (var i = 0; i < op.Height; i++)
        {
            for (var j = 0; j < op.Width; j++)
            {
                taps[i, j] = [];
                foreach (var (row, column) in rows[i].SelectMany(r => columns[j].Select(c => (r, c))))
                {
                    var outside = row < -1 || row > x[1] || column < -1 || column > x[2];
                    var (r, c) = (Math.Clamp(row, 0, x[1] - 1), Math.Clamp(column, 0, x[2] - 1));
                    foreach (var (dr, dc) in ((int, int)[])[(0, 0), (0, 1), (1, 0), (1, 1)])
                    {
                        var (tr, tc) = ((int)Math.Floor(r) + dr, (int)Math.Floor(c) + dc);
                        taps[i, j].Add((Math.Min(tr, x[1] - 1), Math.Min(tc, x[2] - 1), outside ? 0 : (1 - Math.Abs(r - tr)) * (1 - Math.Abs(c - tc))));
                    }
                }
            }
        }
        return taps;
    }

    private static double[][] Samples(RoiAlign op, double start, double end, int bins)
    {
        var offset = op.HalfPixel ? 0.5 : 0;
        (start, end) = ((start * op.Scale) - offset, (end * op.Scale) - offset);
        var length = op.HalfPixel ? end - start : Math.Max(1, end - start);
        var bin = length / bins;
        var count = op.SamplingRatio > 0 ? op.SamplingRatio : Math.Max(0, (int)Math.Ceiling(bin));
        return [.. Enumerable.Range(0, bins).Select(b => Enumerable.Range(0, count).Select(s => start + ((b + ((s + 0.5) / count)) * bin)).ToArray())];
    }
}
