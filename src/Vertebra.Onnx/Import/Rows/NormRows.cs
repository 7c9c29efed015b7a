using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Normalisations.</summary>
internal static class NormRows
{
    public static void AddTo(OperatorTable table)
    {
        table.AddMany("BatchNormalization", c => c.Flag("training_mode") ? TrainingBatchNormalization(c) : [BatchNormalization(c)]);
        table.Add("InstanceNormalization", InstanceNormalization);
        table.Add("GroupNormalization", GroupNormalization);
        table.AddMany("LayerNormalization", LayerNormalization);
        table.Add("LRN", LocalResponse);
        table.Add("LpNormalization", LpNormalization);
    }

    private static OnnxValue BatchNormalization(OnnxCall c)
    {
        if (c.Opset < 7 && !c.Flag("is_test"))
            throw c.Bad("batch normalisation in training mode is not supported: export the network in evaluation mode");
        var last = c[0].AsChannelsLast();
        return OnnxValue.ChannelsLast(last.BatchNorm(c.Plain(1), c.Plain(2), c.Plain(3), c.Plain(4), c.Float("epsilon", 1e-5f)));
    }

    // Normalised by the batch's own statistics, with which the running ones are updated; the variance is that of the population.
    private static OnnxValue[] TrainingBatchNormalization(OnnxCall c)
    {
        var last = c[0].AsChannelsLast();
        IntList axes = Enumerable.Range(0, last.Rank - 1).ToArray();
        var (mean, variance) = (last.Mean(axes), last.Variance(axes, correction: 0));
        var kept = c.Float("momentum", 0.9f);
        Tensor Updated(Tensor running, Tensor own) => (running * kept) + (own * (1 - kept));
        return [OnnxValue.ChannelsLast(last.BatchNorm(c.Plain(1), c.Plain(2), mean, variance, c.Float("epsilon", 1e-5f))), Updated(c.Plain(3), mean), Updated(c.Plain(4), variance)];
    }

    private static OnnxValue InstanceNormalization(OnnxCall c)
    {
        var (scale, shift, epsilon) = (c.Plain(1), c.Plain(2), c.Float("epsilon", 1e-5f));
        if (c[0].Image is not { } image)
            return OnnxValue.ChannelsLast(c[0].AsChannelsLast().InstanceNorm(scale, shift, epsilon));
        var (groups, perGroup) = (c[0].Shape[1], image.Shape[1] / c[0].Shape[1]);
        if (scale.ElementCount != groups || shift.ElementCount != groups)
            throw c.Bad($"{c[1]} and {c[2]} are not one number for each of {groups} channels");
        var normal = image.AsChannelsLast().GroupNorm(groups, Repeated(scale, perGroup), Repeated(shift, perGroup), epsilon);
        return OnnxValue.Grouped(OnnxValue.ChannelsLast(normal), c[0].Shape);
    }

    private static OnnxValue GroupNormalization(OnnxCall c)
    {
        var last = c[0].AsChannelsLast();
        var groups = c.ToInt(c.Int("num_groups"), "num_groups");
        var (scale, shift) = (c.Plain(1), c.Plain(2));
        var channels = last.Shape[-1];
        if (groups < 1 || channels % groups != 0)
            throw c.Bad($"{groups} groups do not divide the {channels} channels of {c[0]}");
        // Until opset 20 there is one number for each group, since then one for each channel.
        if (scale.ElementCount == groups && groups != channels)
            (scale, shift) = (Repeated(scale, channels / groups), Repeated(shift, channels / groups));
        return OnnxValue.ChannelsLast(last.GroupNorm(groups, scale, shift, c.Float("epsilon", 1e-5f)));
    }

    private static Tensor Repeated(Tensor perGroup, int times) => perGroup.Reshape([-1, 1]).Expand([-1, times]).Reshape([-1]);

    private static OnnxValue[] LayerNormalization(OnnxCall c)
    {
        var x = c.Plain(0);
        var axis = x.Shape.NormalizeAxis(c.Axis("axis", -1), "LayerNormalization");
        Shape normalised = x.Shape.Span[axis..].ToArray();
        var weight = Filling(c.Plain(1), normalised);
        var bias = c.PlainOrNull(2) is { } given ? Filling(given, normalised) : Tensor.Zeros(normalised);
        var results = new LayerNorm(c.Float("epsilon", 1e-5f), x.Rank - axis).ApplyAll(x, weight, bias);
        if (c.OutputCount == 1)
            return [results[0]];
        int[] kept = [.. x.Shape.Span[..axis], .. Enumerable.Repeat(1, x.Rank - axis)];
        return [results[0], results[1].Reshape(kept), results[2].Reshape(kept)];
    }

    private static Tensor Filling(Tensor x, Shape shape) => x.Shape == shape ? x : x.Expand(shape.Span.ToArray());

    // x / (bias + alpha · mean of squares over neighbouring channels) ^ beta.
    private static OnnxValue LocalResponse(OnnxCall c)
    {
        var size = c.ToInt(c.Int("size"), "size");
        if (c[0].Rank < 3 || size is < 1 or > 1 << 14 || c[0].Shape.ElementCount == 0)
            throw c.Bad($"a neighbourhood of {size} channels does not fit {c[0]}");
        var last = c[0].AsChannelsLast();
        var pixels = last.Square().Reshape([-1, checked((int)last.Shape.CountBetween(1, last.Rank - 1)), last.Shape[-1], 1]);
        var means = pixels.AvgPool2d((1, size), 1, (0, (size - 1) / 2, 0, size - 1 - ((size - 1) / 2)));
        var divisor = ((means * c.Float("alpha", 1e-4f)) + c.Float("bias", 1)).Pow(c.Float("beta", 0.75f));
        return OnnxValue.ChannelsLast(last / divisor.Reshape([-1, .. last.Shape.Span[1..]]));
    }

    private static OnnxValue LpNormalization(OnnxCall c)
    {
        var x = c[0];
        var axis = x.StoredAxis(c.Axis("axis", -1));
        var norm = c.Int("p", 2) == 1 ? x.Stored.Abs().Sum([axis], keepAxes: true) : x.Stored.Square().Sum([axis], keepAxes: true).Sqrt();
        // The specification: where the norm is 0, so is the result.
        return x.With(x.Stored / norm.EqualTo(0).Where(1, norm));
    }
}
