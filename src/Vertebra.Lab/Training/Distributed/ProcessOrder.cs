using System.Text;
using Vertebra.Communication;

namespace Vertebra.Lab.Training.Distributed;

/// <summary>What one process must do before the others: generate data, download weights, make a folder.</summary>
public static class ProcessOrder
{
    /// <summary>Makes something in the first process, and then in the others, which are told a word of it.</summary>
    /// <param name="processes">The processes; null: this one alone.</param>
    /// <param name="make">Given null in the first process, the word in the others.</param>
    /// <param name="word">What the others are to know.</param>
    internal static T FirstThenOthers<T>(IProcessGroup? processes, Func<string?, T> make, Func<T, string> word)
    {
        if (processes is { Rank: > 0 })
            return make(Encoding.UTF8.GetString(processes.Gather([])[0]));
        var made = make(null);
        processes?.Gather(Encoding.UTF8.GetBytes(word(made)));
        return made;
    }

    /// <summary>
    /// How many threads a process should compute with: its processors, divided among the processes that have the same ones. Launchers
    /// may give each process its own, or all of them the machine.
    /// </summary>
    /// <param name="processes">The processes, each of which calls this.</param>
    public static int Threads(IProcessGroup processes) => Threads(processes, Environment.ProcessorCount, Place());

    internal static int Threads(IProcessGroup processes, int processors, string place)
    {
        var own = Encoding.UTF8.GetBytes(place);
        return Math.Max(1, processors / processes.Gather(own).Count(p => p.AsSpan().SequenceEqual(own)));
    }

    /// <summary>The machine, and as far as the system tells which of its processors this process has.</summary>
    private static string Place()
    {
        const string Status = "/proc/self/status";
        var allowed = File.Exists(Status) ? File.ReadLines(Status).FirstOrDefault(l => l.StartsWith("Cpus_allowed_list", StringComparison.Ordinal)) : null;
        return $"{Environment.MachineName} {allowed}";
    }
}
