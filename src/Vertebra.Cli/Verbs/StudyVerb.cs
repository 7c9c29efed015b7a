using System.CommandLine;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra study WHAT</c>: questions that several runs answer. Adding a study is adding its line here.</summary>
internal static class StudyVerb
{
    public static Command Create() => new("study", "Studies: several runs, made and compared to answer a question.")
    {
        GridStudyVerb.Create(),
        CouplingStudyVerb.Create(),
        OpposingStudyVerb.Create(),
        DepthTransferStudyVerb.Create(),
    };
}
