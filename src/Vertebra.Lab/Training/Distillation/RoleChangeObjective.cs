using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Losses;
using Vertebra.Lab.Training.Mixing;
using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// ORC: a group of networks that learn together and change roles (Choi, Cho, Cheung and Hwang, ICCV 2023). Every round is one batch. The
/// students are ranked by their losses on it, and the best become temporary teachers. <i>Intensive teaching</i>: the pivot teacher
/// learns the batch mixed with what the students find hard. <i>Private teaching</i>: it teaches the temporary teachers. <i>Group
/// teaching</i>: all teachers teach the students that are left, each for itself. Then the temporary teachers are students again.
/// </summary>
/// <remarks>
/// The paper takes a step after each of the three; here they are parts of one loss and one update of every network, with what teachers
/// say taken before it. No code was published: how feedback is chosen within the softmax's shares, and the defaults of the options but
/// <see cref="RoleChangeOptions.Promoted"/>, are not the authors'.
/// </remarks>
public sealed class RoleChangeObjective : ITrainingObjective
{
    private readonly ITrainingLoss _labels;
    private readonly RoleChangeOptions _options;
    private readonly Module _pivot;
    private readonly IReadOnlyList<Module> _peers;

    /// <param name="labels">The loss of logits and labels.</param>
    /// <param name="options">How.</param>
    /// <param name="pivot">The teacher that stays one; it is trained with the others.</param>
    /// <param name="peers">The students beside the network of the run, which is the first of the group.</param>
    /// <exception cref="VertebraException">There would be no student left to teach.</exception>
    public RoleChangeObjective(ITrainingLoss labels, RoleChangeOptions options, Module pivot, IReadOnlyList<Module> peers)
    {
        if (options.Promoted < 1 || options.Promoted > peers.Count)
            throw new VertebraException($"{options.Promoted} of {peers.Count + 1} students cannot be made teachers: it must be 1 or more, and one student must be left");
        (_labels, _options, _pivot, _peers) = (labels, options, pivot, peers);
        Companion = new ModuleList<Module>([pivot, .. peers]);
    }

    /// <summary>The pivot teacher and the peers.</summary>
    public Module? Companion { get; }

    /// <summary>The students that taught in the last round, best first; 0 is the network of the run.</summary>
    public IReadOnlyList<int> Promoted { get; private set; } = [];

    public (Tensor Logits, Tensor Loss) Compute(Module network, Batch batch)
    {
        var answers = _peers.Prepend(network).Select(s => s.Forward(batch.Images)).ToArray();
        var losses = Array.ConvertAll(answers, a => PerImage(a, batch));
        Promoted = RoleChange.Promote([.. losses.Select(l => l.Average(x => (double)x))], _options.Promoted);
        var pivot = PivotAnswer(batch.Images);
        var teachers = Promoted.Select(t => answers[t].Detach()).Append(pivot).ToArray();
        var loss = IntensiveTeaching(batch, RoleChange.Feedback(losses));
        for (var s = 0; s < answers.Length; s++)
            loss += Taught(answers[s], batch, Promoted.Contains(s) ? [pivot] : teachers);
        return (answers[0], loss);
    }

    /// <summary>(1 - β) of what the labels cost, β of what each teacher's answer does (equations of private and group teaching).</summary>
    private Tensor Taught(Tensor logits, Batch batch, Tensor[] teachers)
    {
        var taught = teachers.Select(t => Divergence(logits, t)).Aggregate((a, b) => a + b);
        return (_labels.Compute(logits, batch) * (float)(1 - _options.TeacherShare)) + (taught * (float)_options.TeacherShare);
    }

    /// <summary>Kullback-Leibler divergence at the temperature, times its square (Hinton, Vinyals and Dean 2015).</summary>
    private Tensor Divergence(Tensor logits, Tensor teacher)
    {
        var temperature = (float)_options.Temperature;
        var logs = (teacher / temperature).LogSoftmax();
        return (logs.Exp() * (logs - (logits / temperature).LogSoftmax())).Sum([1]).Mean() * (temperature * temperature);
    }

    /// <summary>The pivot teacher learns each image mixed with a feedback sample, and both labels in the same shares.</summary>
    private Tensor IntensiveTeaching(Batch batch, IReadOnlyList<int> feedback)
    {
        var (seed, stream) = TrainingRandom.Next();
        var random = new SampleRandom(new Philox(seed, stream), 0);
        var share = (float)BetaDistribution.Draw(ref random, _options.MixAlpha);
        var others = Tensor.From(Array.ConvertAll(RoleChange.Deal(feedback, ref random), i => (long)i), [feedback.Count]);
        Tensor Mixed(Tensor x) => (x * share) + (x.IndexSelect(0, others) * (1 - share));
        var logits = _pivot.Forward(Mixed(batch.Images));
        return logits.SoftCrossEntropy(Mixed(Targets.Plain(batch, logits.Shape[1])));
    }

    private Tensor PivotAnswer(Tensor images)
    {
        using var off = GradMode.Off();
        // Its running statistics are those of the images it learns from.
        var wasTraining = _pivot.IsTraining;
        _pivot.Eval();
        var answer = _pivot.Forward(images);
        _pivot.Train(wasTraining);
        return answer;
    }

    private static float[] PerImage(Tensor logits, Batch batch)
    {
        using var off = GradMode.Off();
        return logits.SoftCrossEntropy(Targets.Plain(batch, logits.Shape[1]), LossReduction.None).ToArray<float>();
    }
}
