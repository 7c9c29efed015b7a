using System.Globalization;

namespace Vertebra.Communication;

/// <summary>Who started this process as one of several, by the variables that launchers set.</summary>
/// <param name="Name">What messages call it.</param>
/// <param name="Count">How many processes it started.</param>
/// <param name="IsOpenMpi">Open MPI's own; the others talk to any MPI that speaks PMI.</param>
internal sealed record MpiLauncher(string Name, int Count, bool IsOpenMpi)
{
    private static readonly (string Variable, string Needs, string Name, bool IsOpenMpi)[] Known =
    [
        ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "Open MPI's mpirun", true),
        ("PMI_SIZE", "PMI_RANK", "mpirun (PMI)", false),
        ("SLURM_NTASKS", "PMIX_RANK", "srun (PMIx)", true),
    ];

    /// <summary>The launcher; null for a process that stands alone.</summary>
    /// <param name="variable">Gives the value of an environment variable, or null.</param>
    public static MpiLauncher? Find(Func<string, string?> variable)
    {
        foreach (var (count, rank, name, isOpenMpi) in Known)
        {
            if (variable(rank) is not null && int.TryParse(variable(count), NumberStyles.None, CultureInfo.InvariantCulture, out var processes))
                return processes > 1 ? new(name, processes, isOpenMpi) : null;
        }
        return null;
    }
}
