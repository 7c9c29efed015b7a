namespace Vertebra.Nn;

/// <summary>
/// Where the random draws of a training step come from. The trainer opens a scope for every step; within it the n-th draw
/// depends on the seed, the step and n only, so a resumed run draws what an uninterrupted one would have drawn.
/// </summary>
public static class TrainingRandom
{
    private const int DrawBits = 20;

    // Keeps these streams apart from those of initialisation and of image augmentation under the same seed.
    private const ulong Purpose = 0x64726F706F757421;

    [ThreadStatic] private static ulong t_seed;
    [ThreadStatic] private static ulong t_step;
    [ThreadStatic] private static ulong t_draws;
    [ThreadStatic] private static bool t_isOpen;
    private static long s_outside;

    /// <summary>Until the scope ends, draws on this thread belong to this seed and step.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="step">Number of the training step, below 2^44.</param>
    public static Scope Begin(ulong seed, long step)
    {
        if (step is < 0 or >= 1L << (64 - DrawBits))
            throw new ArgumentOutOfRangeException(nameof(step), step, null);
        var former = new Scope(t_isOpen, t_seed, t_step, t_draws);
        (t_isOpen, t_seed, t_step, t_draws) = (true, seed, (ulong)step, 0);
        return former;
    }

    /// <summary>Where the draws of this thread have got to, for <see cref="Return"/>; null outside any scope, where none can be repeated.</summary>
    internal static Place? Here => t_isOpen ? new(t_seed, t_step, t_draws) : null;

    /// <summary>Until the scope ends, draws on this thread are those that followed a place.</summary>
    internal static Scope Return(Place place)
    {
        var former = new Scope(t_isOpen, t_seed, t_step, t_draws);
        (t_isOpen, t_seed, t_step, t_draws) = (true, place.Seed, place.Step, place.Draws);
        return former;
    }

    /// <summary>Seed and stream of the next draw. Outside any scope every draw of the process is another one, in order.</summary>
    public static (ulong Seed, ulong Stream) Next()
    {
        if (!t_isOpen)
            return (Purpose, (ulong)Interlocked.Increment(ref s_outside));
        if (t_draws >> DrawBits != 0)
            throw new InvalidOperationException("more than a million random draws in one training step");
        return (t_seed ^ Purpose, (t_step << DrawBits) | t_draws++);
    }

    /// <summary>A place in a step's draws.</summary>
    internal readonly record struct Place(ulong Seed, ulong Step, ulong Draws);

    /// <summary>Restores the former source at its end.</summary>
    public readonly ref struct Scope
    {
        private readonly bool _wasOpen;
        private readonly ulong _seed;
        private readonly ulong _step;
        private readonly ulong _draws;

        internal Scope(bool wasOpen, ulong seed, ulong step, ulong draws) => (_wasOpen, _seed, _step, _draws) = (wasOpen, seed, step, draws);

        public void Dispose() => (t_isOpen, t_seed, t_step, t_draws) = (_wasOpen, _seed, _step, _draws);
    }
}
