using System.Globalization;
using Vertebra.Lab.Training.Distillation;

namespace Vertebra.Lab.Training;

/// <summary>What values an option takes.</summary>
public enum OptionKind
{
    /// <summary>true or false; on the command line the bare flag means true.</summary>
    Flag,

    /// <summary>A whole number.</summary>
    Integer,

    /// <summary>A number.</summary>
    Number,

    /// <summary>Several numbers.</summary>
    Numbers,

    /// <summary>A name or path.</summary>
    Text,

    /// <summary>Several names or paths.</summary>
    Texts,
}

/// <summary>
/// One of <see cref="TrainingOptions"/> by name: <c>--warmup-epochs</c> on the command line is <c>warmup_epochs</c> in
/// <c>args.yaml</c>. The table is written out, not found by reflection, so that trimmed programs keep it.
/// </summary>
public sealed class TrainingOption
{
    private readonly Func<TrainingOptions, IReadOnlyList<string>?> _get;
    private readonly Action<TrainingOptions, IReadOnlyList<string>> _set;

    private TrainingOption(
        string group, string name, OptionKind kind, string description,
        Func<TrainingOptions, IReadOnlyList<string>?> get, Action<TrainingOptions, IReadOnlyList<string>> set) =>
        (Group, Name, Kind, Description, _get, _set) = (group, name, kind, description, get, set);

    /// <summary>Heading under which help shows it.</summary>
    public string Group { get; }

    /// <summary>As on the command line, without dashes: <c>warmup-epochs</c>.</summary>
    public string Name { get; }

    /// <summary>As in <c>args.yaml</c>: <c>warmup_epochs</c>.</summary>
    public string Key => Name.Replace('-', '_');

    public OptionKind Kind { get; }

    /// <summary>One line of help.</summary>
    public string Description { get; }

    /// <summary>All options, in the order of help and <c>args.yaml</c>.</summary>
    public static IReadOnlyList<TrainingOption> All { get; } =
    [
        Text("Data", "dataset", "cifar10, cifar100, mnist, fashion-mnist, folder, vpk (packed) or shapes (generated)", o => o.Dataset, (o, v) => o.Dataset = v),
        Text("Data", "data-dir", "folder of the data set, or a .vpk file", o => o.DataDir, (o, v) => o.DataDir = v),
        Number("Data", "val-split", "share of a folder's images to hold back for validation, where it has no val/ of its own", o => o.ValSplit, (o, v) => o.ValSplit = v),
        Integer("Data", "train-limit", "learn from so many images only, as many of each class (default: all)", o => o.TrainLimit, (o, v) => o.TrainLimit = v),
        Flag("Data", "multi-label", "images show several classes: those that labels.csv in --data-dir names", o => o.MultiLabel, (o, v) => o.MultiLabel = v),
        Integer("Data", "batch-size", "images of one training step", o => o.BatchSize, (o, v) => o.BatchSize = v),
        Text("Data", "sampler", "how often training images are shown: random (each once an epoch), balanced (each class as often as every other) or sqrt (each by the square root of its images)", o => o.Sampler, (o, v) => o.Sampler = v),
        Integer("Data", "validation-batch-size", "images of one evaluation step (default: batch size)", o => o.ValidationBatchSize, (o, v) => o.ValidationBatchSize = v),
        Integer("Data", "workers", "threads that load images (default: by the data set and the machine)", o => o.Workers, (o, v) => o.Workers = v),

        Text("Network", "model", "name of the network, as listed by `models`, or hf-hub:OWNER/NAME or local-dir:PATH", o => o.Model, (o, v) => o.Model = v),
        Flag("Network", "pretrained", "start from the weights published for the network", o => o.Pretrained, (o, v) => o.Pretrained = v),
        Flag("Network", "offline", "take published weights from the cache only", o => o.Offline, (o, v) => o.Offline = v),
        Text("Network", "initial-checkpoint", "weights to start from: a file, a folder, or hf-hub:OWNER/NAME", o => o.InitialCheckpoint, (o, v) => o.InitialCheckpoint = v),
        Texts("Network", "freeze", "parts that keep their weights: paths of modules or parameters, with * and ? as wildcards", o => o.Freeze, (o, v) => o.Freeze = v),
        new("Network", "freeze-body", OptionKind.Text, "freeze so many of the first layers (the stem is one, then each block); without a number all but the head", o => o.FreezeBody is { } v ? [v] : null, (o, v) => o.FreezeBody = v.Count == 0 ? FineTuning.WholeBody : Single("freeze-body", v)),
        Integer("Network", "num-classes", "size of the classifier (default: the data set's classes)", o => o.NumClasses, (o, v) => o.NumClasses = v),
        Integer("Network", "in-chans", "channels of the input image: 3 or 1 (default: the data set's)", o => o.InChans, (o, v) => o.InChans = v),
        Text("Network", "gp", "global pooling: avg, max, avgmax, catavgmax (default: the network's)", o => o.GlobalPool, (o, v) => o.GlobalPool = v),
        Text("Network", "head", "a classifier that measures angles: cosine, or grassmannK, classes as subspaces of K dimensions (default: the network's)", o => o.Head, (o, v) => o.Head = v),
        Number("Network", "head-scale", "factor on its cosines (default: 30, subspaces 25)", o => o.HeadScale, (o, v) => o.HeadScale = v),
        Text("Network", "parameterisation", "how residual branches are written: rezero, fixup, depth-mup or layer-scale (default: as the network has them)", o => o.Parameterisation, (o, v) => o.Parameterisation = v),
        Text("Network", "local-learning", "Forward-Forward: pieces of the network, each block or each layer, learn by a loss of their own", o => o.LocalLearning, (o, v) => o.LocalLearning = v),
        Flag("Network", "weight-standardise", "every convolution standardises its kernels", o => o.WeightStandardise, (o, v) => o.WeightStandardise = v),
        Integer("Network", "output-stride", "input pixels per pixel of the last stage: 8, 16 or 32", o => o.OutputStride, (o, v) => o.OutputStride = v),
        Number("Network", "drop", "dropout probability before the classifier", o => o.Drop, (o, v) => o.Drop = v),
        Number("Network", "drop-path", "stochastic depth: probability of skipping the last block", o => o.DropPath, (o, v) => o.DropPath = v),
        Number("Network", "drop-block", "DropBlock: share of the last two stages' maps dropped in squares (resnet family)", o => o.DropBlock, (o, v) => o.DropBlock = v),
        Flag("Network", "drop-block-skip", "on their shortcuts too", o => o.DropBlockSkip, (o, v) => o.DropBlockSkip = v),
        Text("Network", "drop-block-schedule", "constant, or linear: from 0 up to that share over the run", o => o.DropBlockSchedule, (o, v) => o.DropBlockSchedule = v),

        Integer("Images", "img-size", "side of the input image (default: the network's or data set's)", o => o.ImgSize, (o, v) => o.ImgSize = v),
        Integer("Images", "train-img-size", "side of training images, where judged ones are to have another (default: --img-size)", o => o.TrainImgSize, (o, v) => o.TrainImgSize = v),
        Numbers("Images", "mean", "mean of each channel of pixels in [0, 1]", o => o.Mean, (o, v) => o.Mean = v),
        Numbers("Images", "std", "standard deviation of each channel", o => o.Std, (o, v) => o.Std = v),
        Number("Images", "crop-pct", "share of the resized image that the evaluation crop keeps", o => o.CropPct, (o, v) => o.CropPct = v),
        Text("Images", "interpolation", "bilinear or bicubic", o => o.Interpolation, (o, v) => o.Interpolation = v),
        Flag("Images", "no-aug", "train on images as evaluation sees them", o => o.NoAug, (o, v) => o.NoAug = v),
        Text("Images", "train-crop-mode", "rrc (random resized crop), pad (padded crop, for small images) or none (default: by image size)", o => o.TrainCropMode, (o, v) => o.TrainCropMode = v),
        Integer("Images", "crop-padding", "border of the padded crop, in pixels", o => o.CropPadding, (o, v) => o.CropPadding = v),
        Numbers("Images", "scale", "least and largest area of the random resized crop", o => o.Scale, (o, v) => o.Scale = v),
        Numbers("Images", "ratio", "least and largest aspect ratio of the random resized crop", o => o.Ratio, (o, v) => o.Ratio = v),
        Number("Images", "hflip", "probability of mirroring", o => o.Hflip, (o, v) => o.Hflip = v),
        Number("Images", "vflip", "probability of turning upside down", o => o.Vflip, (o, v) => o.Vflip = v),
        Text("Images", "train-interpolation", "filter of the random resized crop and of --aa: bilinear, bicubic or random, one of them for each image (default: --interpolation)", o => o.TrainInterpolation, (o, v) => o.TrainInterpolation = v),
        Text("Images", "aa", "augmentation policy: rand-m9-mstd0.5-inc1, augmix-m5-w4-d2, v0, v0r, original, originalr, 3a or ta_wide", o => o.Aa, (o, v) => o.Aa = v),
        Numbers("Images", "color-jitter", "random colours: one strength, or those of brightness, contrast, saturation and hue; not with an --aa other than 3a", o => o.ColorJitter, (o, v) => o.ColorJitter = v),
        Number("Images", "color-jitter-prob", "probability of random colours (default: always, with --color-jitter)", o => o.ColorJitterProb, (o, v) => o.ColorJitterProb = v),
        Number("Images", "grayscale-prob", "probability of grey", o => o.GrayscaleProb, (o, v) => o.GrayscaleProb = v),
        Number("Images", "gaussian-blur-prob", "probability of a blur", o => o.GaussianBlurProb, (o, v) => o.GaussianBlurProb = v),
        Number("Images", "reprob", "random erasing: probability", o => o.Reprob, (o, v) => o.Reprob = v),
        Text("Images", "remode", "what is put in the erased place: const (the mean), rand (a colour) or pixel (noise)", o => o.Remode, (o, v) => o.Remode = v),
        Integer("Images", "recount", "most rectangles erased in an image", o => o.Recount, (o, v) => o.Recount = v),
        Flag("Images", "resplit", "do not erase in the clean view of --aug-splits", o => o.Resplit, (o, v) => o.Resplit = v),
        Integer("Images", "aug-repeats", "repeated augmentation: an image comes so many times in a row, and fewer images in an epoch (0: once)", o => o.AugRepeats, (o, v) => o.AugRepeats = v),
        Integer("Images", "aug-splits", "views of each image in a batch, the first one without --aa and the like (0: one view)", o => o.AugSplits, (o, v) => o.AugSplits = v),

        Text("Optimiser", "opt", $"the optimiser: {string.Join(", ", Optimizers.Names)}; lookahead_ before a name wraps it", o => o.Opt, (o, v) => o.Opt = v),
        Number("Optimiser", "opt-eps", "epsilon of adaptive optimisers", o => o.OptEps, (o, v) => o.OptEps = v),
        Numbers("Optimiser", "opt-betas", "betas of adaptive optimisers", o => o.OptBetas, (o, v) => o.OptBetas = v),
        Number("Optimiser", "momentum", "momentum of sgd and rmsprop", o => o.Momentum, (o, v) => o.Momentum = v),
        Number("Optimiser", "weight-decay", "weight decay, not on norms and biases", o => o.WeightDecay, (o, v) => o.WeightDecay = v),
        Number("Optimiser", "layer-decay", "factor on the learning rate from each layer to the one before it, as 0.75 (default: the same rate for all)", o => o.LayerDecay, (o, v) => o.LayerDecay = v),
        Number("Optimiser", "head-lr-mult", "factor on the learning rate of the classifier", o => o.HeadLrMult, (o, v) => o.HeadLrMult = v),
        Number("Optimiser", "clip-grad", "clip gradients to this norm, value or share of the weights", o => o.ClipGrad, (o, v) => o.ClipGrad = v),
        Text("Optimiser", "clip-mode", "norm, value or agc (adaptive: by the norm of each unit's weights)", o => o.ClipMode, (o, v) => o.ClipMode = v),
        Number("Optimiser", "grad-noise", "Gaussian noise on gradients: its variance in update t is this / (1 + t)^0.55; 0 is off", o => o.GradNoise, (o, v) => o.GradNoise = v),
        Text("Optimiser", "sam", "sharpness-aware minimisation, two passes an update: sam or asam (default: off)", o => o.Sam, (o, v) => o.Sam = v),
        Number("Optimiser", "sam-rho", "how far up the loss SAM looks (default: sam 0.05, asam 0.5)", o => o.SamRho, (o, v) => o.SamRho = v),
        Number("Optimiser", "sam-eta", "what ASAM adds to the size of weights", o => o.SamEta, (o, v) => o.SamEta = v),
        Flag("Optimiser", "sam-only-norm", "SAM-ON: perturb the parameters of normalisers only", o => o.SamOnlyNorm, (o, v) => o.SamOnlyNorm = v),
        Integer("Optimiser", "grad-accum-steps", "batches whose gradients make one update", o => o.GradAccumSteps, (o, v) => o.GradAccumSteps = v),
        Flag("Optimiser", "grad-checkpointing", "compute blocks again for their gradients instead of keeping their activations", o => o.GradCheckpointing, (o, v) => o.GradCheckpointing = v),

        Integer("Schedule", "epochs", "passes over the training images", o => o.Epochs, (o, v) => o.Epochs = v),
        Text("Schedule", "sched", "cosine, tanh, poly, cosine-power, one-cycle, step, multistep, plateau or constant", o => o.Sched, (o, v) => o.Sched = v),
        Flag("Schedule", "sched-on-updates", "change the rate every update, not every epoch", o => o.SchedOnUpdates, (o, v) => o.SchedOnUpdates = v),
        Number("Schedule", "lr", "learning rate (default: from --lr-base and the batch size)", o => o.Lr, (o, v) => o.Lr = v),
        Number("Schedule", "lr-base", "learning rate at a batch of --lr-base-size (default: by the optimiser; sgd 0.1, adamw 0.001)", o => o.LrBase, (o, v) => o.LrBase = v),
        Integer("Schedule", "lr-base-size", "see --lr-base", o => o.LrBaseSize, (o, v) => o.LrBaseSize = v),
        Text("Schedule", "lr-base-scale", "how the rate grows with the batch: linear or sqrt", o => o.LrBaseScale, (o, v) => o.LrBaseScale = v),
        Number("Schedule", "warmup-epochs", "length of the warm-up (default: a twentieth of the run, at most 5)", o => o.WarmupEpochs, (o, v) => o.WarmupEpochs = v),
        Number("Schedule", "warmup-lr", "rate at the start of the warm-up", o => o.WarmupLr, (o, v) => o.WarmupLr = v),
        Flag("Schedule", "warmup-prefix", "begin the schedule after the warm-up, not with it", o => o.WarmupPrefix, (o, v) => o.WarmupPrefix = v),
        Number("Schedule", "min-lr", "rate at the end of a cycle, and the least on a plateau", o => o.MinLr, (o, v) => o.MinLr = v),
        Number("Schedule", "decay-epochs", "distance between decays of the step schedule", o => o.DecayEpochs, (o, v) => o.DecayEpochs = v),
        Numbers("Schedule", "decay-milestones", "epochs at which the multistep schedule decays", o => o.DecayMilestones, (o, v) => o.DecayMilestones = v),
        Number("Schedule", "decay-rate", "factor of one decay; the power of the poly schedule", o => o.DecayRate, (o, v) => o.DecayRate = v),
        Integer("Schedule", "patience-epochs", "epochs without a better evaluation before the plateau schedule decays", o => o.PatienceEpochs, (o, v) => o.PatienceEpochs = v),
        Integer("Schedule", "lr-cycle-limit", "cycles of --epochs each (cosine, tanh, poly, cosine-power)", o => o.LrCycleLimit, (o, v) => o.LrCycleLimit = v),
        Number("Schedule", "lr-cycle-mul", "factor on the length from each cycle to the next", o => o.LrCycleMul, (o, v) => o.LrCycleMul = v),
        Number("Schedule", "lr-cycle-decay", "factor on the rate from each cycle to the next", o => o.LrCycleDecay, (o, v) => o.LrCycleDecay = v),
        Number("Schedule", "lr-k-decay", "exponent on the place in a cycle (cosine, poly)", o => o.LrKDecay, (o, v) => o.LrKDecay = v),
        Number("Schedule", "cooldown-epochs", "epochs at --min-lr after the last cycle", o => o.CooldownEpochs, (o, v) => o.CooldownEpochs = v),
        Number("Schedule", "cosine-power", "base of the cosine-power schedule; 1 is the cosine", o => o.CosinePower, (o, v) => o.CosinePower = v),
        Number("Schedule", "one-cycle-pct-start", "share of the one cycle in which the rate rises", o => o.OneCyclePctStart, (o, v) => o.OneCyclePctStart = v),
        Text("Schedule", "one-cycle-anneal", "cos or linear", o => o.OneCycleAnneal, (o, v) => o.OneCycleAnneal = v),
        Flag("Schedule", "one-cycle-three-phase", "fall to the first rate as symmetrically as up, then to the last", o => o.OneCycleThreePhase, (o, v) => o.OneCycleThreePhase = v),
        Number("Schedule", "one-cycle-div", "the first rate is --lr divided by this", o => o.OneCycleDiv, (o, v) => o.OneCycleDiv = v),
        Number("Schedule", "one-cycle-final-div", "the last rate is the first divided by this", o => o.OneCycleFinalDiv, (o, v) => o.OneCycleFinalDiv = v),
        Flag("Schedule", "one-cycle-momentum", "let the momentum (or first beta) run against the rate", o => o.OneCycleMomentum, (o, v) => o.OneCycleMomentum = v),
        Numbers("Schedule", "one-cycle-momenta", "momentum at the top rate and at the lowest", o => o.OneCycleMomenta, (o, v) => o.OneCycleMomenta = v),

        Text("Loss", "loss", "ce, bce, jsd, focal, focal-sigmoid, asl, asl-multi-label, am-softmax, aam-softmax, supcon or supcon-in", o => o.Loss, (o, v) => o.Loss = v),
        Flag("Loss", "bce-loss", "binary cross-entropy: --loss bce", o => o.BceLoss, (o, v) => o.BceLoss = v),
        Flag("Loss", "bce-sum", "sum it over the classes of an image, not the mean", o => o.BceSum, (o, v) => o.BceSum = v),
        Number("Loss", "bce-target-thresh", "its targets above this are 1, the others 0 (default: as they are)", o => o.BceTargetThresh, (o, v) => o.BceTargetThresh = v),
        Number("Loss", "bce-pos-weight", "its factor on targets of 1", o => o.BcePosWeight, (o, v) => o.BcePosWeight = v),
        Flag("Loss", "jsd-loss", "Jensen-Shannon divergence of the views of --aug-splits beside the cross-entropy: --loss jsd", o => o.JsdLoss, (o, v) => o.JsdLoss = v),
        Number("Loss", "focal-gamma", "gamma of the focal losses", o => o.FocalGamma, (o, v) => o.FocalGamma = v),
        Number("Loss", "focal-alpha", "alpha of focal-sigmoid (default: none; 0.25 in the paper)", o => o.FocalAlpha, (o, v) => o.FocalAlpha = v),
        Number("Loss", "asl-gamma-neg", "focusing of absent classes in the asymmetric losses", o => o.AslGammaNeg, (o, v) => o.AslGammaNeg = v),
        Number("Loss", "asl-gamma-pos", "focusing of present classes", o => o.AslGammaPos, (o, v) => o.AslGammaPos = v),
        Number("Loss", "asl-clip", "margin of asl-multi-label", o => o.AslClip, (o, v) => o.AslClip = v),
        Number("Loss", "supcon-temp", "temperature of the contrastive losses", o => o.SupconTemp, (o, v) => o.SupconTemp = v),
        Number("Loss", "margin", "margin of am-softmax (default: 0.35) and aam-softmax (0.5, radians)", o => o.Margin, (o, v) => o.Margin = v),
        Texts("Loss", "class-weights", "weights of the classes: balanced, effective, or a number for each", o => o.ClassWeights, (o, v) => o.ClassWeights = v),

        Number("Mixing", "mixup", "alpha of mixup (0: off)", o => o.Mixup, (o, v) => o.Mixup = v),
        Number("Mixing", "cutmix", "alpha of CutMix (0: off)", o => o.Cutmix, (o, v) => o.Cutmix = v),
        Numbers("Mixing", "cutmix-minmax", "least and largest side of CutMix's rectangle, as shares of the image's (default: from --cutmix)", o => o.CutmixMinmax, (o, v) => o.CutmixMinmax = v),
        Number("Mixing", "mixup-prob", "probability of mixing where it is on", o => o.MixupProb, (o, v) => o.MixupProb = v),
        Number("Mixing", "mixup-switch-prob", "probability of CutMix where both are on", o => o.MixupSwitchProb, (o, v) => o.MixupSwitchProb = v),
        Text("Mixing", "mixup-mode", "what is mixed alike: batch, pair or elem", o => o.MixupMode, (o, v) => o.MixupMode = v),
        Integer("Mixing", "mixup-off-epoch", "epoch from which on nothing is mixed (0: never)", o => o.MixupOffEpoch, (o, v) => o.MixupOffEpoch = v),

        Number("Regularisation", "smoothing", "label smoothing", o => o.Smoothing, (o, v) => o.Smoothing = v),
        Flag("Regularisation", "model-ema", "keep an exponential moving average of the weights, evaluated too", o => o.ModelEma, (o, v) => o.ModelEma = v),
        Number("Regularisation", "model-ema-decay", "decay of that average", o => o.ModelEmaDecay, (o, v) => o.ModelEmaDecay = v),
        Flag("Regularisation", "model-ema-warmup", "let that decay grow from 0", o => o.ModelEmaWarmup, (o, v) => o.ModelEmaWarmup = v),
        Flag("Regularisation", "swa", "mean of the weights at the ends of the last epochs, evaluated when the run is done", o => o.Swa, (o, v) => o.Swa = v),
        Integer("Regularisation", "swa-start", "epoch at which that mean begins (default: after three quarters of the run)", o => o.SwaStart, (o, v) => o.SwaStart = v),
        Number("Regularisation", "swa-lr", "constant learning rate from then on (default: the schedule's)", o => o.SwaLr, (o, v) => o.SwaLr = v),
        Number("Regularisation", "norm-loss", "strength of the norm loss, which draws the weights of every unit towards length 1 (0: off)", o => o.NormLoss, (o, v) => o.NormLoss = v),
        Flag("Regularisation", "conadv", "learn from adversarial images beside the others, found with weights of former updates (ConAdv)", o => o.Conadv, (o, v) => o.Conadv = v),
        Number("Regularisation", "conadv-eps", "how far each of their pixels moves, of 255", o => o.ConadvEps, (o, v) => o.ConadvEps = v),
        Integer("Regularisation", "conadv-staleness", "how many updates those weights are old", o => o.ConadvStaleness, (o, v) => o.ConadvStaleness = v),

        Text("Distillation", "teacher", "learn from this network: a run folder, a weight file, a name with published weights, or untrained:NAME for guidance; several, separated by commas, are an ensemble", o => o.Teacher, (o, v) => o.Teacher = v),
        Texts("Distillation", "distill", $"how, one or more of {string.Join(", ", DistillationTerms.Names)}", o => o.Distill, (o, v) => o.Distill = v),
        Numbers("Distillation", "distill-loss-weight", "weight of each of them (default: by the method, or 1 less --task-loss-weight)", o => o.DistillLossWeight, (o, v) => o.DistillLossWeight = v),
        Number("Distillation", "task-loss-weight", "weight of the labels' loss (default: by the first method; 0 for ssld and with --reinforced)", o => o.TaskLossWeight, (o, v) => o.TaskLossWeight = v),
        Number("Distillation", "kd-temperature", "temperature of soft targets (default: 4; 1 with --reinforced)", o => o.KdTemperature, (o, v) => o.KdTemperature = v),
        Text("Distillation", "kd-token-distill-type", "what a distillation token learns: hard (the teacher's class) or soft", o => o.KdTokenDistillType, (o, v) => o.KdTokenDistillType = v),
        Integer("Distillation", "hint-level", "which feature map hint compares, from 0 (finest) or from -1 (last) downwards (default: the middle one)", o => o.HintLevel, (o, v) => o.HintLevel = v),
        Flag("Distillation", "meal-adversarial", "the student of meal-v2 learns to deceive the discriminator; false: both make its loss smaller", o => o.MealAdversarial, (o, v) => o.MealAdversarial = v),
        Texts("Distillation", "peers", "learn in a group with these networks, whose best teach the others (ORC); --teacher is their pivot and learns too", o => o.Peers, (o, v) => o.Peers = v),
        Integer("Distillation", "peers-promoted", "how many of the group teach the others at a time", o => o.PeersPromoted, (o, v) => o.PeersPromoted = v),
        Text("Distillation", "unlabeled", "more images, whose labels are unknown or ignored: a folder of any structure, a .vpk file or a set like --dataset", o => o.Unlabeled, (o, v) => o.Unlabeled = v),
        Text("Distillation", "reinforced", "learn from answers of teachers that `vertebra reinforce` stored in this file", o => o.Reinforced, (o, v) => o.Reinforced = v),

        Text("Run", "recipe", $"begin with a published recipe or a YAML file of one; other flags override it: {string.Join(", ", Recipes.Names)}", o => o.Recipe, (o, v) => o.Recipe = v),
        new("Run", "seed", OptionKind.Integer, "seed of weights, order, crops and dropout", o => [Format(o.Seed)], (o, v) => o.Seed = ParseLong("seed", Single("seed", v))),
        Integer("Run", "log-interval", "batches between progress lines", o => o.LogInterval, (o, v) => o.LogInterval = v),
        Flag("Run", "log-json", "write the numbers of every progress line and epoch to metrics.jsonl too", o => o.LogJson, (o, v) => o.LogJson = v),
        Flag("Run", "tensorboard", "write them to an event file for TensorBoard too", o => o.Tensorboard, (o, v) => o.Tensorboard = v),
        Integer("Run", "val-interval", "epochs between evaluations", o => o.ValInterval, (o, v) => o.ValInterval = v),
        Text("Run", "dist-bn", "several processes: running statistics of batch norms are the mean over them (reduce), or the first one's (broadcast)", o => o.DistBn, (o, v) => o.DistBn = v),
        Flag("Run", "sync-bn", "several processes: batch norms normalise by the statistics of all their batches together", o => o.SyncBn, (o, v) => o.SyncBn = v),
        Integer("Run", "recovery-interval", "updates between saved states inside an epoch (0: by time only)", o => o.RecoveryInterval, (o, v) => o.RecoveryInterval = v),
        Number("Run", "recovery-minutes", "minutes between saved states inside an epoch (0: off)", o => o.RecoveryMinutes, (o, v) => o.RecoveryMinutes = v),
        Text("Run", "eval-metric", "what makes an epoch the best: top1, top5 or loss; with --multi-label map (in the place of top1) or f1", o => o.EvalMetric, (o, v) => o.EvalMetric = v),
        Text("Run", "output", "folder of the run folders (default: runs)", o => o.Output, (o, v) => o.Output = v),
        Text("Run", "experiment", "name of the run folder (default: time, network and image size)", o => o.Experiment, (o, v) => o.Experiment = v),
        Integer("Run", "threads", "threads that compute (default: all processors)", o => o.Threads, (o, v) => o.Threads = v),
    ];

    /// <summary>The option of a command-line name or YAML key; null if there is none.</summary>
    public static TrainingOption? Find(string name) => All.FirstOrDefault(o => o.Key == name.Replace('-', '_'));

    /// <summary>The values as text, one unless the kind is <see cref="OptionKind.Numbers"/> or <see cref="OptionKind.Texts"/>; null when not given.</summary>
    public IReadOnlyList<string>? Get(TrainingOptions options) => _get(options);

    /// <summary>Sets the option from text.</summary>
    /// <exception cref="VertebraException">The text is no value of the option's kind; the message names the flag.</exception>
    public void Set(TrainingOptions options, IReadOnlyList<string> values) => _set(options, values);

    // ---------------------------------------------------------------- kinds

    private static TrainingOption Text(string group, string name, string description, Func<TrainingOptions, string?> get, Action<TrainingOptions, string> set) =>
        new(group, name, OptionKind.Text, description, o => get(o) is { } v ? [v] : null, (o, v) => set(o, Single(name, v)));

    private static TrainingOption Texts(string group, string name, string description, Func<TrainingOptions, IReadOnlyList<string>> get, Action<TrainingOptions, IReadOnlyList<string>> set) =>
        new(group, name, OptionKind.Texts, description, o => get(o) is { Count: > 0 } v ? v : null, set);

    private static TrainingOption Flag(string group, string name, string description, Func<TrainingOptions, bool> get, Action<TrainingOptions, bool> set) =>
        new(group, name, OptionKind.Flag, description, o => [get(o) ? "true" : "false"], (o, v) => set(o, v.Count == 0 || ParseFlag(name, Single(name, v))));

    private static TrainingOption Integer(string group, string name, string description, Func<TrainingOptions, int?> get, Action<TrainingOptions, int> set) =>
        new(group, name, OptionKind.Integer, description, o => get(o) is { } v ? [Format(v)] : null, (o, v) => set(o, checked((int)Math.Clamp(ParseLong(name, Single(name, v)), int.MinValue, int.MaxValue))));

    private static TrainingOption Number(string group, string name, string description, Func<TrainingOptions, double?> get, Action<TrainingOptions, double> set) =>
        new(group, name, OptionKind.Number, description, o => get(o) is { } v ? [Format(v)] : null, (o, v) => set(o, ParseNumber(name, Single(name, v))));

    private static TrainingOption Numbers(string group, string name, string description, Func<TrainingOptions, IReadOnlyList<double>?> get, Action<TrainingOptions, IReadOnlyList<double>> set) =>
        new(group, name, OptionKind.Numbers, description, o => get(o)?.Select(v => Format(v)).ToArray(), (o, v) => set(o, [.. v.Select(text => ParseNumber(name, text))]));

    private static string Single(string name, IReadOnlyList<string> values) =>
        values.Count == 1 ? values[0] : throw new VertebraException($"--{name} takes one value, not {values.Count}");

    private static long ParseLong(string name, string text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? value
        : throw new VertebraException($"--{name}: '{text}' is not a whole number");

    private static double ParseNumber(string name, string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value) ? value
        : throw new VertebraException($"--{name}: '{text}' is not a number");

    private static bool ParseFlag(string name, string text) => text.ToLowerInvariant() switch
    {
        "true" => true,
        "false" => false,
        _ => throw new VertebraException($"--{name}: '{text}' is neither true nor false"),
    };

    private static string Format(long value) => value.ToString(CultureInfo.InvariantCulture);

    // "1.0e-05": YAML 1.1 readers (PyYAML) take an exponent for a number only after a point.
    private static string Format(double value)
    {
        var text = value.ToString("R", CultureInfo.InvariantCulture).Replace('E', 'e');
        var exponent = text.IndexOf('e');
        return exponent < 0 || text.Contains('.') ? text : text.Insert(exponent, ".0");
    }
}
