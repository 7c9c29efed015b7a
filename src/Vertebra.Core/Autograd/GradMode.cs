namespace Vertebra.Autograd;

/// <summary>Whether ops applied on this thread are recorded for gradients; they are unless switched off.</summary>
public static class GradMode
{
    [ThreadStatic] private static bool t_disabled;

    public static bool IsEnabled => !t_disabled;

    /// <summary>Records nothing until the returned scope ends: <c>using (GradMode.Off()) ...</c>. Evaluation needs less memory so.</summary>
    public static Scope Off() => Set(enabled: false);

    internal static Scope Set(bool enabled)
    {
        var scope = new Scope(t_disabled);
        t_disabled = !enabled;
        return scope;
    }

    /// <summary>Restores the former mode at its end.</summary>
    public readonly ref struct Scope
    {
        private readonly bool _formerlyDisabled;

        internal Scope(bool formerlyDisabled) => _formerlyDisabled = formerlyDisabled;

        public void Dispose() => t_disabled = _formerlyDisabled;
    }
}
