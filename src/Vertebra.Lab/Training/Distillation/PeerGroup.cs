using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Losses;
using Vertebra.Zoo;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>Makes the networks beside the run's own that no file holds: those of a group, and guides that were never trained.</summary>
internal static class PeerGroup
{
    /// <summary>Before the name of a network that is to teach with its first weights, by nothing but how it is built.</summary>
    public const string Untrained = "untrained:";

    /// <summary>The objective of a group: the teacher is its pivot, and <c>--peers</c> are its students beside the run's network.</summary>
    public static Func<ITrainingLoss, ITrainingObjective> Of(TrainingOptions options, Backbone student, Preprocessing images, Backbone pivot)
    {
        var peers = options.Peers.Select((name, i) => Build(name, student.NumClasses, images, options.Seed + i + 1)).ToList();
        var roles = new RoleChangeOptions
        {
            Promoted = options.PeersPromoted,
            TeacherShare = 1 - options.TaskLossWeight!.Value,
            Temperature = options.KdTemperature!.Value,
        };
        return loss => new RoleChangeObjective(loss, roles, pivot, peers);
    }

    /// <summary>The teacher of <c>--teacher untrained:NAME</c>, as large as the student's images; null where another is named.</summary>
    public static IReadOnlyList<TeacherNetwork>? UntrainedGuide(TrainingOptions options, int classes, Preprocessing images) =>
        options.Teacher!.StartsWith(Untrained, StringComparison.Ordinal)
            ? [new(options.Teacher, Build(options.Teacher[Untrained.Length..], classes, images, options.Seed + 1), images)]
            : null;

    // Another seed than the run's: its network may have the same name.
    private static Backbone Build(string name, int classes, Preprocessing images, long seed)
    {
        var network = Models.Create(name, new()
        {
            NumClasses = classes,
            InChans = images.Channels,
            ImgSize = images.Height == images.Width ? images.Height : null,
        });
        network.Initialise((ulong)seed);
        return network;
    }
}
