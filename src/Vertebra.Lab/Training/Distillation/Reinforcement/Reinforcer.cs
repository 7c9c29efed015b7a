using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Zoo.Weights;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>What <see cref="Reinforcer"/> stores.</summary>
public sealed record ReinforceSettings
{
    /// <summary>Views of each image, K.</summary>
    public int Views { get; init; } = 8;

    /// <summary>Probabilities kept of each answer, the largest ones; all where there are fewer classes.</summary>
    public int Kept { get; init; } = 10;

    /// <summary>Checks every value.</summary>
    /// <exception cref="VertebraException">A value is out of range.</exception>
    public void Validate()
    {
        TrainingOptions.Check(Views is >= 1 and <= 10_000, "views", Views, "1 to 10000");
        TrainingOptions.Check(Kept is >= 1 and <= 10_000, "topk", Kept, "1 to 10000");
    }
}

/// <summary>Lets teachers answer to several views of every image once, and stores what they said (Faghri et al., ICCV 2023).</summary>
public static class Reinforcer
{
    /// <summary>Loads data and teachers as options say, and stores the answers. Images are prepared as the first teacher takes them, unless options say otherwise.</summary>
    /// <param name="path">The file to write.</param>
    /// <param name="options">Data set, teachers, seed, batch, and how images are prepared and varied.</param>
    /// <param name="settings">How much is stored.</param>
    /// <param name="note">Told what the user should know.</param>
    /// <param name="progress">Told how far it is: done, of how many, what.</param>
    /// <param name="cancellation">Ends it with <see cref="OperationCanceledException"/>; nothing is left behind.</param>
    /// <exception cref="VertebraException">An option, the data or a teacher is wrong.</exception>
    public static ReinforcedFile Run(
        string path, TrainingOptions options, ReinforceSettings settings, Action<string> note, Action<long, long, string>? progress = null, CancellationToken cancellation = default)
    {
        settings.Validate();
        options = options.WithEffectiveValues();
        var names = options.Teacher ?? throw new VertebraException("which teacher? give --teacher RUN, a run folder, a weight file or a name with published weights");
        var given = new DatasetOptions { ValidationShare = options.ValSplit, Seed = (ulong)options.Seed, Cancellation = cancellation, Progress = progress };
        var data = DatasetFactory.Open(options.Dataset, options.DataDir ?? throw new VertebraException("--data-dir is missing: the images that the teachers are shown"), DatasetSplit.Train, given);
        var settingsOfHub = HubSettings.FromEnvironment();
        var hub = new WeightHub(settingsOfHub with { Offline = settingsOfHub.Offline || options.Offline }) { Note = note };
        var networks = TeacherNetwork.Load(names, data.ClassNames, hub, note, cancellation);
        var preprocessing = TrainingRun.Override(networks[0].Preprocessing, options);
        var teachers = new LiveTeachers([.. networks.Select(n => n.For(preprocessing, data.ClassNames.Count))]);
        Store(path, data, preprocessing, options, teachers, settings, (done, total) => progress?.Invoke(done, total, "answered"), note, cancellation);
        return ReinforcedFile.Open(path);
    }

    /// <summary>Writes a file of answers; under its name stands the old file or the whole new one.</summary>
    /// <param name="path">The file, to be read as <see cref="ReinforcedFile"/>.</param>
    /// <param name="data">Training images.</param>
    /// <param name="preprocessing">How they are prepared, for teachers and later for students.</param>
    /// <param name="options">How they are varied (<see cref="AugmentationOptions"/>), the seed, the batch, and the teachers' names as a note.</param>
    /// <param name="teachers">Who answers; of several the mean of their probabilities.</param>
    /// <param name="settings">How much is stored.</param>
    /// <param name="progress">Told how many answers of how many are there.</param>
    /// <param name="warn">Told which image cannot be read.</param>
    /// <param name="cancellation">Ends it with <see cref="OperationCanceledException"/>; nothing is left behind.</param>
    /// <exception cref="VertebraException">An option is out of range, or the file cannot be written.</exception>
    public static void Store(
        string path, IImageDataset data, Preprocessing preprocessing, TrainingOptions options, LiveTeachers teachers, ReinforceSettings settings,
        Action<long, long>? progress = null, Action<string>? warn = null, CancellationToken cancellation = default)
    {
        settings.Validate();
        options.Validate();
        TrainingOptions.Check(options.AugSplits == 0, "aug-splits", options.AugSplits, "0 where answers are stored");
        var classes = data.ClassNames.Count;
        if (classes is < 2 or > SparseAnswer.MostClasses)
            throw new VertebraException($"{data.Identity}: answers are stored for 2 to {SparseAnswer.MostClasses} classes");
        var header = new ReinforcedHeader(data.Count, settings.Views, Math.Min(settings.Kept, classes), classes, (ulong)options.Seed, 0, 0);
        var facts = new ReinforcedFacts(options.Teacher ?? "", data.Identity, ReinforcedFacts.FingerprintOf(data), data.ClassNames, preprocessing, ReinforcedFacts.ImageOptionsOf(options)).ToBytes();
        var transform = new InputTransform(preprocessing, AugmentationOptions.Of(options, data.Kind, preprocessing));
        var loader = new BatchLoader(data, transform, LoaderOptions.ForEvaluation(options.BatchSize) with
        {
            Workers = options.Workers, Warn = warn, Draw = (view, index) => new SampleRandom((ulong)options.Seed, view, index),
        });
        AtomicFile.Write(path, stream =>
        {
            // Zeros, which are no magic: nothing takes a file that was not finished for one that was.
            stream.Write(new byte[ReinforcedHeader.Bytes]);
            for (var view = 0; view < settings.Views; view++)
                WriteView(stream, header, loader, view, teachers, progress, cancellation);
            stream.Write(facts);
            var length = stream.Position;
            stream.Position = 0;
            stream.Write((header with { FileLength = length, FactsChecksum = Crc32C.Compute(facts) }).ToBytes());
        });
    }

    private static void WriteView(
        Stream stream, ReinforcedHeader header, BatchLoader loader, int view, LiveTeachers teachers, Action<long, long>? progress, CancellationToken cancellation)
    {
        using var off = GradMode.Off();
        var answer = new byte[header.AnswerBytes];
        var written = 0;
        foreach (var batch in loader.Epoch(view, 0, cancellation))
        {
            var probabilities = Probabilities(teachers, batch);
            for (var i = 0; i < batch.Count; i++)
            {
                WriteGap(stream, answer.Length, batch.Indices[i] - written);
                var row = probabilities.AsSpan(i * header.Classes, header.Classes);
                if (row.ContainsAnyExceptInRange(0f, 1.001f))
                    throw new VertebraException($"the teachers' answer to image {batch.Indices[i]} is no distribution: a network among them gives numbers that are not finite");
                SparseAnswer.Write(row, answer);
                stream.Write(answer);
                written = batch.Indices[i] + 1;
            }
            progress?.Invoke(((long)view * header.Count) + written, (long)header.Views * header.Count);
        }
        WriteGap(stream, answer.Length, header.Count - written);
    }

    // Images that cannot be read have no answer.
    private static void WriteGap(Stream stream, int answerBytes, int answers)
    {
        for (var i = 0; i < answers; i++)
            stream.Write(new byte[answerBytes]);
    }

    private static float[] Probabilities(LiveTeachers teachers, Batch batch) =>
        TeacherAnswers.MeanProbabilities(teachers.Answer(batch, withFeatures: false).Logits, temperature: 1).ToArray<float>();
}
