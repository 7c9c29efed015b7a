using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Adversarial;
using Vertebra.Lab.Training.Distillation;
using Vertebra.Lab.Training.Losses;
using Vertebra.Lab.Training.Mixing;

namespace Vertebra.Lab.Training;

/// <summary>
/// Everything a training run can be told. Names, meanings and defaults are those of timm's <c>train.py</c> where it has them;
/// <see cref="TrainingOption.All"/> lists them for the command line and for <c>args.yaml</c>. A null means "not given": the
/// value then follows from others (<see cref="WithEffectiveValues"/>) or from the network and the data set.
/// </summary>
public sealed partial class TrainingOptions
{
    // ---------------------------------------------------------------- data

    public string Dataset { get; set; } = "shapes";

    public string? DataDir { get; set; }

    public double? ValSplit { get; set; }

    public int? TrainLimit { get; set; }

    public bool MultiLabel { get; set; }

    public int BatchSize { get; set; } = 128;

    public string Sampler { get; set; } = "random";

    public int? ValidationBatchSize { get; set; }

    public int? Workers { get; set; }

    // ---------------------------------------------------------------- network

    public string Model { get; set; } = "resnet20_cifar";

    public bool Pretrained { get; set; }

    public bool Offline { get; set; }

    public string? InitialCheckpoint { get; set; }

    public IReadOnlyList<string> Freeze { get; set; } = [];

    public string? FreezeBody { get; set; }

    public int? NumClasses { get; set; }

    public int? InChans { get; set; }

    public string? GlobalPool { get; set; }

    public string? Head { get; set; }

    public double? HeadScale { get; set; }

    public string? Parameterisation { get; set; }

    public string? LocalLearning { get; set; }

    public bool WeightStandardise { get; set; }

    public int? OutputStride { get; set; }

    public double Drop { get; set; }

    public double DropPath { get; set; }

    public double DropBlock { get; set; }

    public bool DropBlockSkip { get; set; }

    public string DropBlockSchedule { get; set; } = "constant";

    // ---------------------------------------------------------------- images

    public int? ImgSize { get; set; }

    public int? TrainImgSize { get; set; }

    public IReadOnlyList<double>? Mean { get; set; }

    public IReadOnlyList<double>? Std { get; set; }

    public double? CropPct { get; set; }

    public string? Interpolation { get; set; }

    public bool NoAug { get; set; }

    public string? TrainCropMode { get; set; }

    public int CropPadding { get; set; } = 4;

    public IReadOnlyList<double> Scale { get; set; } = [0.08, 1];

    public IReadOnlyList<double> Ratio { get; set; } = [3.0 / 4, 4.0 / 3];

    public double Hflip { get; set; } = 0.5;

    public double Vflip { get; set; }

    public string? TrainInterpolation { get; set; }

    public string? Aa { get; set; }

    public IReadOnlyList<double>? ColorJitter { get; set; }

    public double? ColorJitterProb { get; set; }

    public double GrayscaleProb { get; set; }

    public double GaussianBlurProb { get; set; }

    public double Reprob { get; set; }

    public string Remode { get; set; } = "pixel";

    public int Recount { get; set; } = 1;

    public bool Resplit { get; set; }

    public int AugRepeats { get; set; }

    public int AugSplits { get; set; }

    // ---------------------------------------------------------------- optimiser

    public string Opt { get; set; } = "sgd";

    public double? OptEps { get; set; }

    public IReadOnlyList<double>? OptBetas { get; set; }

    public double Momentum { get; set; } = 0.9;

    public double WeightDecay { get; set; } = 2e-5;

    public double? LayerDecay { get; set; }

    public double HeadLrMult { get; set; } = 1;

    public double? ClipGrad { get; set; }

    public string ClipMode { get; set; } = "norm";

    public double GradNoise { get; set; }

    public string? Sam { get; set; }

    public double? SamRho { get; set; }

    public double SamEta { get; set; } = 0.01;

    public bool SamOnlyNorm { get; set; }

    public int GradAccumSteps { get; set; } = 1;

    public bool GradCheckpointing { get; set; }

    // ---------------------------------------------------------------- schedule

    public int Epochs { get; set; } = 300;

    public string Sched { get; set; } = "cosine";

    public bool SchedOnUpdates { get; set; } = true;

    public double? Lr { get; set; }

    public double? LrBase { get; set; }

    public int LrBaseSize { get; set; } = 256;

    public string? LrBaseScale { get; set; }

    public double? WarmupEpochs { get; set; }

    public double WarmupLr { get; set; } = 1e-5;

    public bool WarmupPrefix { get; set; }

    public double MinLr { get; set; }

    public double DecayEpochs { get; set; } = 90;

    public IReadOnlyList<double> DecayMilestones { get; set; } = [90, 180, 270];

    public double DecayRate { get; set; } = 0.1;

    public int PatienceEpochs { get; set; } = 10;

    public int LrCycleLimit { get; set; } = 1;

    public double LrCycleMul { get; set; } = 1;

    public double LrCycleDecay { get; set; } = 0.5;

    public double LrKDecay { get; set; } = 1;

    public double CooldownEpochs { get; set; }

    public double CosinePower { get; set; } = 10;

    public double OneCyclePctStart { get; set; } = 0.3;

    public string OneCycleAnneal { get; set; } = "cos";

    public bool OneCycleThreePhase { get; set; }

    public double OneCycleDiv { get; set; } = 25;

    public double OneCycleFinalDiv { get; set; } = 1e4;

    public bool OneCycleMomentum { get; set; } = true;

    public IReadOnlyList<double> OneCycleMomenta { get; set; } = [0.85, 0.95];

    // ---------------------------------------------------------------- loss and mixing

    public string Loss { get; set; } = "ce";

    public bool BceLoss { get; set; }

    public bool BceSum { get; set; }

    public double? BceTargetThresh { get; set; }

    public double? BcePosWeight { get; set; }

    public bool JsdLoss { get; set; }

    public double FocalGamma { get; set; } = 2;

    public double? FocalAlpha { get; set; }

    public double AslGammaNeg { get; set; } = 4;

    public double AslGammaPos { get; set; } = 1;

    public double AslClip { get; set; } = 0.05;

    public double SupconTemp { get; set; } = 0.1;

    public double? Margin { get; set; }

    public IReadOnlyList<string> ClassWeights { get; set; } = [];

    public double Mixup { get; set; }

    public double Cutmix { get; set; }

    public IReadOnlyList<double>? CutmixMinmax { get; set; }

    public double MixupProb { get; set; } = 1;

    public double MixupSwitchProb { get; set; } = 0.5;

    public string MixupMode { get; set; } = "batch";

    public int MixupOffEpoch { get; set; }

    // ---------------------------------------------------------------- regularisation

    public double Smoothing { get; set; } = 0.1;

    public bool ModelEma { get; set; }

    public double ModelEmaDecay { get; set; } = 0.9998;

    public bool ModelEmaWarmup { get; set; }

    public bool Swa { get; set; }

    public int? SwaStart { get; set; }

    public double? SwaLr { get; set; }

    public double NormLoss { get; set; }

    public bool Conadv { get; set; }

    public double ConadvEps { get; set; } = 1;

    public int ConadvStaleness { get; set; } = 1;

    // ---------------------------------------------------------------- the run

    /// <summary>Where the values came from, before others were given; a note, which changes nothing.</summary>
    public string? Recipe { get; set; }

    public long Seed { get; set; } = 42;

    public int LogInterval { get; set; } = 50;

    public bool LogJson { get; set; }

    public bool Tensorboard { get; set; }

    public int ValInterval { get; set; } = 1;

    public string DistBn { get; set; } = "reduce";

    public bool SyncBn { get; set; }

    public int RecoveryInterval { get; set; }

    public double RecoveryMinutes { get; set; } = 10;

    public string EvalMetric { get; set; } = "top1";

    public string? Output { get; set; }

    public string? Experiment { get; set; }

    public int? Threads { get; set; }

    /// <summary>A copy.</summary>
    public TrainingOptions Clone() => (TrainingOptions)MemberwiseClone();

    /// <summary>
    /// A copy in which everything that follows from other values is written out: learning rate, warm-up, validation batch
    /// size, the kind of a packed data set. What comes from the network or the data set stays open.
    /// </summary>
    /// <param name="processes">How many processes take a batch each.</param>
    public TrainingOptions WithEffectiveValues(int processes = 1)
    {
        Validate();
        var result = Clone();
        if (DatasetFactory.IsPack(DataDir))
            result.Dataset = "vpk";
        if (MultiLabel)
            (result.Dataset, result.EvalMetric) = ("multi-label", EvalMetric == "top1" ? "map" : EvalMetric);
        // "ada" and "lamb" as in timm: the rate of adaptive methods grows with the square root of the batch.
        var isAdaptive = Opt.Contains("ada", StringComparison.Ordinal) || Opt.Contains("lamb", StringComparison.Ordinal);
        result.LrBase ??= Optimizers.Find(Opt)!.Rate;
        result.LrBaseScale ??= isAdaptive ? "sqrt" : "linear";
        var ratio = (double)BatchSize * processes * GradAccumSteps / LrBaseSize;
        result.Lr ??= result.LrBase * (result.LrBaseScale == "sqrt" ? Math.Sqrt(ratio) : ratio);
        // timm always warms up for 5 epochs, which would be all of a short run. One cycle has a rise of its own.
        result.WarmupEpochs ??= Sched == "one-cycle" ? 0 : Math.Min(5, Epochs / 20.0);
        result.SamRho ??= Sam switch { "sam" => 0.05, "asam" => 0.5, _ => null };
        result.ValidationBatchSize ??= BatchSize;
        DistillationWeights.FillIn(result);
        return result;
    }

    /// <summary>Checks ranges and names of everything that does not depend on network or data.</summary>
    /// <exception cref="VertebraException">A value is out of range; the message names the flag and the range.</exception>
    public void Validate()
    {
        Check(BatchSize is >= 1 and <= 1_000_000, "batch-size", BatchSize, "1 to 1000000");
        Check(ValidationBatchSize is null or (>= 1 and <= 1_000_000), "validation-batch-size", ValidationBatchSize, "1 to 1000000");
        Check(Workers is null or (>= 0 and <= 1024), "workers", Workers, "0 to 1024");
        Check(Threads is null or (>= 1 and <= 4096), "threads", Threads, "1 to 4096");
        Check(ValSplit is null or (> 0 and < 1), "val-split", ValSplit, "a share between 0 and 1");
        Check(TrainLimit is null or >= 1, "train-limit", TrainLimit, "at least 1");
        Check(ImgSize is null or (>= 1 and <= 16384), "img-size", ImgSize, "1 to 16384");
        Check(TrainImgSize is null or (>= 1 and <= 16384), "train-img-size", TrainImgSize, "1 to 16384");
        Check(Epochs is >= 1 and <= 1_000_000, "epochs", Epochs, "1 to 1000000");
        Check(GradAccumSteps is >= 1 and <= 1_000_000, "grad-accum-steps", GradAccumSteps, "1 to 1000000");
        Check(Lr is null or (>= 0 and < 1e6), "lr", Lr, "at least 0");
        Check(LrBase is null or (>= 0 and < 1e6), "lr-base", LrBase, "at least 0");
        Check(LrBaseSize >= 1, "lr-base-size", LrBaseSize, "at least 1");
        Check(LrBaseScale is null or "linear" or "sqrt", "lr-base-scale", LrBaseScale, "linear or sqrt");
        Check(WarmupEpochs is null or (>= 0 and <= 1_000_000), "warmup-epochs", WarmupEpochs, "at least 0");
        Check(WarmupLr is >= 0 and < 1e6, "warmup-lr", WarmupLr, "at least 0");
        Check(MinLr is >= 0 and < 1e6, "min-lr", MinLr, "at least 0");
        Check(DecayEpochs > 0, "decay-epochs", DecayEpochs, "above 0");
        Check(DecayRate > 0 && DecayRate <= (Sched == "poly" ? 100 : 1), "decay-rate", DecayRate, Sched == "poly" ? "above 0 and at most 100, the polynomial's power" : "above 0 and at most 1");
        Check(PatienceEpochs is >= 0 and <= 1_000_000, "patience-epochs", PatienceEpochs, "at least 0");
        Check(LrCycleLimit is >= 1 and <= 10_000, "lr-cycle-limit", LrCycleLimit, "1 to 10000");
        Check(LrCycleMul is >= 1 and <= 100, "lr-cycle-mul", LrCycleMul, "1 to 100");
        Check(LrCycleDecay is > 0 and <= 1, "lr-cycle-decay", LrCycleDecay, "above 0 and at most 1");
        Check(LrKDecay is > 0 and <= 100, "lr-k-decay", LrKDecay, "above 0 and at most 100");
        Check(CooldownEpochs is >= 0 and <= 1_000_000, "cooldown-epochs", CooldownEpochs, "at least 0");
        Check(CosinePower is >= 1 and <= 1e6, "cosine-power", CosinePower, "1 to 1000000");
        Check(OneCyclePctStart is > 0 and < 1, "one-cycle-pct-start", OneCyclePctStart, "a share between 0 and 1");
        Check(!OneCycleThreePhase || OneCyclePctStart < 0.5, "one-cycle-pct-start", OneCyclePctStart, "below 0.5 with --one-cycle-three-phase");
        Check(OneCycleAnneal is "cos" or "linear", "one-cycle-anneal", OneCycleAnneal, "cos or linear");
        Check(OneCycleDiv is >= 1 and < 1e9, "one-cycle-div", OneCycleDiv, "at least 1");
        Check(OneCycleFinalDiv is >= 1 and < 1e12, "one-cycle-final-div", OneCycleFinalDiv, "at least 1");
        Check(
            OneCycleMomenta.Count == 2 && OneCycleMomenta.All(m => m is >= 0 and < 1) && OneCycleMomenta[0] <= OneCycleMomenta[1],
            "one-cycle-momenta", string.Join(' ', OneCycleMomenta), "two ascending numbers, at least 0 and below 1");
        Check(Sched != "one-cycle" || WarmupEpochs is null or 0, "warmup-epochs", WarmupEpochs, "0 with --sched one-cycle, which rises by itself");
        Check(DecayMilestones.All(m => m >= 0) && DecayMilestones.SequenceEqual(DecayMilestones.Order()), "decay-milestones", string.Join(' ', DecayMilestones), "ascending");
        Check(Momentum is >= 0 and < 1, "momentum", Momentum, "at least 0 and below 1");
        Check(WeightDecay is >= 0 and < 1e3, "weight-decay", WeightDecay, "at least 0");
        Check(OptEps is null or (> 0 and < 1), "opt-eps", OptEps, "between 0 and 1");
        Check(LayerDecay is null or (> 0 and <= 1), "layer-decay", LayerDecay, "above 0 and at most 1");
        Check(HeadLrMult is >= 0 and < 1e6, "head-lr-mult", HeadLrMult, "at least 0");
        Check(FineTuning.ParseFreezeBody(FreezeBody) is null or { IsValid: true }, "freeze-body", FreezeBody, $"a number of layers, or {FineTuning.WholeBody}");
        Check(SamplerNames.ContainsKey(Sampler), "sampler", Sampler, string.Join(", ", SamplerNames.Keys));
        Check(ClipGrad is null or (> 0 and < 1e9), "clip-grad", ClipGrad, "above 0");
        Check(ClipMode is "norm" or "value" or "agc", "clip-mode", ClipMode, "norm, value or agc");
        Check(GradNoise is >= 0 and < 1e6, "grad-noise", GradNoise, "at least 0 (0: off)");
        Check(Sam is null or "sam" or "asam", "sam", Sam, "sam or asam");
        Check(SamRho is null or (> 0 and < 1e6), "sam-rho", SamRho, "above 0");
        Check(SamEta is >= 0 and < 1e6, "sam-eta", SamEta, "at least 0");
        Check(!SamOnlyNorm || Sam is not null, "sam-only-norm", SamOnlyNorm, "given together with --sam");
        Check(Smoothing is >= 0 and < 1, "smoothing", Smoothing, "at least 0 and below 1");
        Check(ModelEmaDecay is >= 0 and < 1, "model-ema-decay", ModelEmaDecay, "at least 0 and below 1");
        Check(DropBlockSchedule is "constant" or "linear", "drop-block-schedule", DropBlockSchedule, "constant or linear");
        Check(SwaStart is null or >= 0, "swa-start", SwaStart, "an epoch, from 0");
        Check(SwaLr is null or (> 0 and < 1e6), "swa-lr", SwaLr, "above 0");
        Check(Swa || (SwaStart is null && SwaLr is null), "swa", Swa, "given together with --swa-start and --swa-lr");
        Check(NormLoss is >= 0 and < 1e6, "norm-loss", NormLoss, "at least 0 (0: off)");
        Check(TrainCropMode is null or "rrc" or "pad" or "none", "train-crop-mode", TrainCropMode, "rrc, pad or none");
        Check(Parameterisation is null || Zoo.Layers.Parameterisation.Names.Contains(Parameterisation), "parameterisation", Parameterisation, string.Join(", ", Zoo.Layers.Parameterisation.Names));
        Check(LocalLearning is null or "block" or "layer", "local-learning", LocalLearning, "block or layer");
        Check(LocalLearning is null || !HasTeacher, "local-learning", LocalLearning, "left out where a teacher is asked");
        Check(!Conadv || (LocalLearning is null && !GradCheckpointing), "conadv", Conadv, "left out with --local-learning and --grad-checkpointing");
        AugmentationOptions.Validate(this);
        TrainingLosses.Validate(this);
        MixingOptions.Validate(this);
        ConcurrentAdversarial.Validate(this);
        DistillationWeights.Validate(this);
        Check(Scale.Count == 2 && Ratio.Count == 2, "scale", string.Join(' ', Scale), "two numbers, as must be --ratio");
        Check(LogInterval >= 1, "log-interval", LogInterval, "at least 1");
        Check(ValInterval >= 1, "val-interval", ValInterval, "at least 1");
        Check(DistBn is "reduce" or "broadcast", "dist-bn", DistBn, "reduce or broadcast");
        Check(RecoveryInterval >= 0, "recovery-interval", RecoveryInterval, "at least 0 (0: off)");
        Check(RecoveryMinutes >= 0, "recovery-minutes", RecoveryMinutes, "at least 0 (0: off)");
        Check(Seed >= 0, "seed", Seed, "at least 0");
        Check(EvalMetric is "top1" or "top5" or "loss" || (MultiLabel && EvalMetric is "map" or "f1"), "eval-metric", EvalMetric, "top1, top5 or loss, or with --multi-label map or f1");
        Check(!MultiLabel || Dataset is "folder" or "multi-label" or "shapes", "dataset", Dataset, "folder or left out with --multi-label");
        Check(!MultiLabel || !HasTeacher, "multi-label", MultiLabel, "left out with a teacher");
        Check(MultiLabel || Dataset != "multi-label", "multi-label", MultiLabel, "given with --dataset multi-label");
        Check(ScheduleNames.ContainsKey(Sched), "sched", Sched, string.Join(", ", ScheduleNames.Keys));
        Check(Optimizers.Find(Opt) is not null, "opt", Opt, string.Join(", ", Optimizers.Names));
        var betas = Optimizers.Find(Opt)!.Betas;
        Check(
            OptBetas is null || (OptBetas.Count == betas && OptBetas.All(b => b is >= 0 and < 1)), "opt-betas", string.Join(' ', OptBetas ?? []),
            betas == 0 ? $"left out: {Opt} has none" : $"{betas} numbers, at least 0 and below 1");
    }

    /// <summary>The learning-rate schedule of a run of so many updates an epoch; effective values must be filled in.</summary>
    public LearningRateSchedule Schedule(int updatesPerEpoch)
    {
        long Steps(double epochs) => (long)Math.Round(epochs * updatesPerEpoch);
        return new(ScheduleNames[Sched], Lr ?? throw Unresolved(), Steps(Epochs))
        {
            MinRate = MinLr,
            WarmupSteps = Steps(WarmupEpochs ?? throw Unresolved()),
            WarmupRate = WarmupLr,
            WarmupPrefix = WarmupPrefix,
            DecaySteps = Math.Max(1, Steps(DecayEpochs)),
            Milestones = [.. DecayMilestones.Select(Steps)],
            DecayRate = DecayRate,
            CycleLimit = LrCycleLimit,
            CycleMul = LrCycleMul,
            CycleDecay = LrCycleDecay,
            KDecay = LrKDecay,
            CosinePower = CosinePower,
            Cycle = Sched != "one-cycle" ? null : new(Lr ?? throw Unresolved(), Math.Max(2, Steps(Epochs)))
            {
                RisingShare = OneCyclePctStart,
                IsCosine = OneCycleAnneal == "cos",
                IsThreePhase = OneCycleThreePhase,
                Divisor = OneCycleDiv,
                FinalDivisor = OneCycleFinalDiv,
                BaseMomentum = OneCycleMomenta[0],
                MaxMomentum = OneCycleMomenta[1],
            },
        };
    }

    /// <summary>
    /// How many epochs a run has: as in timm, all cycles of the schedule, a warm-up before it and the cool-down come to
    /// <see cref="Epochs"/>. Effective values must be filled in.
    /// </summary>
    public int TotalEpochs(int updatesPerEpoch)
    {
        var schedule = Schedule(updatesPerEpoch);
        var cooldown = schedule.HasCycles ? CooldownEpochs : 0;
        return checked((int)Math.Ceiling(((double)schedule.Length / updatesPerEpoch) + cooldown));
    }

    private static readonly Dictionary<string, ScheduleKind> ScheduleNames = new(StringComparer.Ordinal)
    {
        ["cosine"] = ScheduleKind.Cosine,
        ["tanh"] = ScheduleKind.Tanh,
        ["poly"] = ScheduleKind.Poly,
        ["cosine-power"] = ScheduleKind.CosinePower,
        ["one-cycle"] = ScheduleKind.OneCycle,
        ["plateau"] = ScheduleKind.Plateau,
        ["step"] = ScheduleKind.Step,
        ["multistep"] = ScheduleKind.MultiStep,
        ["constant"] = ScheduleKind.Constant,
    };

    /// <summary>How often the training images of each class are shown.</summary>
    internal ClassSampling Sampling => SamplerNames[Sampler];

    private static readonly Dictionary<string, ClassSampling> SamplerNames = new(StringComparer.Ordinal)
    {
        ["random"] = ClassSampling.Natural,
        ["balanced"] = ClassSampling.Balanced,
        ["sqrt"] = ClassSampling.SquareRoot,
    };

    private static InvalidOperationException Unresolved() => new($"call {nameof(WithEffectiveValues)} first");

    internal static void Check(bool isRight, string flag, object? value, string range)
    {
        if (!isRight)
            throw new VertebraException(FormattableString.Invariant($"--{flag} is {value}; it must be {range}"));
    }
}
