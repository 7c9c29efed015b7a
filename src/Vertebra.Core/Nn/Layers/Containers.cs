namespace Vertebra.Nn;

/// <summary>Modules one after another, as children "0", "1", ... or under names of their own.</summary>
public sealed class Sequential : Module
{
    public Sequential(params IEnumerable<Module> modules) : this(modules.Select((module, i) => ($"{i}", module)))
    {
    }

    /// <summary>Modules under the given names.</summary>
    public Sequential(IEnumerable<(string Name, Module Module)> modules)
    {
        foreach (var (name, module) in modules)
            Child(name, module);
    }

    public int Count => Children.Count;

    /// <summary>The module at a position.</summary>
    public Module this[int index] => Children[index].Module;

    protected override Tensor OnForward(Tensor x) => Apply(x, 0, Count);

    // √n pieces of n modules: what is kept between the pieces and what one piece needs are then of a size (Chen et al. 2016).
    private protected override Tensor OnForwardCheckpointed(Tensor x)
    {
        var pieces = (int)Math.Sqrt(Count);
        for (var piece = 0; piece < pieces; piece++)
        {
            var (input, from, to) = (x, piece * Count / pieces, (piece + 1) * Count / pieces);
            x = Checkpointing.Run(() => Apply(input, from, to));
        }
        return x;
    }

    private Tensor Apply(Tensor x, int from, int to)
    {
        for (var i = from; i < to; i++)
            x = this[i].Forward(x);
        return x;
    }
}

/// <summary>Modules that belong together, as children "0", "1", ...; whoever holds the list says how they are applied.</summary>
public sealed class ModuleList<T> : Module where T : Module
{
    private readonly List<T> _modules = [];

    public ModuleList(params IEnumerable<T> modules)
    {
        foreach (var module in modules)
            _modules.Add(Child($"{_modules.Count}", module));
    }

    public IReadOnlyList<T> Modules => _modules;

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a list of modules has no forward of its own; apply its modules");
}

/// <summary>Returns its input: the place of a part that is left out but keeps its name.</summary>
public sealed class Identity : Module
{
    protected override Tensor OnForward(Tensor x) => x;
}
