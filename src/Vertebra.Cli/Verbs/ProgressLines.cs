using System.Diagnostics;
using Vertebra.Lab.Training;

namespace Vertebra.Cli.Verbs;

/// <summary>Progress of work that may be short: a line on standard error every few seconds, of how far it is and how long it takes yet.</summary>
internal static class ProgressLines
{
    private const double SecondsBetween = 5;

    /// <summary>Starts the clock; the result takes what is done, of how many, and what.</summary>
    public static Action<long, long, string> Begin()
    {
        var clock = Stopwatch.StartNew();
        var last = 0.0;
        return (done, total, what) =>
        {
            var now = clock.Elapsed.TotalSeconds;
            if (now - last < SecondsBetween)
                return;
            last = now;
            Console.Error.WriteLine($"{what}: {done} of {total}, {LineProgress.Time(TimeSpan.FromSeconds(now * (total - done) / Math.Max(1, done)))} left");
        };
    }
}
