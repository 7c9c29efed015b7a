namespace Vertebra.Graphs.Profiling;

/// <summary>Measured nodes under a machine's ceilings: which of the network is bound by arithmetic, which by memory.</summary>
public sealed class Roofline
{
    /// <summary>Places every node of a measured profile.</summary>
    /// <exception cref="ArgumentException">The profile has no times.</exception>
    public Roofline(GraphProfile profile, MachineSpeed machine)
    {
        if (profile.TotalMilliseconds is null)
            throw new ArgumentException("the profile has no times; use GraphProfile.Measure", nameof(profile));
        (Profile, Machine) = (profile, machine);
        foreach (var node in profile.Nodes)
        {
            ref var side = ref IsBoundByArithmetic(node) ? ref _arithmetic : ref _memory;
            side = (side.Milliseconds + node.Cost.Milliseconds!.Value, side.Macs + node.Cost.Macs);
            LeastMilliseconds += machine.LeastMilliseconds(node.Cost.Macs, node.Cost.Bytes);
        }
    }

    private (double Milliseconds, long Macs) _arithmetic;
    private (double Milliseconds, long Macs) _memory;

    public GraphProfile Profile { get; }

    public MachineSpeed Machine { get; }

    /// <summary>Time that the ceilings alone would take, node by node.</summary>
    public double LeastMilliseconds { get; }

    /// <summary>Share of the measured time in nodes bound by arithmetic, 0 to 1.</summary>
    public double ArithmeticTimeShare => Share(_arithmetic.Milliseconds, _memory.Milliseconds);

    /// <summary>Share of the multiply-accumulates in nodes bound by arithmetic, 0 to 1.</summary>
    public double ArithmeticMacShare => Share(_arithmetic.Macs, _memory.Macs);

    /// <summary>True when the node has so much arithmetic per byte that memory could keep up.</summary>
    public bool IsBoundByArithmetic(NodeProfile node) => node.Cost.Intensity >= Machine.Ridge;

    /// <summary>One sentence for people.</summary>
    public string Verdict => FormattableString.Invariant($"{100 * ArithmeticTimeShare:0} % of the time goes to nodes bound by arithmetic ({100 * ArithmeticMacShare:0} % of the multiply-accumulates), {100 * (1 - ArithmeticTimeShare):0} % to nodes bound by memory: the network is bound by {(ArithmeticTimeShare >= 0.5 ? "arithmetic" : "memory")}");

    private static double Share(double part, double rest) => part + rest == 0 ? 0 : part / (part + rest);
}
