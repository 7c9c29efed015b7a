using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Losses;
using Vertebra.Zoo;
using Vertebra.Zoo.Weights;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>What <see cref="Teaching"/> finds teachers and terms by.</summary>
public sealed record TeachingSetup
{
    /// <summary>The run's options, effective values.</summary>
    public required TrainingOptions Options { get; init; }

    /// <summary>The network that is trained.</summary>
    public required Backbone Student { get; init; }

    /// <summary>How its images are prepared.</summary>
    public required Preprocessing Preprocessing { get; init; }

    /// <summary>Names of the classes, in label order.</summary>
    public required IReadOnlyList<string> ClassNames { get; init; }

    /// <summary>Where published weights come from.</summary>
    public required WeightHub Hub { get; init; }

    /// <summary>Told what the user should know.</summary>
    public required Action<string> Note { get; init; }
}

/// <summary>Makes what a run is taught by of its options.</summary>
public static class Teaching
{
    /// <summary>The objective of a run, of the labels' loss; null where no teacher is asked for.</summary>
    /// <param name="setup">Options, student, classes.</param>
    /// <param name="reinforced">Stored answers in place of teachers; null: teachers.</param>
    /// <param name="cancellation">Stops a download.</param>
    /// <exception cref="VertebraException">A teacher cannot be loaded, or does not fit the student.</exception>
    public static Func<ITrainingLoss, ITrainingObjective>? Of(TeachingSetup setup, ITeaching? reinforced = null, CancellationToken cancellation = default)
    {
        var options = setup.Options;
        if (!options.HasTeacher)
            return null;
        var teaching = reinforced ?? new LiveTeachers(Load(options.Teacher!, setup, cancellation));
        var context = new DistillationContext(options, setup.Student, teaching.Networks, setup.Student.NumClasses);
        var terms = options.Distill.Zip(options.DistillLossWeight!, (n, w) => new WeightedTerm(n, DistillationTerms.Find(n).Make(context), w)).ToList();
        return loss => new DistillationObjective(loss, options.TaskLossWeight!.Value, terms, teaching);
    }

    /// <summary>The teachers that a list of names, separated by commas, means.</summary>
    /// <param name="names">Run folders, weight files, names with published weights.</param>
    /// <param name="setup">Student and classes that they must fit.</param>
    /// <param name="cancellation">Stops a download.</param>
    /// <exception cref="VertebraException">One cannot be loaded, or has other classes or channels.</exception>
    public static IReadOnlyList<Teacher> Load(string names, TeachingSetup setup, CancellationToken cancellation = default)
    {
        var list = names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return list.Length > 0 ? [.. list.Select(n => LoadOne(n, setup, cancellation))] : throw new VertebraException("--teacher names no network");
    }

    private static Teacher LoadOne(string name, TeachingSetup setup, CancellationToken cancellation)
    {
        var (weights, description) = Pretrained.Find(name, setup.Hub, cancellation);
        var network = NetworkFiles.Load(description, weights, null, line => setup.Note($"teacher {name}: {line}"));
        var own = NetworkPreprocessing.Of(network.Description.Config, name).WithChannels(network.InChans);
        var classes = setup.Student.NumClasses;
        if (network.NumClasses != classes)
            throw new VertebraException($"--teacher {name} knows {network.NumClasses} classes and the student {classes}: train it on these classes first, as with vertebra train --model {network.Description.Architecture} --pretrained");
        if (own.Channels != setup.Preprocessing.Channels)
            throw new VertebraException($"--teacher {name} takes images of {own.Channels} channels and the student of {setup.Preprocessing.Channels}: give --in-chans {own.Channels}");
        var labels = network.Description.LabelNames;
        if (labels.Count == setup.ClassNames.Count && !labels.SequenceEqual(setup.ClassNames))
            setup.Note($"--teacher {name} calls its classes {string.Join(", ", labels.Take(5))}... and the data {string.Join(", ", setup.ClassNames.Take(5))}...: it must have learned them in this order");
        return new(network, own, setup.Preprocessing);
    }
}
