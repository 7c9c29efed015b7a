using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Losses, which training graphs carry.</summary>
internal static class LossRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("NegativeLogLikelihoodLoss", c => Loss(c, c.Plain(0)));
        table.AddMany("SoftmaxCrossEntropyLoss", c =>
        {
            var logs = c.Plain(0).LogSoftmax(1);
            return [Loss(c, logs), logs];
        });
    }

    // Log-probabilities [N, C, d1, ...], targets [N, d1, ...], weights of the classes [C].
    private static OnnxValue Loss(OnnxCall c, Tensor logs)
    {
        var target = c.Plain(1).To(DType.Int64);
        if (logs.Rank < 2 || target.Shape != logs.Shape.With(1, 1).Where((_, axis) => axis != 1).ToArray())
            throw c.Bad($"targets {c[1]} do not fit log-probabilities {c[0]}");
        var weights = WeightsOfClasses(c, logs.Shape[1]);
        var weight = weights.IndexSelect(0, Inside(c, target).Reshape([-1])).Reshape(target.Shape.Span.ToArray());
        if (c.HasAttribute("ignore_index"))
            weight = target.EqualTo(Tensor.From([c.Int("ignore_index")], Shape.Scalar)).Where(0, weight);
        var losses = -logs.Gather(1, Inside(c, target).Unsqueeze(1)).Squeeze(1) * weight;
        return c.Text("reduction", "mean") switch
        {
            "none" => losses,
            "sum" => losses.Sum(),
            "mean" => losses.Sum() / weight.Sum(),
            var other => throw c.Bad($"there is no reduction '{other}'"),
        };
    }

    private static Tensor WeightsOfClasses(OnnxCall c, int classes)
    {
        var weights = c.PlainOrNull(2) ?? Tensor.Ones([classes]);
        return weights.Rank == 1 && weights.Shape[0] == classes ? weights : throw c.Bad($"there must be a weight for each of {classes} classes, got {c[2]}");
    }

    // Ignored targets may lie outside the classes; class 0 stands for them, with weight 0.
    private static Tensor Inside(OnnxCall c, Tensor target)
    {
        if (!c.HasAttribute("ignore_index"))
            return target;
        if (target.IsMeta)
            throw new DataDependenceException("which targets are ignored");
        var ignored = c.Int("ignore_index");
        return Tensor.From(Array.ConvertAll(target.ToArray<long>(), t => t == ignored ? 0 : t), target.Shape);
    }
}
