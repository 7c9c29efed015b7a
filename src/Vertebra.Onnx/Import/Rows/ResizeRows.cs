using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>
/// Resize and Upsample. What PyTorch's interpolate means becomes that op; every other combination of modes is a linear map
/// along each axis, worked out here and applied as a matrix product, or as a choice of positions where it is the nearest one.
/// </summary>
internal static class ResizeRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("Resize", Resize);
        table.Add("Upsample", Resize);
    }

    private static OnnxValue Resize(OnnxCall c)
    {
        var x = c[0];
        var plan = ResizePlan.Read(c);
        var (sizes, scales) = plan.Targets(x.Shape);
        if (AsInterpolation(x, plan, sizes, scales) is { } op)
            return OnnxValue.ChannelsLast(op.Apply(x.AsChannelsLast()));
        var tensor = x.Stored.To(DType.Float32);
        var outside = new List<Tensor>();
        for (var axis = 0; axis < x.Rank; axis++)
        {
            if (sizes[axis] == x.Shape[axis] && scales[axis] == 1 && plan.Coordinates != "tf_crop_and_resize")
                continue;
            var map = plan.MapOf(axis, x.Shape[axis], sizes[axis], scales[axis]);
            var stored = Array.IndexOf(x.Order, axis);
            tensor = map.Apply(tensor, stored);
            if (map.Inside.Contains(false))
                outside.Add(Tensor.From(Array.ConvertAll(map.Inside, i => i ? 1f : 0), [sizes[axis], .. Enumerable.Repeat(1, x.Rank - 1 - stored)]));
        }
        if (outside.Count > 0)
        {
            var inside = outside.Aggregate((a, b) => a * b);
            tensor = (tensor * inside) + ((1 - inside) * plan.Extrapolation);
        }
        return x.With(tensor.To(x.DType));
    }

    private static Interpolate? AsInterpolation(OnnxValue x, ResizePlan plan, int[] sizes, double[] scales)
    {
        if (x.Rank != 4 || x.DType != DType.Float32 || sizes[0] != x.Shape[0] || sizes[1] != x.Shape[1] || x.Shape.ElementCount == 0)
            return null;
        for (var axis = 2; axis < 4; axis++)
        {
            if (scales[axis] * x.Shape[axis] != sizes[axis])
                return null; // the op takes its scale from the sizes
        }
        var isHalfPixel = plan.Coordinates == "half_pixel" || (plan.Coordinates == "pytorch_half_pixel" && sizes[2] > 1 && sizes[3] > 1);
        var isAligned = plan.Coordinates == "align_corners";
        return plan.Mode switch
        {
            "nearest" when plan.Coordinates == "asymmetric" && plan.Nearest == "floor" => new(sizes[2], sizes[3], InterpolationMode.Nearest),
            // Pillow's filter, which the op has, leaves out what lies outside.
            "linear" when (plan.Antialias ? isHalfPixel && plan.ExcludeOutside : isHalfPixel || isAligned) => new(sizes[2], sizes[3], InterpolationMode.Bilinear, isAligned, plan.Antialias),
            "cubic" when (isHalfPixel || isAligned) && !plan.Antialias && plan.CubicA == -0.75f && !plan.ExcludeOutside =>
                new(sizes[2], sizes[3], InterpolationMode.Bicubic, isAligned),
            _ => null,
        };
    }
}
