using System.Collections.Concurrent;
using System.Globalization;

namespace Vertebra.Kernels;

/// <summary>A convolution that <see cref="ConvMethods"/> has several ways for.</summary>
/// <param name="Shape">Its sizes.</param>
/// <param name="Use">The product it is for.</param>
/// <param name="Packs">Whether the weights are packed for each call, as in training.</param>
internal readonly record struct ConvProblem(ConvShape Shape, ConvUse Use, bool Packs)
{
    /// <summary>As it stands in the file of tuned choices; what is 1 as a rule stands there only where it is not.</summary>
    public string Text
    {
        get
        {
            var text = string.Create(CultureInfo.InvariantCulture,
                $"conv {(Use == ConvUse.Forward ? "forward" : "input-gradient")} {(Packs ? "packing" : "packed")} {Shape.N}x{Shape.H}x{Shape.W}x{Shape.C} {Shape.OC}x{Shape.KH}x{Shape.KW} pad {Shape.PadTop},{Shape.PadLeft},{Shape.PadBottom},{Shape.PadRight}");
            var stride = (Shape.StrideH, Shape.StrideW) is (1, 1) ? "" : $" stride {Shape.StrideH}x{Shape.StrideW}";
            var dilation = (Shape.DilationH, Shape.DilationW) is (1, 1) ? "" : $" dilation {Shape.DilationH}x{Shape.DilationW}";
            return text + stride + dilation + (Shape.Groups == 1 ? "" : $" groups {Shape.Groups}");
        }
    }
}

/// <summary>Chooses how a convolution is computed: as it was measured on this machine, or else as <see cref="ConvMethods.Fastest"/> estimates.</summary>
internal static class ConvChoice
{
    private static volatile Memo? s_memo;

    // What the texts of a table mean, for problems that were asked for.
    private sealed class Memo(Tuning.Table table)
    {
        public Tuning.Table Table => table;

        public ConcurrentDictionary<ConvProblem, ConvMethod?> Methods { get; } = [];
    }

    /// <summary>The way to compute it.</summary>
    public static ConvMethod Of(in ConvProblem problem) => Tuned(problem) ?? ConvMethods.Fastest(problem.Shape, problem.Use, problem.Packs);

    /// <summary>The way that was measured to be the fastest; null where none was measured.</summary>
    public static ConvMethod? Tuned(in ConvProblem problem)
    {
        var table = Tuning.Current;
        if (table.IsEmpty || !ConvMethods.HasWinograd(problem.Shape))
            return null;
        if (s_memo is not { } memo || memo.Table != table)
            s_memo = memo = new(table);
        return memo.Methods.GetOrAdd(problem, static (problem, table) => Read(table.Find(problem.Text)), table);
    }

    private static ConvMethod? Read(TunedChoice? choice)
    {
        if (choice is null)
            return null;
        if (Array.IndexOf(Enum.GetNames<ConvMethod>(), choice.Choice) >= 0)
            return Enum.Parse<ConvMethod>(choice.Choice);
        Tuning.Warn($"the tuned choice '{choice.Choice}' for '{choice.Problem}' is unknown here and ignored; run 'vertebra tune' again");
        return null;
    }
}
