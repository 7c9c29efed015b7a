using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Losses;
using Vertebra.Zoo;
using Vertebra.Zoo.Weights;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>A teacher's network and how images are prepared for it.</summary>
public sealed record TeacherNetwork(string Name, Backbone Network, Preprocessing Preprocessing)
{
    /// <summary>Loads the networks that a list of names, separated by commas, means.</summary>
    /// <param name="names">Run folders, weight files, names with published weights.</param>
    /// <param name="classNames">Names of the classes that they must know, in label order.</param>
    /// <param name="hub">Where published weights come from.</param>
    /// <param name="note">Told what the user should know.</param>
    /// <param name="cancellation">Stops a download.</param>
    /// <exception cref="VertebraException">One cannot be loaded, or two know different numbers of classes.</exception>
    public static IReadOnlyList<TeacherNetwork> Load(string names, IReadOnlyList<string> classNames, WeightHub hub, Action<string> note, CancellationToken cancellation = default)
    {
        var list = names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return list.Length > 0 ? [.. list.Select(n => LoadOne(n, classNames, hub, note, cancellation))] : throw new VertebraException("--teacher names no network");
    }

    private static TeacherNetwork LoadOne(string name, IReadOnlyList<string> classNames, WeightHub hub, Action<string> note, CancellationToken cancellation)
    {
        if (!Pretrained.IsSource(name) && !File.Exists(name) && !Directory.Exists(name) && Models.TryFind(name) is null)
            throw new VertebraException($"--teacher {name}: there is no such file, run folder or network");
        if (File.Exists(name) && NetworkFiles.DescriptionOf(name) is null)
            throw new VertebraException($"--teacher {name}: there is no {NetworkFiles.ConfigName} beside the weights, which would say what network they are for");
        var (weights, description) = Pretrained.Find(name, hub, cancellation);
        var network = NetworkFiles.Load(description, weights, null, line => note($"teacher {name}: {line}"));
        var labels = network.Description.LabelNames;
        if (labels.Count == classNames.Count && !labels.SequenceEqual(classNames))
            note($"--teacher {name} calls its classes {string.Join(", ", labels.Take(5))}... and the data {string.Join(", ", classNames.Take(5))}...: it must have learned them in this order");
        return new(name, network, NetworkPreprocessing.Of(network.Description.Config, name).WithChannels(network.InChans));
    }

    /// <summary>The teacher, to be shown images that are prepared for a student.</summary>
    /// <param name="student">How they are prepared.</param>
    /// <param name="classCount">Classes of the student.</param>
    /// <exception cref="VertebraException">It knows other classes, or takes images of other channels.</exception>
    public Teacher For(Preprocessing student, int classCount)
    {
        if (Network.NumClasses != classCount)
            throw new VertebraException($"--teacher {Name} knows {Network.NumClasses} classes and the student {classCount}: train it on these classes first, as with vertebra train --model {Network.Description.Architecture} --pretrained");
        if (Preprocessing.Channels != student.Channels)
            throw new VertebraException($"--teacher {Name} takes images of {Preprocessing.Channels} channels and the student of {student.Channels}: give --in-chans {Preprocessing.Channels}");
        return new(Network, Preprocessing, student);
    }
}

/// <summary>Makes what a run is taught by of its options.</summary>
public static class Teaching
{
    /// <summary>What makes the objective of a run of its labels' loss.</summary>
    /// <param name="options">The run's options, effective values, with a teacher.</param>
    /// <param name="student">The network that is trained.</param>
    /// <param name="images">How its images are prepared.</param>
    /// <param name="teaching">Who answers.</param>
    /// <exception cref="VertebraException">A method does not fit these networks.</exception>
    public static Func<ITrainingLoss, ITrainingObjective> ObjectiveOf(TrainingOptions options, Backbone student, Preprocessing images, ITeaching teaching)
    {
        if (options.Peers.Count > 0)
            return PeerGroup.Of(options, student, images, teaching.Networks[0]);
        if (options.Distill.FirstOrDefault(n => DistillationTerms.Find(n).TakesOneTeacher) is { } single && teaching.Networks.Count != 1)
            throw new VertebraException($"--distill {single} takes one teacher, and --teacher names {teaching.Networks.Count}");
        var context = new DistillationContext(options, student, teaching.Networks, student.NumClasses)
        {
            StudentImages = [1, images.Height, images.Width, images.Channels],
            TeacherImages = teaching.Images,
        };
        var terms = options.Distill.Zip(options.DistillLossWeight!, (n, w) => new WeightedTerm(n, DistillationTerms.Find(n).Make(context), w)).ToList();
        return loss => new DistillationObjective(loss, options.TaskLossWeight!.Value, terms, teaching);
    }
}
