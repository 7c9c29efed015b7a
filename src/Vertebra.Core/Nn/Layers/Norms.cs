using Vertebra.Communication;
using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>A normaliser over channels-last tensors, with the constants that weights depend on, and with an activation of its own if wanted.</summary>
public abstract class NormLayer : Module
{
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="activation">Applied to the result; it becomes the child "act".</param>
    protected NormLayer(float epsilon, ActivationKind activation)
    {
        Epsilon = epsilon;
        Activation = activation == ActivationKind.Identity ? null : Child("act", new ActivationLayer(activation));
    }

    /// <summary>Added to the variance.</summary>
    public float Epsilon { get; internal set; }

    /// <summary>Share of a batch's statistics in the running ones; null for normalisers that keep none.</summary>
    public virtual float? Momentum => null;

    /// <summary>The activation that belongs to this normaliser, if any.</summary>
    public ActivationLayer? Activation { get; }

    /// <summary>
    /// Normalises, adds a residual if there is one, and applies an activation: in one pass where the normaliser can, module by
    /// module while a trace is taken, so that each keeps its own output there. The value is the same.
    /// </summary>
    public Tensor Forward(Tensor x, ActivationLayer? activation, Tensor? residual = null)
    {
        // One pass has room for one activation; a normaliser's own comes before the residual.
        if (Activation is null && OpRecording.Current is null && Fused(x, activation?.Kind ?? ActivationKind.Identity, residual) is { } fused)
            return fused;
        x = Forward(x);
        if (residual is not null)
            x += residual;
        return activation?.Forward(x) ?? x;
    }

    protected sealed override Tensor OnForward(Tensor x)
    {
        if (Activation is null)
            return Normalise(x);
        return (OpRecording.Current is null ? Fused(x, Activation.Kind, null) : null) ?? Activation.Forward(Normalise(x));
    }

    /// <summary>Normalises, without any activation.</summary>
    protected abstract Tensor Normalise(Tensor x);

    /// <summary>Normalises, adds and activates in one pass; null when this normaliser cannot do that.</summary>
    protected virtual Tensor? Fused(Tensor x, ActivationKind activation, Tensor? residual) => null;

    /// <summary>The activation as normalisation kernels know it; null for those that they do not.</summary>
    private protected static Kernels.Activation? FusedKind(ActivationKind kind) => kind switch
    {
        ActivationKind.Identity => Kernels.Activation.None,
        ActivationKind.Relu => Kernels.Activation.Relu,
        ActivationKind.Relu6 => Kernels.Activation.Relu6,
        _ => null,
    };
}

/// <summary>
/// Batch normalisation of [..., C] (Ioffe and Szegedy 2015), with PyTorch's parameters <c>weight</c>, <c>bias</c> and buffers
/// <c>running_mean</c>, <c>running_var</c>, <c>num_batches_tracked</c>. Training normalises by the batch's statistics and
/// moves the running ones, the variance unbiased.
/// </summary>
public sealed class BatchNorm2d : NormLayer
{
    private readonly Tensor _weight;
    private readonly Tensor _bias;
    private readonly Tensor _runningMean;
    private readonly Tensor _runningVar;
    private readonly Tensor _batches;
    private readonly float _momentum;

    /// <param name="channels">Size of the last axis.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="momentum">Share of each batch in the running statistics.</param>
    /// <param name="activation">Applied to the result.</param>
    /// <param name="initialiser">Fills the scale; ones if null.</param>
    public BatchNorm2d(
        int channels, float epsilon = 1e-5f, float momentum = 0.1f, ActivationKind activation = ActivationKind.Identity, Initialiser? initialiser = null)
        : base(epsilon, activation)
    {
        _momentum = momentum;
        _weight = Parameter("weight", [channels], initialiser ?? Init.Ones);
        _bias = Parameter("bias", [channels], Init.Zeros);
        _runningMean = Buffer("running_mean", Construction.Zeros([channels]));
        _runningVar = Buffer("running_var", Construction.Ones([channels]));
        _batches = Buffer("num_batches_tracked", Construction.Zeros(Shape.Scalar, DType.Int64));
    }

    public override float? Momentum => _momentum;

    /// <summary>Scale per channel.</summary>
    public Tensor Weight => _weight;

    /// <summary>Shift per channel.</summary>
    public Tensor Bias => _bias;

    public Tensor RunningMean => _runningMean;

    public Tensor RunningVar => _runningVar;

    /// <summary>Training takes the statistics over the batches of these processes, of equal size, as if they were one batch; null: over its own.</summary>
    public IProcessGroup? Processes { get; set; }

    /// <summary>Another one that normalises in the place of this one, for inputs that are not to mix with its own; null: itself.</summary>
    internal BatchNorm2d? Substitute { get; set; }

    private bool IsSynchronised => Processes is not null && IsTraining;

    protected override Tensor Normalise(Tensor x) => Substitute is { } other ? other.Normalise(x) : IsSynchronised ? NormaliseTogether(x, Processes!) : Normalise(x, Kernels.Activation.None, null);

    protected override Tensor? Fused(Tensor x, ActivationKind activation, Tensor? residual) =>
        Substitute is { } other ? other.Fused(x, activation, residual)
        : !IsSynchronised && FusedKind(activation) is { } kind ? Normalise(x, kind, residual) : null;

    private Tensor NormaliseTogether(Tensor x, IProcessGroup processes)
    {
        var sum = new SumOverProcesses(processes);
        var axes = Enumerable.Range(0, x.Rank - 1).ToArray();
        var share = 1f / processes.Count;
        var mean = sum.Apply(x.Mean(axes)) * share;
        var centred = x - mean;
        var variance = sum.Apply(centred.Square().Mean(axes)) * share;
        if (RunningStatistics.AreMovedBy(mean))
            Track(mean, variance, x.ElementCount / x.Shape[-1] * processes.Count);
        return (centred * (variance + Epsilon).Rsqrt() * _weight) + _bias;
    }

    private Tensor Normalise(Tensor x, Kernels.Activation activation, Tensor? residual)
    {
        if (!IsTraining)
            return x.BatchNorm(_weight, _bias, _runningMean, _runningVar, Epsilon, activation, residual, _momentum);
        var (result, mean, variance) = x.BatchNormTraining(_weight, _bias, Epsilon, activation, residual);
        if (RunningStatistics.AreMovedBy(mean))
            Track(mean, variance, x.ElementCount / x.Shape[-1]);
        return result;
    }

    private void Track(Tensor mean, Tensor variance, long count)
    {
        RunningStatistics.Track(_runningMean, _runningVar, mean, variance, count, _momentum);
        _batches.CopyFrom<long>([_batches.ToArray<long>()[0] + 1]);
    }
}

/// <summary>Statistics that batch normalisation collects while training and uses afterwards.</summary>
internal static class RunningStatistics
{
    /// <summary>Whether a batch's mean is news: not while shapes alone are computed, nor when the batch passes a second time for its gradients.</summary>
    public static bool AreMovedBy(Tensor mean) => !mean.IsMeta && !Checkpointing.IsRecomputing;

    /// <summary>Moves mean and variance [C] towards those of a batch of <paramref name="count"/> values per channel, the variance unbiased.</summary>
    public static void Track(Tensor runningMean, Tensor runningVar, Tensor mean, Tensor variance, long count, float momentum)
    {
        Move(runningMean, mean, momentum, 1);
        Move(runningVar, variance, momentum, (float)((double)count / (count - 1)));
    }

    private static void Move(Tensor running, Tensor batch, float momentum, float factor)
    {
        var target = running.AsSpan<float>();
        var source = batch.AsSpan<float>();
        for (var i = 0; i < target.Length; i++)
            target[i] = ((1 - momentum) * target[i]) + (momentum * factor * source[i]);
        running.MarkWritten();
        GC.KeepAlive(batch);
    }
}

/// <summary>Layer normalisation over the last axis (Ba, Kiros and Hinton 2016), with <c>weight</c> and, unless left out, <c>bias</c>.</summary>
public sealed class LayerNorm : NormLayer
{
    private readonly Tensor? _weight;
    private readonly Tensor? _bias;

    /// <param name="channels">Size of the last axis.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="affine">Whether there is a scale.</param>
    /// <param name="bias">Whether there is a shift beside the scale.</param>
    /// <param name="activation">Applied to the result.</param>
    /// <param name="initialiser">Fills the scale; ones if null.</param>
    public LayerNorm(
        int channels, float epsilon = 1e-5f, bool affine = true, bool bias = true, ActivationKind activation = ActivationKind.Identity, Initialiser? initialiser = null)
        : base(epsilon, activation)
    {
        _weight = affine ? Parameter("weight", [channels], initialiser ?? Init.Ones) : null;
        _bias = affine && bias ? Parameter("bias", [channels], Init.Zeros) : null;
    }

    protected override Tensor Normalise(Tensor x) => x.LayerNorm(_weight, _bias, Epsilon);
}

/// <summary>Group normalisation of [N, ..., C] (Wu and He 2018), with <c>weight</c> and <c>bias</c>.</summary>
public sealed class GroupNorm : NormLayer
{
    private readonly Tensor _weight;
    private readonly Tensor _bias;

    /// <param name="groups">Groups of channels; a divisor of <paramref name="channels"/>.</param>
    /// <param name="channels">Size of the last axis.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="activation">Applied to the result.</param>
    /// <param name="initialiser">Fills the scale; ones if null.</param>
    public GroupNorm(
        int groups, int channels, float epsilon = 1e-5f, ActivationKind activation = ActivationKind.Identity, Initialiser? initialiser = null)
        : base(epsilon, activation)
    {
        Groups = groups;
        _weight = Parameter("weight", [channels], initialiser ?? Init.Ones);
        _bias = Parameter("bias", [channels], Init.Zeros);
    }

    public int Groups { get; }

    protected override Tensor Normalise(Tensor x) => x.GroupNorm(Groups, _weight, _bias, Epsilon);

    protected override Tensor? Fused(Tensor x, ActivationKind activation, Tensor? residual) =>
        residual is null && FusedKind(activation) is { } kind ? x.GroupNorm(Groups, _weight, _bias, Epsilon, kind) : null;
}
