using Vertebra.Communication;
using Vertebra.Graphs;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Adversarial;
using Vertebra.Lab.Training.Distillation;
using Vertebra.Lab.Training.Distributed;
using Vertebra.Lab.Training.Logging;
using Vertebra.Lab.Training.Losses;
using Vertebra.Nn;
using Vertebra.Zoo;
using Vertebra.Zoo.Weights;

namespace Vertebra.Lab.Training;

/// <summary>
/// One training run put together from its options: data, network, loaders, folder. What the options leave open follows from
/// the data set and the network.
/// </summary>
public sealed class TrainingRun
{
    private readonly BatchLoader _training;
    private readonly BatchLoader _validation;
    private readonly ReinforcedFile? _reinforced;
    private readonly Func<ITrainingLoss, ITrainingObjective>? _objective;
    private readonly IProcessGroup? _processes;

    private TrainingRun(
        TrainingOptions options, RunFolder? folder, bool isResumed, IProcessGroup? processes, Action<string> note, Action<long, long, string>? progress, CancellationToken cancellation)
    {
        _reinforced = options.Reinforced is { } file ? ReinforcedFile.Open(file) : null;
        options = _reinforced?.ImposeOn(options) ?? options;
        (Options, IsResumed, _processes) = (options, isResumed, processes);
        // Before any data is made or read.
        var (weights, description) = FindNetwork(folder, note, progress, cancellation);
        var dataOptions = new DatasetOptions { ValidationShare = options.ValSplit, Seed = (ulong)options.Seed, Progress = progress, Cancellation = cancellation };
        var directory = options.DataDir ?? (options.Dataset == "shapes" ? "data" : throw new VertebraException($"--dataset {options.Dataset} needs --data-dir, the place of its files"));
        TrainingData = Limited(DatasetFactory.Open(options.Dataset, directory, DatasetSplit.Train, dataOptions), options.TrainLimit);
        if (options.Unlabeled is { } unlabelled)
            TrainingData = new PooledDataset(TrainingData, UnlabelledImages.Open(unlabelled, options.Dataset));
        ValidationData = DatasetFactory.Open(options.Dataset, directory, DatasetSplit.Validation, dataOptions);
        (Network, Preprocessing) = BuildNetwork(weights, description, note);
        var teaching = options.HasTeacher ? FindTeachers(note, progress, cancellation) : null;
        TrainingPreprocessing = PreprocessingForTraining();
        _objective = teaching is not null ? Teaching.ObjectiveOf(options, Network, TrainingPreprocessing, teaching)
            : Network.Goodness is not null ? loss => new LocalObjective(loss)
            : ConcurrentAdversarial.Of(options, Network, Preprocessing);
        var share = processes is null ? LoaderShare.All : new(processes.Rank, processes.Count);
        _training = new(TrainingData, new(TrainingPreprocessing, AugmentationOptions.Of(options, TrainingData.Kind, TrainingPreprocessing)),
            LoaderOptions.ForTraining(options.BatchSize, (ulong)options.Seed) with
            {
                Repeats = Math.Max(1, options.AugRepeats),
                Sampling = options.Sampling,
                Workers = options.Workers,
                Warn = note,
                Share = share,
                Draw = teaching is StoredAnswers stored ? stored.Draw : null,
            });
        _validation = new(ValidationData, new(Preprocessing),
            LoaderOptions.ForEvaluation(options.ValidationBatchSize ?? options.BatchSize) with { Workers = options.Workers, Warn = note, Share = share });
        // Last, so that a wrong option or missing data leave no folder behind.
        Folder = folder ?? RunFolder.Create(options.Output ?? "runs", options.Experiment ?? RunFolder.NameFor(DateTime.Now, options.Model, Preprocessing.Width));
    }

    public TrainingOptions Options { get; }

    public RunFolder Folder { get; }

    /// <summary>True when the folder's state is gone on with.</summary>
    public bool IsResumed { get; }

    public IImageDataset TrainingData { get; }

    public IImageDataset ValidationData { get; }

    public Backbone Network { get; }

    /// <summary>How images are prepared for evaluation, and from now on for these weights.</summary>
    public Preprocessing Preprocessing { get; }

    /// <summary>Size and normalisation of training images: those of <see cref="Preprocessing"/>, at <c>--train-img-size</c> where that is given.</summary>
    public Preprocessing TrainingPreprocessing { get; }

    /// <summary>Multiply-accumulates for one image.</summary>
    public long Macs => Graph.Trace(Network, [1, Preprocessing.Height, Preprocessing.Width, Preprocessing.Channels]).Macs;

    /// <summary>Training images that could not be read so far.</summary>
    public int BrokenTrainingImages => _training.BrokenCount;

    /// <summary>Validation images that could not be read so far.</summary>
    public int BrokenValidationImages => _validation.BrokenCount;

    /// <summary>Sets a new run up, in a new folder.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="note">Told what the user should know: adapted weights, broken images.</param>
    /// <param name="progress">Told how far a long preparation of data is.</param>
    /// <param name="cancellation">Stops such a preparation.</param>
    /// <param name="processes">The processes that train together, each of which calls this; null: this one alone.</param>
    /// <exception cref="VertebraException">An option, the data or a checkpoint is wrong; no folder is made then.</exception>
    public static TrainingRun Start(
        TrainingOptions options, Action<string> note, Action<long, long, string>? progress = null, CancellationToken cancellation = default, IProcessGroup? processes = null)
    {
        options.Validate();
        if (processes is not { Rank: > 0 } && !options.Pretrained && OptimizerCoupling.NoteFor(options.Model, options.Opt) is { } coupling)
            note(coupling);
        var effective = options.WithEffectiveValues(processes?.Count ?? 1);
        return ProcessOrder.FirstThenOthers(
            processes, folder => new TrainingRun(effective, folder is null ? null : RunFolder.Of(folder), isResumed: false, processes, note, progress, cancellation), run => run.Folder.Path);
    }

    /// <summary>Sets up what a run's folder says, to go on from its state.</summary>
    /// <param name="path">The run's folder.</param>
    /// <param name="note">Told what the user should know.</param>
    /// <param name="cancellation">Stops the preparation.</param>
    /// <param name="processes">The processes that train together, as many as before; each calls this, and sees the folder.</param>
    /// <exception cref="VertebraException">The folder is no run, or its data are gone.</exception>
    public static TrainingRun Resume(string path, Action<string> note, CancellationToken cancellation = default, IProcessGroup? processes = null) =>
        ProcessOrder.FirstThenOthers(processes, opened => GoOn(opened is null ? RunFolder.Open(path) : RunFolder.Of(opened), note, cancellation, processes), run => run.Folder.Path);

    private static TrainingRun GoOn(RunFolder folder, Action<string> note, CancellationToken cancellation, IProcessGroup? processes)
    {
        var options = new TrainingOptions();
        ArgsFile.ReadFile(folder.Args, options);
        return new(options.WithEffectiveValues(processes?.Count ?? 1), folder, isResumed: true, processes, note, null, cancellation);
    }

    /// <summary>Trains to the end, or until cancellation is asked for; then the state is saved and <see cref="Resume"/> goes on.</summary>
    public TrainingResult Run(ITrainingProgress progress, CancellationToken cancellation) =>
        new Trainer(Setup(_processes is { Rank: > 0 } ? NoProgress.Instance : RunLogs.Around(progress, Options, Folder, _training.BatchesPerEpoch, IsResumed))).Run(cancellation);

    /// <summary>Finds the learning rates that this run could have, in its place: see <see cref="RangeTest"/>.</summary>
    public RangeTest TestRates(RangeTestSettings settings, ITrainingProgress progress, CancellationToken cancellation) =>
        new Trainer(Setup(progress)).TestRates(settings, cancellation);

    private TrainerSetup Setup(ITrainingProgress progress) => new()
    {
        Network = Network,
        ClassCount = Network.NumClasses,
        Training = _training,
        Validation = _validation,
        Options = Options,
        Folder = Folder,
        Config = Description.ToJson(),
        Objective = _objective,
        Progress = progress,
        Processes = _processes,
    };

    /// <summary>Name, options, preprocessing and class names: what goes beside the weights.</summary>
    public NetworkDescription Description => Network.Description with
    {
        Options = Network.Description.Options with { NumClasses = Network.NumClasses, InChans = Network.InChans },
        Config = Network.Description.Config.With(Preprocessing),
        LabelNames = TrainingData.ClassNames,
        IsMultiLabel = Options.MultiLabel,
    };

    private static IImageDataset Limited(IImageDataset data, int? limit) => limit is { } count ? SubsetDataset.Balanced(data, count, "--train-limit") : data;

    // A resumed run has its weights in its state and needs none from elsewhere.
    private (string? Weights, NetworkDescription Description) FindNetwork(RunFolder? folder, Action<string> note, Action<long, long, string>? progress, CancellationToken cancellation)
    {
        var isSource = Pretrained.IsSource(Options.Model);
        if (Options.Pretrained && Options.InitialCheckpoint is not null)
            throw new VertebraException("--pretrained and --initial-checkpoint both say which weights to start from: give one of them");
        if (IsResumed && isSource)
            return (null, NetworkFiles.ReadDescription(folder!.Config));
        var hub = Hub(note, progress);
        if (!IsResumed && (Options.Pretrained || isSource))
            return Pretrained.Find(Options.Model, hub, cancellation);
        var description = Options.Pretrained ? Pretrained.Published(Options.Model) : new(Options.Model, new(), Models.Find(Options.Model).Config);
        if (Options.InitialCheckpoint is not { } path)
            return (null, description);
        var weights = Pretrained.IsSource(path) ? Pretrained.Find(path, hub, cancellation).Weights : NetworkFiles.WeightsIn(path);
        return (weights, NetworkFiles.DescriptionOf(weights) is { } given ? description with { Config = given.Config } : description);
    }

    private WeightHub Hub(Action<string> note, Action<long, long, string>? progress)
    {
        var settings = HubSettings.FromEnvironment();
        return new(settings with { Offline = settings.Offline || Options.Offline })
        {
            Note = note,
            Progress = p => progress?.Invoke(p.Done, p.Total ?? 0, p.What),
        };
    }

    private ITeaching FindTeachers(Action<string> note, Action<long, long, string>? progress, CancellationToken cancellation)
    {
        if (_reinforced is null)
        {
            var networks = PeerGroup.UntrainedGuide(Options, Network.NumClasses, Preprocessing) ?? TeacherNetwork.Load(Options.Teacher!, TrainingData.ClassNames, Hub(note, progress), note, cancellation);
            return new LiveTeachers([.. networks.Select(t => t.For(Preprocessing, Network.NumClasses))]);
        }
        _reinforced.Require(TrainingData, Network.NumClasses);
        note($"{_reinforced.Identity}; images are prepared and varied as they were for these answers");
        return new StoredAnswers(_reinforced, (ulong)Options.Seed);
    }

    private (Backbone Network, Preprocessing Preprocessing) BuildNetwork(string? weights, NetworkDescription description, Action<string> note)
    {
        // Weights want the images they were trained on; photos take what the network is meant for; small sets are used whole.
        var hasOwn = weights is not null || Options.InitialCheckpoint is not null || Options.Pretrained || Pretrained.IsSource(Options.Model);
        var preprocessing = hasOwn || TrainingData.Kind == "folder" ? NetworkPreprocessing.Of(description.Config, Options.Model) : TrainingData.Preprocessing;
        preprocessing = _reinforced?.Preprocessing ?? Override(preprocessing.WithChannels(Options.InChans ?? preprocessing.Channels), Options);
        var classes = Options.NumClasses ?? TrainingData.ClassNames.Count;
        if (classes < TrainingData.ClassNames.Count)
            throw new VertebraException($"--num-classes {classes} is less than the {TrainingData.ClassNames.Count} classes of {TrainingData.Identity}");
        if (classes != TrainingData.ClassNames.Count && Options.MultiLabel)
            throw new VertebraException($"--num-classes {classes} must be the {TrainingData.ClassNames.Count} classes of {TrainingData.Identity} with --multi-label: leave it out");
        var network = NetworkFiles.Build(description, new ModelOptions
        {
            NumClasses = classes,
            InChans = preprocessing.Channels,
            DropRate = (float)Options.Drop,
            DropPathRate = (float)Options.DropPath,
            DropBlockRate = (float)Options.DropBlock,
            Parameterisation = Options.Parameterisation,
            LocalLearning = Options.LocalLearning,
            WeightStandardise = Options.WeightStandardise,
            Head = Options.Head,
            HeadScale = (float?)Options.HeadScale,
            DropBlockSkip = Options.DropBlockSkip,
            OutputStride = Options.OutputStride,
            ImgSize = preprocessing.Height == preprocessing.Width ? preprocessing.Height : null,
            GlobalPool = Options.GlobalPool is { } pool ? GlobalPools.Parse(pool) : null,
        });
        network.Initialise((ulong)Options.Seed);
        if (weights is not null && !IsResumed)
        {
            foreach (var adapted in network.LoadPretrained(Checkpoint.Read(weights).Tensors, weights))
                note(adapted);
        }
        if (FineTuning.ParseFreezeBody(Options.FreezeBody) is { } body)
            note($"{network.FreezeBody(body.Layers)} of {network.NamedParameters().Count()} parameters are frozen, those of the body");
        if (Options.Freeze.Count > 0)
            note($"{network.Freeze([.. Options.Freeze])} of {network.NamedParameters().Count()} parameters are frozen");
        if (Options.GradCheckpointing)
            note($"{network.SetGradCheckpointing()} modules are computed again for their gradients");
        return (network, preprocessing);
    }

    /// <summary>The same at another size, if the network takes both.</summary>
    private Preprocessing PreprocessingForTraining()
    {
        if (Options.TrainImgSize is not { } side || (side == Preprocessing.Height && side == Preprocessing.Width))
            return Preprocessing;
        try
        {
            _ = Graph.Trace(Network, [1, side, side, Preprocessing.Channels]);
        }
        catch (VertebraException e)
        {
            throw new VertebraException(
                $"--train-img-size {side}: {Options.Model} is built for images of one size, {Preprocessing.Height}x{Preprocessing.Width}, and cannot be trained at another ({e.Message}); leave it out, or give both by --img-size", e);
        }
        return Preprocessing.WithSize(side);
    }

    /// <summary>A preprocessing with what the options say in its place.</summary>
    internal static Preprocessing Override(Preprocessing preprocessing, TrainingOptions options)
    {
        if (options.ImgSize is { } size)
            preprocessing = preprocessing.WithSize(size);
        if (options.Mean is { } mean)
            preprocessing = preprocessing with { Mean = mean };
        if (options.Std is { } std)
            preprocessing = preprocessing with { Std = std };
        if (options.CropPct is { } cropPct)
            preprocessing = preprocessing with { CropPct = cropPct };
        if (options.Interpolation is { } interpolation)
            preprocessing = preprocessing with { Interpolation = NetworkPreprocessing.Filter(interpolation, "--interpolation") };
        return preprocessing.Validate("training options");
    }
}
