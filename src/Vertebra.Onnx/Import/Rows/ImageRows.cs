using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Convolution, pooling, and the exchange of depth and space.</summary>
internal static class ImageRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("Conv", c => c[0].Rank == 5 ? VolumeRows.Conv(c) : Conv(c));
        table.Add("ConvTranspose", c => c[0].Rank == 5 ? VolumeRows.ConvTranspose(c) : ConvTranspose(c));
        table.AddMany("MaxPool", c => c[0].Rank == 5 ? [VolumeRows.MaxPool(c)] : MaxPool(c));
        table.Add("AveragePool", c => c[0].Rank == 5 ? VolumeRows.AveragePool(c) : AveragePool(c));
        table.Add("GlobalAveragePool", c => Global(c, x => x.AdaptiveAvgPool2d(1), (x, axes) => x.Mean(axes, keepAxes: true)));
        table.Add("GlobalMaxPool", c => Global(c, x => x.AdaptiveMaxPool2d(1), (x, axes) => x.Max(axes, keepAxes: true)));
        table.Add("DepthToSpace", DepthToSpace);
        table.Add("SpaceToDepth", SpaceToDepth);
    }

    private static OnnxValue Conv(OnnxCall c)
    {
        var (x, weight) = (c[0], c.Plain(1));
        var axes = WindowAttributes.SpatialAxes(c, x);
        if (weight.Rank != axes + 2)
            throw c.Bad($"weights {weight.Spec} do not fit {x}");
        var window = WindowAttributes.Read(c, x, Kernel(c, weight));
        var image = axes == 1 ? weight.Unsqueeze(2) : weight;
        var groups = c.ToInt(c.Int("group", 1), "group");
        return WindowAttributes.OnImages(x, t => t.Conv2d(image, c.PlainOrNull(2), window.Stride, window.Padding, window.Dilation, groups));
    }

    private static int[] Kernel(OnnxCall c, Tensor weight)
    {
        var kernel = weight.Shape.Span[2..].ToArray();
        var stated = c.IntList("kernel_shape");
        return stated is null || stated.AsSpan().SequenceEqual(kernel) ? kernel
            : throw c.Bad($"kernel_shape [{string.Join(", ", stated)}] is not that of the weights {weight.Spec}");
    }

    private static OnnxValue ConvTranspose(OnnxCall c)
    {
        var (x, weight) = (c[0], c.Plain(1));
        var axes = WindowAttributes.SpatialAxes(c, x);
        if (weight.Rank != axes + 2)
            throw c.Bad($"weights {weight.Spec} do not fit {x}");
        var kernel = Kernel(c, weight);
        var strides = WindowAttributes.List(c, "strides", axes, 1);
        var dilations = WindowAttributes.List(c, "dilations", axes, 1);
        var extra = WindowAttributes.List(c, "output_padding", axes, 0);
        var (pads, added) = TransposedPads(c, x, kernel, strides, dilations, extra);
        var groups = c.ToInt(c.Int("group", 1), "group");
        int At(int[] list, int axis, int otherwise) => axes == 2 ? list[axis] : axis == 0 ? otherwise : list[0];
        Padding2d padding = axes == 2 ? (pads[0], pads[1], pads[2], pads[3]) : (0, pads[0], 0, pads[1]);
        foreach (var number in (int[])[.. kernel, .. strides, .. dilations, .. pads, .. added])
        {
            if (number is < 0 or > 1 << 14)
                throw c.Bad($"{number} is outside what strides, dilations and pads may be");
        }
        return WindowAttributes.OnImages(x, t => t.ConvTranspose2d(axes == 1 ? weight.Unsqueeze(2) : weight, c.PlainOrNull(2),
            new Size2d(At(strides, 0, 1), At(strides, 1, 1)), padding, new Size2d(At(added, 0, 0), At(added, 1, 0)),
            new Size2d(At(dilations, 0, 1), At(dilations, 1, 1)), groups));
    }

    /// <summary>Pads, and what is added at the end: stated, or what makes the stated output shape.</summary>
    public static (int[] Pads, int[] Added) TransposedPads(OnnxCall c, OnnxValue x, int[] kernel, int[] strides, int[] dilations, int[] extra)
    {
        var mode = c.Text("auto_pad", "NOTSET");
        var target = c.IntList("output_shape");
        if (target is null && mode is "NOTSET" or "" or "VALID")
            return (mode == "VALID" ? new int[2 * kernel.Length] : WindowAttributes.List(c, "pads", 2 * kernel.Length, 0), extra);
        if (target is not null && target.Length == kernel.Length + 2)
            target = target[2..];
        if (target is not null && target.Length != kernel.Length)
            throw c.Bad($"output_shape has {target.Length} sizes for {x}");
        var (pads, added) = (new int[2 * kernel.Length], (int[])extra.Clone());
        for (var i = 0; i < kernel.Length; i++)
        {
            long size = x.Shape[2 + i];
            var wanted = target?[i] ?? size * strides[i];
            var total = ((size - 1) * strides[i]) + extra[i] + ((kernel[i] - 1L) * dilations[i]) + 1 - wanted;
            if (total < 0)
                (added[i], total) = (c.ToInt(added[i] - total, "output_shape"), 0);
            var before = mode == "SAME_UPPER" ? total / 2 : total - (total / 2);
            (pads[i], pads[i + kernel.Length]) = (c.ToInt(before, "padding"), c.ToInt(total - before, "padding"));
        }
        return (pads, added);
    }

    private static OnnxValue[] MaxPool(OnnxCall c)
    {
        var x = c[0];
        var window = WindowAttributes.Read(c, x, c.IntList("kernel_shape") ?? throw c.Bad("the attribute 'kernel_shape' is missing"));
        var wantsIndices = c.OutputCount > 1 && c.Node.Outputs[1].Length > 0;
        var op = new MaxPool2d(wantsIndices)
        {
            Kernel = window.Kernel, Stride = window.Stride, Padding = window.Padding, Dilation = window.Dilation, CeilMode = c.Flag("ceil_mode"),
        };
        Tensor? indices = null;
        var pooled = WindowAttributes.OnImages(x, t =>
        {
            var results = op.ApplyAll(t.To(DType.Float32));
            indices = wantsIndices ? results[1] : null;
            return results[0].To(x.DType);
        });
        return indices is null ? [pooled] : [pooled, FlatIndices(c, x, indices)];
    }

    /// <summary>Positions within one channel's plane become positions in the whole [N, C, H, W].</summary>
    private static OnnxValue FlatIndices(OnnxCall c, OnnxValue x, Tensor indices)
    {
        HostMath.RequireData(indices);
        var (channels, height, width) = (x.Shape[1], x.Rank == 4 ? x.Shape[2] : 1, x.Shape[-1]);
        var columnMajor = c.Int("storage_order", 0) == 1;
        var plain = indices.Permute([0, 3, 1, 2]);
        var values = plain.ToArray<int>();
        var perPlane = plain.Shape[2] * plain.Shape[3];
        var flat = new long[values.Length];
        for (var i = 0; i < flat.Length; i++)
        {
            var within = columnMajor ? (values[i] % width * height) + (values[i] / width) : values[i];
            flat[i] = ((long)(i / perPlane) * height * width) + within;
        }
        var shape = x.Rank == 4 ? plain.Shape : Shape.Create([plain.Shape[0], channels, plain.Shape[3]]);
        return Tensor.From(flat, shape);
    }

    private static OnnxValue AveragePool(OnnxCall c)
    {
        var x = c[0];
        var window = WindowAttributes.Read(c, x, c.IntList("kernel_shape") ?? throw c.Bad("the attribute 'kernel_shape' is missing"));
        var op = new AvgPool2d(c.Flag("count_include_pad"))
        {
            Kernel = window.Kernel, Stride = window.Stride, Padding = window.Padding, Dilation = window.Dilation, CeilMode = c.Flag("ceil_mode"),
        };
        return WindowAttributes.OnImages(x, t => op.Apply(t));
    }

    private static OnnxValue Global(OnnxCall c, Func<Tensor, Tensor> ofImages, Func<Tensor, IntList, Tensor> ofAxes)
    {
        if (c[0].Rank < 3)
            throw c.Bad($"{c[0]} has no spatial axes");
        var last = c[0].AsChannelsLast();
        return OnnxValue.ChannelsLast(last.Rank == 4 ? ofImages(last) : ofAxes(last, Enumerable.Range(1, last.Rank - 2).ToArray()));
    }

    // ---------------------------------------------------------------- depth and space

    private static OnnxValue DepthToSpace(OnnxCall c)
    {
        var (x, block) = Blocks(c);
        var (height, width, depth) = (x.Shape[1], x.Shape[2], x.Shape[3] / (block * block));
        if (depth * block * block != x.Shape[3])
            throw c.Bad($"{c[0]} has no multiple of {block * block} channels");
        var isDepthFirst = c.Text("mode", "DCR") == "DCR";
        var split = x.Reshape(isDepthFirst ? [-1, height, width, block, block, depth] : [-1, height, width, depth, block, block]);
        var spread = split.Permute(isDepthFirst ? [0, 1, 3, 2, 4, 5] : [0, 1, 4, 2, 5, 3]);
        return OnnxValue.ChannelsLast(spread.Reshape([-1, height * block, width * block, depth]));
    }

    private static OnnxValue SpaceToDepth(OnnxCall c)
    {
        var (x, block) = Blocks(c);
        var (height, width, channels) = (x.Shape[1] / block, x.Shape[2] / block, x.Shape[3]);
        if (height * block != x.Shape[1] || width * block != x.Shape[2])
            throw c.Bad($"the sides of {c[0]} are no multiples of {block}");
        var split = x.Reshape([-1, height, block, width, block, channels]);
        return OnnxValue.ChannelsLast(split.Permute([0, 1, 3, 2, 4, 5]).Reshape([-1, height, width, block * block * channels]));
    }

    private static (Tensor Image, int Block) Blocks(OnnxCall c)
    {
        var block = c.ToInt(c.Int("blocksize"), "blocksize");
        if (c[0].Rank != 4 || block is < 1 or > 1 << 12 || c[0].Shape.ElementCount == 0)
            throw c.Bad($"blocks of {block} do not fit {c[0]}");
        return (c[0].AsChannelsLast(), block);
    }
}
