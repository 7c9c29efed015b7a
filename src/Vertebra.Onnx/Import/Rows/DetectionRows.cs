using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>What detection networks need besides convolutions: boxes, regions, free places.</summary>
internal static class DetectionRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("NonMaxSuppression", SuppressNonMaxima);
        table.Add("RoiAlign", AlignRegions);
        table.Add("GridSample", Sample);
        table.Add("AffineGrid", AffineGrid);
    }

    private static OnnxValue Sample(OnnxCall c)
    {
        if (c[0].Rank != 4)
            throw c.Bad($"only images [N, C, H, W] can be sampled, got {c[0]}");
        var mode = c.Text("mode", "linear") switch
        {
            "nearest" => InterpolationMode.Nearest,
            "linear" or "bilinear" => InterpolationMode.Bilinear,
            "cubic" or "bicubic" => InterpolationMode.Bicubic,
            var other => throw c.Bad($"there is no mode '{other}'"),
        };
        var padding = c.Text("padding_mode", "zeros") switch
        {
            "zeros" => GridPadding.Zeros,
            "border" => GridPadding.Border,
            "reflection" => GridPadding.Reflection,
            var other => throw c.Bad($"there is no padding mode '{other}'"),
        };
        return OnnxValue.ChannelsLast(c[0].AsChannelsLast().GridSample(c.Plain(1), mode, padding, c.Flag("align_corners")));
    }

    // PyTorch's affine_grid: theta [N, 2, 3] maps the places of the result to places of the source.
    private static OnnxValue AffineGrid(OnnxCall c)
    {
        var theta = c.Plain(0);
        var size = c.Ints(1);
        if (size.Length != 4 || theta.Rank != 3 || theta.Shape[1] != 2)
            throw c.Bad($"only images are supported, with theta [N, 2, 3] and four sizes; got {c[0]} and {size.Length} sizes");
        var (height, width) = (size[2], size[3]);
        var align = c.Flag("align_corners");
        float Place(int i, int count) => align ? count == 1 ? 0 : (2f * i / (count - 1)) - 1 : (((2f * i) + 1) / count) - 1;
        MemoryBudget.Check(new([height, width, 3], DType.Float32));
        var places = new float[checked(height * width * 3)];
        for (var i = 0; i < height * width; i++)
            (places[3 * i], places[(3 * i) + 1], places[(3 * i) + 2]) = (Place(i % width, width), Place(i / width, height), 1);
        return Tensor.From(places, [1, height * width, 3]).Expand([theta.Shape[0], height * width, 3]).MatMul(theta, transposeB: true).Reshape([theta.Shape[0], height, width, 2]);
    }

    private static OnnxValue AlignRegions(OnnxCall c)
    {
        var mode = c.Text("mode", "avg");
        if (mode is not ("avg" or "max"))
            throw c.Bad($"there is no mode '{mode}'");
        var halfPixel = c.Text("coordinate_transformation_mode", c.Opset < 16 ? "output_half_pixel" : "half_pixel") == "half_pixel";
        var op = new RoiAlign(c.ToInt(c.Int("output_height", 1), "output_height"), c.ToInt(c.Int("output_width", 1), "output_width"), c.Float("spatial_scale", 1),
            c.ToInt(c.Int("sampling_ratio", 0), "sampling_ratio"), halfPixel, mode == "max");
        return OnnxValue.ChannelsLast(op.Apply(c[0].AsChannelsLast(), c.Plain(1), c.Plain(2).To(DType.Int64)));
    }

    // Boxes [batch, boxes, 4], scores [batch, classes, boxes] → chosen [count, 3]: batch, class, box, best first within a class.
    private static OnnxValue SuppressNonMaxima(OnnxCall c)
    {
        var (boxes, scores) = (c.Floats(0), c.Floats(1));
        if (c[0].Rank != 3 || c[1].Rank != 3 || c[0].Shape[2] != 4 || c[0].Shape[0] != c[1].Shape[0] || c[0].Shape[1] != c[1].Shape[2])
            throw c.Bad($"boxes must be [batch, boxes, 4] and scores [batch, classes, boxes], got {c[0]} and {c[1]}");
        var most = c.Has(2) ? c.Long(2) : 0;
        var overlap = c.Has(3) ? (float)c.Number(3) : 0;
        var least = c.Has(4) ? (float)c.Number(4) : float.NegativeInfinity;
        var isCentred = c.Flag("center_point_box");
        var (batches, classes, count) = (c[1].Shape[0], c[1].Shape[1], c[1].Shape[2]);
        var corners = Enumerable.Range(0, batches * count).Select(i => Box.From(boxes.AsSpan(4 * i, 4), isCentred)).ToArray();
        var chosen = new List<long>();
        if (count == 0)
            batches = 0;
        for (var batch = 0; batch < batches; batch++)
        {
            for (var label = 0; label < classes; label++)
            {
                var row = scores.AsSpan(((batch * classes) + label) * count, count).ToArray();
                foreach (var box in Best(corners.AsSpan(batch * count, count), row, most, overlap, least))
                    chosen.AddRange([batch, label, box]);
            }
        }
        return Tensor.From(chosen.ToArray(), [chosen.Count / 3, 3]);
    }

    private static List<int> Best(ReadOnlySpan<Box> boxes, float[] scores, long most, float overlap, float least)
    {
        var chosen = new List<int>();
        foreach (var candidate in Enumerable.Range(0, scores.Length).Where(i => scores[i] > least).OrderByDescending(i => scores[i]))
        {
            if (chosen.Count >= most)
                break;
            var isFree = true;
            foreach (var former in chosen)
                isFree &= boxes[candidate].Overlap(boxes[former]) <= overlap;
            if (isFree)
                chosen.Add(candidate);
        }
        return chosen;
    }

    private readonly record struct Box(float Left, float Top, float Right, float Bottom)
    {
        /// <summary>(y1, x1, y2, x2) with the corners in any order, or (x centre, y centre, width, height).</summary>
        public static Box From(ReadOnlySpan<float> box, bool isCentred) => isCentred
            ? new(box[0] - (box[2] / 2), box[1] - (box[3] / 2), box[0] + (box[2] / 2), box[1] + (box[3] / 2))
            : new(Math.Min(box[1], box[3]), Math.Min(box[0], box[2]), Math.Max(box[1], box[3]), Math.Max(box[0], box[2]));

        private float Area => (Right - Left) * (Bottom - Top);

        /// <summary>Intersection over union; 0 where either is empty.</summary>
        public float Overlap(Box other)
        {
            var width = Math.Min(Right, other.Right) - Math.Max(Left, other.Left);
            var height = Math.Min(Bottom, other.Bottom) - Math.Max(Top, other.Top);
            if (width <= 0 || height <= 0 || Area <= 0 || other.Area <= 0)
                return 0;
            var shared = width * height;
            return shared / (Area + other.Area - shared);
        }
    }
}
