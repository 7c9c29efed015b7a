using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

public class EvaluationTests
{
    [Fact]
    public void Loss_and_accuracies_are_those_of_the_definitions()
    {
        const int Classes = 8, Count = 300;
        var random = new Philox(3, 4);
        var evaluation = new Evaluation(Classes);
        var (loss, top1, top5) = (0.0, 0, 0);
        for (var start = 0; start < Count; start += 60)
        {
            var logits = Enumerable.Range(0, 60 * Classes).Select(i => (6 * random.Uniform((ulong)((start * Classes) + i))) - 3).ToArray();
            var labels = Enumerable.Range(0, 60).Select(i => (long)random.Below(Classes, (ulong)(90_000 + start + i))).ToArray();
            evaluation.Add(Tensor.From(logits, [60, Classes]), Tensor.From(labels, [60]), [.. Enumerable.Range(start, 60)]);
            for (var i = 0; i < 60; i++)
            {
                var row = logits.Skip(i * Classes).Take(Classes).Select(v => (double)v).ToArray();
                loss -= Math.Log(Math.Exp(row[labels[i]]) / row.Sum(Math.Exp));
                var order = row.Select((v, c) => (v, c)).OrderByDescending(p => p.v).Select(p => (long)p.c).ToList();
                top1 += order[0] == labels[i] ? 1 : 0;
                top5 += order.IndexOf(labels[i]) < 5 ? 1 : 0;
            }
        }
        var result = evaluation.Finish();
        Assert.Equal(Count, result.Count);
        Assert.Equal(loss / Count, result.Loss, 1e-9);
        Assert.Equal(100.0 * top1 / Count, result.Top1, 1e-9);
        Assert.Equal(100.0 * top5 / Count, result.Top5, 1e-9);
        Assert.Equal(Count, result.Confusion.Values.Sum());
        Assert.Equal(Count, Enumerable.Range(0, Classes).Sum(result.CountOf));
        Assert.Equal(Count - top1, result.Confusions().Sum(c => c.Count));
        Assert.Equal(result.Mistakes.Select(m => m.Confidence).OrderDescending(), result.Mistakes.Select(m => m.Confidence));
        Assert.Equal(48, result.Mistakes.Count);
    }

    [Fact]
    public void The_worst_mistake_is_the_most_confident_one_whatever_the_order()
    {
        var evaluation = new Evaluation(3);
        evaluation.Add(Tensor.From([5f, 0, 0, 0, 9, 0, 0, 0, 7], [3, 3]), Tensor.From([0L, 0, 0], [3]), [10, 11, 12]);
        var result = evaluation.Finish();
        Assert.Equal([11, 12], result.Mistakes.Select(m => m.Index));
        Assert.Equal(Math.Exp(9) / (Math.Exp(9) + 2), result.Mistakes[0].Confidence, 1e-12);
        Assert.Equal(1 / (Math.Exp(9) + 2), result.Mistakes[0].ActualConfidence, 1e-12);
        Assert.Equal(100.0 / 3, result.AccuracyOf(0)!.Value, 1e-12);
        Assert.Null(result.AccuracyOf(1));
    }

    [Fact]
    public void Equal_logits_are_not_counted_as_right_by_chance_and_NaN_is_wrong()
    {
        var evaluation = new Evaluation(7);
        evaluation.Add(Tensor.Zeros([1, 7]), Tensor.From([6L], [1]), [0]);
        evaluation.Add(Tensor.Full([1, 7], float.NaN), Tensor.From([0L], [1]), [1]);
        var result = evaluation.Finish();
        Assert.Equal((0.0, 0.0), (result.Top1, result.Top5));
        Assert.True(double.IsNaN(result.Loss));
    }

    [Fact]
    public void A_label_outside_the_classes_is_named()
    {
        var error = Assert.Throws<VertebraException>(() => new Evaluation(3).Add(Tensor.Zeros([1, 3]), Tensor.From([3L], [1]), [17]));
        Assert.Contains("image 17 has label 3", error.Message);
        Assert.Throws<ShapeException>(() => new Evaluation(4).Add(Tensor.Zeros([1, 3]), Tensor.From([3L], [1]), [17]));
    }

    [Fact]
    public void Summary_rows_survive_their_file_bit_by_bit()
    {
        EpochRow[] rows =
        [
            new(0, 1.0 / 3, 12.345678901234567, null, null, 0.1, 1e4 / 3, 7, 0),
            new(1, 0.25, 50, new(double.NaN, 2.0 / 3, 99), new(1e-300, 3, 4), 1e-5, 3, 8, 0.1),
        ];
        Assert.Equal(rows, RunSummary.Read(RunSummary.Write(rows), "summary.csv"));
        Assert.Contains("line 2: 2 columns where 13", Assert.Throws<FileFormatException>(() => RunSummary.Read(RunSummary.Write([]) + "1,2\n", "s.csv")).Message);
        Assert.Throws<FileFormatException>(() => RunSummary.Read("epoch,loss\n", "s.csv"));
    }
}
