using System.CommandLine;

namespace Vertebra.Cli.Verbs;

/// <summary>The verbs, in the order that help lists them.</summary>
internal static class VerbList
{
    public static IEnumerable<Command> All() =>
    [
        TrainVerb.Create(),
        DistillVerb.Create(),
        ReinforceVerb.Create(),
        LearningRateVerb.Create(),
        CompareVerb.Create(),
        StudyVerb.Create(),
        AverageVerb.Create(),
        ValidateVerb.Create(),
        ProbeVerb.Create(),
        PackVerb.Create(),
        PredictVerb.Create(),
        ExportVerb.Create(),
        OptimizeVerb.Create(),
        RunVerb.Create(),
        ProfileVerb.Create(),
        DrawVerb.Create(),
        DiffVerb.Create(),
        ModelsVerb.Create(),
        InfoVerb.Create(),
        VerifyVerb.Create(),
        AugmentVerb.Create(),
        BenchVerb.Create(),
        BenchLoaderVerb.Create(),
        MachineVerb.Create(),
        TuneVerb.Create(),
    ];
}
