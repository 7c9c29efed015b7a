using Vertebra.Kernels;
using Vertebra.Tests.Cases;
using Vertebra.Tests.Lab.Training;

namespace Vertebra.Tests;

/// <summary>
/// What tests start as a process of its own. <c>--check-level LEVEL</c> runs all op and kernel cases at an instruction level: exit
/// code 0 when all hold, 1 with the failing ones listed, 3 when the process runs at another level. <c>--train FOLDER [LINES DELAY]</c>
/// trains, or goes on training, a small network, and kills itself so many milliseconds after so many lines; <c>--train-full FOLDER
/// DATA [LINES DELAY]</c> does so with every part of a recipe. <c>--train-memory STEPS</c> trains a network and prints the resident
/// memory after every step.
/// </summary>
public static class Program
{
    public static int Main(string[] args) => args switch
    {
        ["--check-level", var name] when Enum.TryParse<SimdLevel>(name, ignoreCase: true, out var level) => CheckLevel(level),
        ["--train", var folder, .. var death] => TrainingProcess.Train(folder, Death.Parse(death)),
        ["--train-full", var folder, var data, .. var death] => TrainingProcess.TrainFull(folder, data, Death.Parse(death)),
        ["--train-memory", var steps] => TrainingProcess.PrintMemory(int.Parse(steps, System.Globalization.CultureInfo.InvariantCulture)),
        _ => Usage(),
    };

    private static int Usage()
    {
        Console.Error.WriteLine($"usage: --check-level {string.Join('|', Enum.GetNames<SimdLevel>())}, --train FOLDER, --train-full FOLDER DATA or --train-memory STEPS; the tests themselves run with 'dotnet test'");
        return 2;
    }

    private static int CheckLevel(SimdLevel level)
    {
        if (Simd.Level != level)
        {
            Console.Error.WriteLine($"this process runs at {Simd.Level}, not at {level}");
            return 3;
        }
        List<string> failures =
        [
            .. OpChecks.Failures(OpCases.All, OpChecks.Forward),
            .. OpChecks.Failures(OpCases.All.Where(OpChecks.ChecksGradient), OpChecks.Gradient),
            .. KernelFailures(),
        ];
        foreach (var failure in failures)
            Console.Error.WriteLine(failure);
        Console.WriteLine($"{level}: {OpCases.All.Count} op cases, {KernelCases.All().Count()} kernel cases, {failures.Count} failures");
        return failures.Count == 0 ? 0 : 1;
    }

    private static IEnumerable<string> KernelFailures()
    {
        foreach (var (name, check) in KernelCases.All())
        {
            string? failure = null;
            try
            {
                check();
            }
            catch (Exception e)
            {
                failure = $"{name}: {e.GetType().Name} {e.Message}";
            }
            if (failure is not null)
                yield return failure;
        }
    }
}
