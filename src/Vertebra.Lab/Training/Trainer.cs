using System.Diagnostics;
using Vertebra.Autograd;
using Vertebra.Communication;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Distributed;
using Vertebra.Lab.Training.Losses;
using Vertebra.Lab.Training.Mixing;
using Vertebra.Nn;
using Vertebra.Zoo;

namespace Vertebra.Lab.Training;

/// <summary>What a <see cref="Trainer"/> works with.</summary>
public sealed record TrainerSetup
{
    /// <summary>Takes images [N, H, W, C], returns logits [N, classes]; its weights are those to start from.</summary>
    public required Module Network { get; init; }

    /// <summary>Size of the classifier.</summary>
    public required int ClassCount { get; init; }

    /// <summary>Images to learn from.</summary>
    public required BatchLoader Training { get; init; }

    /// <summary>Images to judge by.</summary>
    public required BatchLoader Validation { get; init; }

    /// <summary>How to train; open values are filled in.</summary>
    public required TrainingOptions Options { get; init; }

    /// <summary>Where everything is written; a state in it is gone on with.</summary>
    public required RunFolder Folder { get; init; }

    /// <summary>Text of <c>config.json</c>, the network's description; null leaves it out.</summary>
    public string? Config { get; init; }

    /// <summary>Makes what is minimised of the options' loss; null: that loss of the network's answer.</summary>
    public Func<ITrainingLoss, ITrainingObjective>? Objective { get; init; }

    public ITrainingProgress Progress { get; init; } = NoProgress.Instance;

    /// <summary>The processes that train together, each with such a setup of its own, whose loaders have their shares; the first one writes. Null: this one alone.</summary>
    public IProcessGroup? Processes { get; init; }
}

/// <summary>How a run ended.</summary>
/// <param name="IsComplete">All epochs are done; false when it was interrupted and can be gone on with.</param>
/// <param name="Rows">The finished epochs.</param>
/// <param name="Best">The best of them.</param>
/// <param name="BestEvaluation">What was found in that one's evaluation; null when the run was interrupted before it was known.</param>
/// <param name="Elapsed">Time spent on the run, by all processes that worked on it.</param>
public sealed record TrainingResult(bool IsComplete, IReadOnlyList<EpochRow> Rows, BestEpoch? Best, EvaluationResult? BestEvaluation, TimeSpan Elapsed)
{
    /// <summary>Epochs of the whole run.</summary>
    public required int Epochs { get; init; }
}

/// <summary>
/// Trains a network. Everything that decides the result is a function of seed, epoch and step, and the state is saved between
/// updates: a run that was interrupted or killed and then gone on with ends with the same bits as one that was not.
/// </summary>
public sealed partial class Trainer
{
    private readonly TrainerSetup _setup;
    private readonly TrainingOptions _options;
    private readonly Module _network;
    private readonly Optimizer _optimizer;
    private readonly GradientTreatment _gradients;
    private readonly SharpnessAware? _sharpness;
    private readonly List<Batch> _accumulated = [];
    private readonly RateControl _rates;
    private readonly int _epochs;
    private readonly ITrainingObjective _objective;
    private readonly NormLoss? _normLoss;
    private readonly BatchMixer? _mixer;
    private readonly ModelEma? _ema;
    private readonly SwaPhase? _swa;
    private readonly DropBlockSchedule? _dropBlocks;
    private readonly TrainingClock _clock;
    private readonly TrainingTeam? _team;
    private TrainingState _state = new();
    private EvaluationResult? _bestEvaluation;

    /// <param name="setup">What to work with.</param>
    /// <exception cref="VertebraException">An option is out of range.</exception>
    public Trainer(TrainerSetup setup)
    {
        _setup = setup;
        _options = setup.Options.WithEffectiveValues(setup.Processes?.Count ?? 1);
        _network = setup.Network;
        if (setup.Training.IsMultiLabel != _options.MultiLabel)
            throw new VertebraException($"--multi-label is {(_options.MultiLabel ? "given" : "left out")}, but the training images have {(_options.MultiLabel ? "one class each" : "several classes")}");
        var loss = TrainingLosses.Create(_options, ClassWeights.Of(_options, setup.ClassCount, setup.Training));
        _objective = setup.Objective?.Invoke(loss) ?? new LabelObjective(loss);
        _optimizer = Optimizers.Create([.. ParameterisationRates.Apply(Groups(), _network, _options.Opt), .. CompanionGroups()], _options);
        _optimizer.Note = setup.Progress.Note;
        _gradients = new(_options, _optimizer);
        _sharpness = _options.Sam is null ? null : new(_network, _options.SamRho!.Value, _options.Sam == "asam", _options.SamEta, _options.SamOnlyNorm);
        _rates = new(_options, UpdatesPerEpoch);
        _epochs = _options.TotalEpochs(UpdatesPerEpoch);
        _ema = _options.ModelEma ? new(_network, _options.ModelEmaDecay, _options.ModelEmaWarmup) : null;
        _normLoss = _options.NormLoss > 0 ? new(_network, _options.NormLoss) : null;
        _team = setup.Processes is { } processes ? new(processes, _network, _objective.Companion, _options) : null;
        _mixer = MixingOptions.Of(_options) is { } mixing ? new(mixing, setup.ClassCount, (ulong)(_options.Seed + Rank)) : null;
        _swa = _options.Swa ? new(_network, _options, _epochs) : null;
        _dropBlocks = DropBlockSchedule.Of(_network, _options, (long)_epochs * UpdatesPerEpoch);
        _clock = new(_options);
    }

    private IReadOnlyList<ParameterGroup> Groups() => (_options.HeadLrMult, _network) switch
    {
        (1, _) => GroupsByLayer(),
        (var factor, Backbone backbone) => GroupsByLayer().WithHeadRate(backbone, factor),
        _ => throw new VertebraException("--head-lr-mult needs a network of the zoo, which knows its classifier"),
    };

    private IEnumerable<ParameterGroup> CompanionGroups() =>
        _objective.Companion is not { } companion ? []
        : ParameterGroup.Of(companion, _options.WeightDecay).Select(g => g with { Parameters = [.. g.Parameters.Select(p => p with { Name = $"companion.{p.Name}" })] });

    private IReadOnlyList<ParameterGroup> GroupsByLayer() => (_options.LayerDecay, _network) switch
    {
        (null, _) => ParameterGroup.Of(_network, _options.WeightDecay),
        ({ } decay, Backbone backbone) => ParameterGroup.ByLayer(backbone, _options.WeightDecay, decay),
        _ => throw new VertebraException("--layer-decay needs a network of the zoo, which knows its layers"),
    };

    private int Rank => _team?.Rank ?? 0;

    private bool Writes => Rank == 0;

    private int Batches => _setup.Training.BatchesPerEpoch;

    private int UpdatesPerEpoch => (Batches + _options.GradAccumSteps - 1) / _options.GradAccumSteps;

    private bool IsEvaluationEpoch => (_state.Epoch + 1) % _options.ValInterval == 0 || _state.Epoch == _epochs - 1;

    /// <summary>Trains until all epochs are done or cancellation is asked for, which is met after the update in progress.</summary>
    /// <exception cref="VertebraException">The loss is no longer finite, the saved state does not fit, or the folder cannot be written.</exception>
    public TrainingResult Run(CancellationToken cancellation = default)
    {
        cancellation = _team?.Agreed(cancellation) ?? cancellation;
        Begin();
        while (_state.Epoch < _epochs)
        {
            if (TrainEpoch(cancellation) && FinishEpoch(cancellation))
                continue;
            Save();
            return Result(isComplete: false);
        }
        if (_swa is not null && !FinishSwa(_swa, cancellation))
            return Result(isComplete: false);
        _bestEvaluation ??= EvaluateBest(cancellation);
        return Result(isComplete: true);
    }

    private TrainingResult Result(bool isComplete) =>
        new(isComplete, _state.Rows, _state.Best, _bestEvaluation, TimeSpan.FromSeconds(_state.TotalSeconds)) { Epochs = _epochs };

    private void Begin()
    {
        var isGoingOn = File.Exists(_setup.Folder.State);
        if (_team?.AsFirst(isGoingOn) ?? isGoingOn)
        {
            _state = TrainingState.Load(_setup.Folder.State, _network, _objective.Companion, _ema, _swa?.Average, _optimizer);
            if (_state.BatchesPerEpoch != Batches)
                throw new VertebraException($"the run had {_state.BatchesPerEpoch} batches an epoch, and now there are {Batches}: go on with the same images, batch size and number of processes");
            if (Writes)
                AtomicFile.WriteText(_setup.Folder.Summary, RunSummary.Write(_state.Rows));
            _setup.Progress.Note($"Going on at epoch {_state.Epoch}, batch {_state.NextBatch} of {Batches}.");
            return;
        }
        if (Writes)
        {
            AtomicFile.WriteText(_setup.Folder.Args, ArgsFile.Write(_options));
            if (_setup.Config is { } config)
                AtomicFile.WriteText(_setup.Folder.Config, config);
        }
        _state.BatchesPerEpoch = Batches;
        Save();
    }

    private void Save()
    {
        // The loss shows what the last update did only with the next batch, and a state must be one to go on from.
        var norm = _optimizer.ParameterNorm();
        if (!double.IsFinite(norm))
            throw Diverged($"the norm of the weights is {norm}", _state.NextBatch);
        _state.TotalSeconds += _clock.TakeElapsed();
        if (Writes)
            _state.Save(_setup.Folder.State, _network, _objective.Companion, _ema, _swa?.Average, _optimizer);
    }

    // ---------------------------------------------------------------- training

    /// <summary>Trains what is left of the epoch.</summary>
    /// <returns>False when cancellation was asked for.</returns>
    private bool TrainEpoch(CancellationToken cancellation)
    {
        _network.Train();
        _objective.Companion?.Train();
        _clock.BeginEpoch();
        var accumulated = 0;
        foreach (var loaded in _setup.Training.Epoch(_state.Epoch, _state.NextBatch, CancellationToken.None))
        {
            var batch = _mixer?.Mix(loaded, _state.Epoch) ?? loaded;
            // Between updates only: batch norm's statistics have moved with every batch of an accumulated update.
            if (accumulated == 0 && cancellation.IsCancellationRequested)
                return false;
            var loss = Accumulate(batch, IsLastOfUpdate(accumulated, batch));
            accumulated++;
            if (IsLastOfUpdate(accumulated - 1, batch))
            {
                Update(accumulated);
                accumulated = 0;
                _state.NextBatch = batch.Number + 1;
            }
            _clock.BatchDone(batch.Wait);
            _state.EpochSeconds += _clock.BatchSeconds;
            _state.DataSeconds += batch.Wait.TotalSeconds;
            Report(batch, loss);
            if (accumulated == 0 && _state.NextBatch < Batches && _clock.IsSaveDue(_state.Updates))
                Save();
        }
        return !cancellation.IsCancellationRequested;
    }

    private bool IsLastOfUpdate(int before, Batch batch) => before + 1 == _options.GradAccumSteps || batch.Number == Batches - 1;

    /// <summary>The backward pass of one batch of an update.</summary>
    private double Accumulate(Batch batch, bool isLast)
    {
        var (logits, value) = Differentiate(batch, isLast);
        if (_sharpness is not null)
            _accumulated.Add(batch);
        double[] sums = [value * batch.Count, Evaluation.CountCorrect(logits, batch), batch.Count];
        _team?.Processes.Sum(sums);
        _state.LossSum += sums[0];
        _state.Correct += (long)sums[1];
        _state.Images += (long)sums[2];
        return sums[0] / sums[2];
    }

    /// <summary>Adds a batch's gradients to those that there are; after the last of an update they are those of all processes.</summary>
    private (Tensor Logits, double Loss) Differentiate(Batch batch, bool isLast)
    {
        var (logits, loss) = Forward(batch);
        var value = loss.ToScalar();
        if (!float.IsFinite(value))
            throw Diverged($"the loss is {value}", batch.Number);
        // Not part of the loss that is reported: it says nothing about images.
        (_normLoss?.AddTo(loss) ?? loss).Backward(leafDone: isLast && _team is not null ? _team.GradientDone : null);
        if (isLast)
            _team?.FinishPass();
        return (logits, value);
    }

    private (Tensor Logits, Tensor Loss) Forward(Batch batch)
    {
        _dropBlocks?.MoveTo(_state.Updates);
        var step = ((long)_state.Epoch * Batches) + batch.Number;
        using var random = TrainingRandom.Begin((ulong)_options.Seed, (step * (_team?.Count ?? 1)) + Rank);
        return _objective.Compute(_network, batch);
    }

    private void Update(int batches)
    {
        if (_sharpness is not null)
            DifferentiateAbove(_sharpness);
        var (scale, limit) = _gradients.Apply(batches, _state.Updates, FiniteNorm);
        _optimizer.LearningRate = RateAt(_state.Updates);
        _optimizer.Momentum = _tested is not null ? null : _rates.MomentumAt(_state.Updates, _state.Epoch);
        _optimizer.Step(scale, limit);
        _optimizer.ZeroGrad();
        _state.Updates++;
        _ema?.Update(_state.Updates);
    }

    /// <summary>Puts the gradients of the same batches, with the same random numbers, in the place of those at the weights.</summary>
    private void DifferentiateAbove(SharpnessAware sharpness)
    {
        sharpness.Ascend(1f / _accumulated.Count);
        _optimizer.ZeroGrad();
        foreach (var batch in _accumulated)
            Differentiate(batch, isLast: batch == _accumulated[^1]);
        sharpness.Descend();
        _accumulated.Clear();
    }

    private double RateAt(long update) => _tested?.RateAt(update) ?? _swa?.RateAt(_state.Epoch) ?? _rates.RateAt(update, _state.Epoch, _state.Rows);

    private double FiniteNorm(double norm) => double.IsFinite(norm) ? norm : throw Diverged($"the gradient's norm is {norm}", _state.NextBatch);

    private TrainingDivergedException Diverged(string what, int batch) => new(
        $"training diverged: {what} in epoch {_state.Epoch}, batch {batch} of {Batches}, at learning rate {RateAt(_state.Updates):g3}; "
        + $"use a lower --lr, a longer --warmup-epochs or --clip-grad 1 ({_setup.Folder.Path} keeps the last saved state)");

    private void Report(Batch batch, double loss)
    {
        var evaluationsLeft = ((_epochs - 1) / _options.ValInterval) - (_state.Epoch / _options.ValInterval) + 1;
        var batchesLeft = ((long)(_epochs - _state.Epoch) * Batches) - batch.Number - 1;
        _setup.Progress.Trained(new()
        {
            Epoch = _state.Epoch,
            Batch = batch.Number,
            Batches = Batches,
            Loss = loss,
            MeanLoss = _state.LossSum / _state.Images,
            Top1 = 100.0 * _state.Correct / _state.Images,
            Seconds = _clock.BatchSeconds,
            MeanSeconds = _clock.MeanBatchSeconds,
            DataSeconds = batch.Wait.TotalSeconds,
            MeanDataSeconds = _clock.MeanDataSeconds,
            Images = batch.Count * (_team?.Count ?? 1),
            LearningRate = _optimizer.LearningRate,
            TimeLeft = _clock.Estimate(batchesLeft, evaluationsLeft),
        });
    }

    // ---------------------------------------------------------------- end of an epoch

    /// <summary>Evaluates and saves.</summary>
    /// <returns>False when cancellation was asked for; the epoch is then evaluated when the run goes on.</returns>
    private bool FinishEpoch(CancellationToken cancellation)
    {
        EvaluationResult? plain = null, average = null;
        if (IsEvaluationEpoch && !TryEvaluate(cancellation, out plain, out average))
            return false;
        var row = new EpochRow(
            _state.Epoch, _state.LossSum / _state.Images, 100.0 * _state.Correct / _state.Images,
            plain is null ? null : Scores.Of(plain), average is null ? null : Scores.Of(average),
            RateAt(_state.Updates - 1),
            _state.Images / Math.Max(1e-9, _state.EpochSeconds), _state.EpochSeconds, _state.DataSeconds);
        _state.Rows.Add(row);
        _swa?.EpochFinished(_state.Epoch);
        SaveWeights(row, average ?? plain);
        if (Writes)
            AtomicFile.WriteText(_setup.Folder.Summary, RunSummary.Write(_state.Rows));
        _state.Epoch++;
        (_state.NextBatch, _state.LossSum, _state.Correct, _state.Images) = (0, 0, 0, 0);
        (_state.EpochSeconds, _state.DataSeconds) = (0, 0);
        // Last: until this is on the disk, a killed run does the epoch's end again, and writes the same.
        Save();
        _setup.Progress.EpochFinished(row, _state.Best);
        return true;
    }

    private bool TryEvaluate(CancellationToken cancellation, out EvaluationResult? plain, out EvaluationResult? average)
    {
        (plain, average) = (null, null);
        var start = Stopwatch.GetTimestamp();
        try
        {
            plain = Evaluate(isEma: false, cancellation);
            if (_ema is not null)
            {
                using var borrowed = _ema.Borrow();
                average = Evaluate(isEma: true, cancellation);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return false;
        }
        _clock.EvaluationDone(Stopwatch.GetElapsedTime(start));
        return true;
    }

    private EvaluationResult Evaluate(bool isEma, CancellationToken cancellation)
    {
        var result = Judge(_setup.Progress, isEma, cancellation);
        if (!double.IsFinite(result.Loss))
            throw Diverged($"the validation loss is {result.Loss}", Batches);
        _setup.Progress.EvaluationFinished(result, isEma);
        return result;
    }

    private EvaluationResult Judge(ITrainingProgress? progress, bool isEma, CancellationToken cancellation) =>
        Evaluator.Run(_network, _setup.Validation, _setup.ClassCount, progress, isEma, cancellation, _team?.Processes);

    private void SaveWeights(EpochRow row, EvaluationResult? evaluation)
    {
        WriteWeights(_setup.Folder.Last, Plain, row.Epoch, row.Eval, "last");
        if (_ema is not null)
            WriteWeights(_setup.Folder.LastEma, _ema.State(), row.Epoch, row.Ema, "ema");
        if (evaluation is not null)
            KeepIfBest(evaluation, row.Epoch, _ema?.State() ?? Plain, _ema is null ? "last" : "ema");
    }

    private void KeepIfBest(EvaluationResult evaluation, int epoch, IEnumerable<(string Name, Tensor Tensor)> weights, string kind)
    {
        var metric = Scores.Of(evaluation).Metric(_options.EvalMetric);
        if (double.IsNaN(metric) || (_state.Best is { } best && metric <= best.Metric))
            return;
        _state.Best = new(epoch, metric);
        _bestEvaluation = evaluation;
        WriteWeights(_setup.Folder.Best, weights, epoch, Scores.Of(evaluation), kind);
    }

    /// <summary>Finds the running statistics of the mean of weights, judges it and saves it.</summary>
    /// <returns>False when cancellation was asked for; all of it is done anew when the run goes on.</returns>
    private bool FinishSwa(SwaPhase swa, CancellationToken cancellation)
    {
        try
        {
            using var borrowed = swa.Average.Borrow();
            BatchStatistics.Reestimate(_network, _setup.Training, _state.Epoch, (ulong)_options.Seed, cancellation);
            _team?.ShareStatistics();
            var result = Judge(_setup.Progress, isEma: false, cancellation);
            _setup.Progress.Note(FormattableString.Invariant($"Mean of the weights of {swa.Average.Count} epochs: top-1 {result.Top1:0.##}, loss {result.Loss:0.####} ({_setup.Folder.LastSwa})"));
            WriteWeights(_setup.Folder.LastSwa, Plain, _state.Epoch - 1, Scores.Of(result), "swa");
            KeepIfBest(result, _state.Epoch - 1, Plain, "swa");
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return false;
        }
        Save();
        return true;
    }

    private IEnumerable<(string Name, Tensor Tensor)> Plain => _network.State().Select(e => (e.Name, e.Tensor));

    private void WriteWeights(string path, IEnumerable<(string Name, Tensor Tensor)> tensors, int epoch, Scores? scores, string kind)
    {
        if (!Writes)
            return;
        var metadata = new Dictionary<string, string> { ["format"] = "pt", ["epoch"] = $"{epoch}", ["weights"] = kind };
        if (scores is { } s)
        {
            metadata["eval_top1"] = FormattableString.Invariant($"{s.Top1:0.####}");
            metadata["eval_top5"] = FormattableString.Invariant($"{s.Top5:0.####}");
            metadata["eval_loss"] = FormattableString.Invariant($"{s.Loss:0.######}");
        }
        Safetensors.Write(path, tensors, metadata);
    }

    /// <summary>The best epoch's evaluation anew, when an earlier process made it.</summary>
    private EvaluationResult? EvaluateBest(CancellationToken cancellation)
    {
        var isThere = _state.Best is not null && File.Exists(_setup.Folder.Best);
        if (!(_team?.AsFirst(isThere) ?? isThere))
            return null;
        var last = _network.State().Select(e => (e.Tensor, Copy: e.Tensor.Clone())).ToArray();
        try
        {
            _network.Load(Safetensors.Read(_setup.Folder.Best).Tensors, _setup.Folder.Best);
            return Judge(progress: null, isEma: false, cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return null;
        }
        finally
        {
            foreach (var (tensor, copy) in last)
                tensor.CopyFrom(copy);
        }
    }
}
