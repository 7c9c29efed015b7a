namespace Vertebra.Ops;

/// <summary>
/// Whether eager products and convolutions on this thread keep a copy of their weights, packed for the kernels, for the next call; they do
/// unless switched off. Compiled graphs keep the packed form alone either way.
/// </summary>
public static class WeightPacking
{
    [ThreadStatic] private static bool t_off;

    internal static bool IsKept => !t_off;

    /// <summary>
    /// Keeps none until the returned scope ends: <c>using (WeightPacking.Off()) ...</c>. A network then needs the memory of its weights once
    /// instead of twice, and packs them at every call.
    /// </summary>
    public static Scope Off() => Set(isKept: false);

    internal static Scope Set(bool isKept)
    {
        var scope = new Scope(t_off);
        t_off = !isKept;
        return scope;
    }

    /// <summary>Restores the former state at its end.</summary>
    public readonly ref struct Scope
    {
        private readonly bool _formerlyOff;

        internal Scope(bool formerlyOff) => _formerlyOff = formerlyOff;

        public void Dispose() => t_off = _formerlyOff;
    }
}
