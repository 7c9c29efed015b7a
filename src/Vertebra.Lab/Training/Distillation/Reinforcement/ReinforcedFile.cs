using Vertebra.Lab.Data;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// Answers of teachers to several views of every image of a data set, stored once (Faghri et al., "Reinforce data, multiply impact: improved
/// model accuracy and robustness with dataset reinforcement", ICCV 2023), to teach any student by: <see cref="Reinforcer"/> makes such
/// files. An image is varied with the random numbers that it was varied with when the teachers saw it, so that it has the same bits.
/// </summary>
public sealed class ReinforcedFile
{
    private readonly MappedFile _file;
    private readonly ReinforcedHeader _header;
    private readonly ReinforcedFacts _facts;
    private readonly string _path;

    private ReinforcedFile(string path, MappedFile file, ReinforcedHeader header, ReinforcedFacts facts) => (_path, _file, _header, _facts) = (path, file, header, facts);

    /// <summary>What messages call it: teachers, images, views.</summary>
    public string Identity => $"{_path}: answers of {_facts.Teachers} to {_header.Views} views of each of {_header.Count} images, {_header.Kept} of {_header.Classes} probabilities";

    /// <summary>Views of each image.</summary>
    public int Views => _header.Views;

    /// <summary>How images are prepared.</summary>
    public Preprocessing Preprocessing => _facts.Preprocessing;

    /// <summary>Opens a file.</summary>
    /// <exception cref="FileFormatException">It is no file of answers, or header or facts are damaged.</exception>
    /// <exception cref="VertebraException">The file cannot be opened.</exception>
    public static ReinforcedFile Open(string path)
    {
        var file = MappedFile.Open(path);
        var header = ReinforcedHeader.Read(file.Slice(0, (int)Math.Min(ReinforcedHeader.Bytes, file.Length)).Span, file.Length, path);
        var length = header.FileLength - header.FactsOffset;
        if (length > int.MaxValue)
            throw new FileFormatException($"{path}: {length} bytes of facts are too many; store the answers again");
        var facts = file.Slice(header.FactsOffset, (int)length);
        if (Crc32C.Compute(facts.Span) != header.FactsChecksum)
            throw new FileFormatException($"{path}: the facts of the stored answers are damaged; get the file again");
        var read = ReinforcedFacts.Read(facts, path);
        if (read.ClassNames.Count != header.Classes)
            throw new FileFormatException($"{path}: {read.ClassNames.Count} names of {header.Classes} classes; store the answers again");
        return new(path, file, header, read);
    }

    /// <summary>Number of classes.</summary>
    public int Classes => _header.Classes;

    /// <summary>A run's options, with how the stored images were varied in the place of its image options.</summary>
    /// <exception cref="FileFormatException">The file does not say it in options that are known here.</exception>
    public TrainingOptions ImposeOn(TrainingOptions options) => _facts.ImposeOn(options, _path);

    /// <summary>Checks that the answers are for these images.</summary>
    /// <exception cref="VertebraException">They are not.</exception>
    public void Require(IImageDataset data, int classCount)
    {
        if (classCount != _header.Classes)
            throw new VertebraException($"--reinforced {_path} has answers of {_header.Classes} classes, and the network has {classCount}");
        if (data.Count != _header.Count || ReinforcedFacts.FingerprintOf(data) != _facts.Fingerprint)
            throw new VertebraException($"--reinforced {_path} was made for other images ({_facts.Source}) than {data.Identity}: give the same data, --val-split and --seed");
    }

    /// <summary>The random numbers that vary a view of an image.</summary>
    public SampleRandom RandomOf(int view, int index) => new(_header.Seed, view, index);

    /// <summary>Writes the teachers' probabilities of a view of an image.</summary>
    /// <param name="view">The view.</param>
    /// <param name="index">The image.</param>
    /// <param name="probabilities">Receives one for each class; they add up to 1.</param>
    /// <exception cref="FileFormatException">The answer is damaged or missing.</exception>
    public void Read(int view, int index, Span<float> probabilities)
    {
        var offset = ReinforcedHeader.Bytes + ((((long)view * _header.Count) + index) * _header.AnswerBytes);
        if (SparseAnswer.TryRead(_file.Slice(offset, _header.AnswerBytes).Span, probabilities) is { } problem)
            throw new FileFormatException($"{_path}: the answer to view {view} of image {index} {problem}; store the answers again");
        GC.KeepAlive(_file);
    }
}

/// <summary>Stored answers as a run uses them: every epoch shows one view of each image, chosen by the run's seed, the epoch and the image.</summary>
/// <param name="file">The answers.</param>
/// <param name="runSeed">The run's seed.</param>
public sealed class StoredAnswers(ReinforcedFile file, ulong runSeed) : ITeaching
{
    // Upper half of the streams that choose views; the lower half is the epoch.
    private const ulong ViewChoice = 0x76696577_00000000; // "view"

    /// <summary>None: the answers are all there is.</summary>
    public IReadOnlyList<Backbone> Networks => [];

    /// <summary>Which view of an image an epoch shows.</summary>
    public int ViewOf(int epoch, int index) => new Philox(runSeed, ViewChoice | (uint)epoch).Below(file.Views, (ulong)index);

    /// <summary>The random numbers that vary an image in an epoch: those of the view that it shows (<see cref="LoaderOptions.Draw"/>).</summary>
    public SampleRandom Draw(int epoch, int index) => file.RandomOf(ViewOf(epoch, index), index);

    /// <summary>The stored probabilities' logarithms, which are logits of them.</summary>
    /// <inheritdoc/>
    public TeacherAnswers Answer(Batch batch, bool withFeatures)
    {
        var probabilities = new float[batch.Count * file.Classes];
        for (var i = 0; i < batch.Count; i++)
            file.Read(ViewOf(batch.Epoch, batch.Indices[i]), batch.Indices[i], probabilities.AsSpan(i * file.Classes, file.Classes));
        // A probability of 0 has no logarithm; this one is below what a file can tell.
        return new([Tensor.From(probabilities, [batch.Count, file.Classes]).Clamp(1e-12f).Log()], []);
    }
}
