using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>
/// A part of a network: parameters, buffers and child modules, each named where it is built. Names, shapes and their order
/// are those of the published checkpoints (PyTorch's rule: own parameters, own buffers, then the children in order).
/// </summary>
public abstract class Module
{
    [ThreadStatic] private static List<Module>? t_active;

    private readonly List<(string Name, Module Module)> _children = [];
    private readonly List<ParameterEntry> _parameters = [];
    private readonly List<BufferEntry> _buffers = [];

    /// <summary>True while training: batch statistics, dropout and the like are active. A new module is in evaluation mode.</summary>
    public bool IsTraining { get; private set; }

    /// <summary>True for a part that training leaves as it is, in evaluation mode; see <see cref="Freezing.Freeze"/>.</summary>
    public bool IsFrozen { get; internal set; }

    /// <summary>Whether the backward walk computes this part again, so that its activations need not be kept until then; see <see cref="Checkpointing"/>.</summary>
    public bool IsCheckpointed { get; set; }

    /// <summary>What is made of a result of <see cref="Forward(Tensor)"/> before others see it; null: nothing.</summary>
    internal Func<Tensor, Tensor>? ResultForm { get; set; }

    /// <summary>Direct children with their names, in the order they were built.</summary>
    public IReadOnlyList<(string Name, Module Module)> Children => _children;

    /// <summary>The modules whose <see cref="Forward(Tensor)"/> runs on this thread while a trace is being taken, outermost first.</summary>
    internal static IReadOnlyList<Module> Active => t_active ?? [];

    /// <summary>Applies the module to one tensor.</summary>
    public Tensor Forward(Tensor x)
    {
        using var scope = Enter();
        var result = IsCheckpointed ? OnForwardCheckpointed(x) : OnForward(x);
        result = ResultForm is null ? result : ResultForm(result);
        OpRecording.Current?.Returned(this, result);
        return result;
    }

    /// <summary>What <see cref="Forward(Tensor)"/> is to other entry points, which take more than one tensor.</summary>
    protected Tensor Forward(Func<Tensor> function)
    {
        using var scope = Enter();
        var result = IsCheckpointed ? Checkpointing.Run(function) : function();
        result = ResultForm is null ? result : ResultForm(result);
        OpRecording.Current?.Returned(this, result);
        return result;
    }

    /// <summary>What <see cref="Forward(Tensor)"/> does.</summary>
    protected abstract Tensor OnForward(Tensor x);

    /// <summary>The same where <see cref="IsCheckpointed"/>.</summary>
    private protected virtual Tensor OnForwardCheckpointed(Tensor x) => Checkpointing.Run(() => OnForward(x));

    /// <summary>Marks the ops applied until the returned scope ends as this module's own; for entry points other than <see cref="Forward(Tensor)"/>.</summary>
    protected internal Scope Enter() => new(OpRecording.Current is null ? null : this);

    /// <summary>Switches this module and all below it to training or evaluation; frozen parts stay in evaluation.</summary>
    public Module Train(bool training = true)
    {
        foreach (var (_, module) in NamedModules())
            module.IsTraining = training && !module.IsFrozen;
        return this;
    }

    /// <summary>Switches this module and all below it to evaluation.</summary>
    public Module Eval() => Train(false);

    // ---------------------------------------------------------------- building

    /// <summary>Names a child and returns it.</summary>
    protected T Child<T>(string name, T module) where T : Module
    {
        CheckNewName(name);
        _children.Add((name, module));
        return module;
    }

    /// <summary>Puts another module in the place of the child of that name, in the same mode, and returns it.</summary>
    protected T Replace<T>(string name, T module) where T : Module
    {
        var place = _children.FindIndex(c => c.Name == name);
        if (place < 0)
            throw new ArgumentException($"{GetType().Name} has no child named '{name}'");
        module.Train(_children[place].Module.IsTraining);
        _children[place] = (name, module);
        return module;
    }

    /// <summary>The same, and the module gets a name of its own.</summary>
    protected T Replace<T>(string name, string newName, T module) where T : Module
    {
        CheckNewName(newName);
        Replace(name, module);
        _children[_children.FindIndex(c => c.Name == name)] = (newName, module);
        return module;
    }

    /// <summary>Takes the child of that name out.</summary>
    protected void Remove(string name)
    {
        if (_children.RemoveAll(c => c.Name == name) == 0)
            throw new ArgumentException($"{GetType().Name} has no child named '{name}'");
    }

    /// <summary>Makes a parameter: a tensor that is trained and saved.</summary>
    protected Tensor Parameter(string name, Shape shape, Initialiser initialiser)
    {
        CheckNewName(name);
        var tensor = Construction.Make(shape, initialiser);
        tensor.RequiresGrad = true;
        _parameters.Add(new(name, tensor, initialiser));
        return tensor;
    }

    /// <summary>Names a tensor that is not trained: running statistics, tables. It is saved with the weights if <paramref name="persistent"/>.</summary>
    protected Tensor Buffer(string name, Tensor value, bool persistent = true)
    {
        CheckNewName(name);
        _buffers.Add(new(name, value, persistent));
        return value;
    }

    /// <summary>Takes a tensor that exists as a parameter (when gradients flow to it) or as a buffer.</summary>
    private protected void Adopt(string name, Tensor tensor)
    {
        CheckNewName(name);
        if (tensor.RequiresGrad)
            _parameters.Add(new(name, tensor, static (_, _) => { }));
        else
            _buffers.Add(new(name, tensor, IsPersistent: true));
    }

    private void CheckNewName(string name)
    {
        if (name.Length == 0 || name.Contains('.'))
            throw new ArgumentException($"'{name}' is no name for a part of {GetType().Name}: it must not be empty nor contain a dot");
        if (_children.Any(c => c.Name == name) || _parameters.Any(p => p.Name == name) || _buffers.Any(b => b.Name == name))
            throw new ArgumentException($"{GetType().Name} already has a part named '{name}'");
    }

    // ---------------------------------------------------------------- looking

    /// <summary>This module (under the empty name) and all below it, depth first, with their dotted paths.</summary>
    public IEnumerable<(string Path, Module Module)> NamedModules(string prefix = "")
    {
        yield return (prefix, this);
        foreach (var (name, child) in _children)
        {
            foreach (var entry in child.NamedModules(Join(prefix, name)))
                yield return entry;
        }
    }

    /// <summary>Every parameter below, with its dotted name, in state-dict order; one that several modules share comes once, under its first name.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> NamedParameters() => OwnedParameters().Select(p => (p.Name, p.Entry.Tensor));

    /// <summary>Every buffer below that is saved, with its dotted name, in state-dict order.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> NamedBuffers() =>
        NamedModules().SelectMany(m => m.Module._buffers.Where(b => b.IsPersistent).Select(b => (Join(m.Path, b.Name), b.Tensor)));

    /// <summary>
    /// Everything that is saved, in PyTorch's order: parameters and buffers module by module, shared ones under each of their names. The
    /// tensors are the live ones, not copies.
    /// </summary>
    public IEnumerable<StateEntry> State()
    {
        foreach (var (path, module) in NamedModules())
        {
            foreach (var parameter in module._parameters)
                yield return new(Join(path, parameter.Name), parameter.Tensor, IsParameter: true);
            foreach (var buffer in module._buffers.Where(b => b.IsPersistent))
                yield return new(Join(path, buffer.Name), buffer.Tensor, IsParameter: false);
        }
    }

    /// <summary>The module at a dotted path.</summary>
    /// <exception cref="VertebraException">There is none; the message lists what is there.</exception>
    public Module this[string path]
    {
        get
        {
            var module = this;
            foreach (var name in path.Split('.', StringSplitOptions.RemoveEmptyEntries))
            {
                module = module._children.Find(c => c.Name == name).Module
                    ?? throw new VertebraException($"no module '{path}': below '{module.GetType().Name}' there are {string.Join(", ", module._children.Select(c => c.Name))}");
            }
            return module;
        }
    }

    /// <summary>Total number of elements of all parameters.</summary>
    public long ParameterCount => NamedParameters().Sum(p => p.Tensor.ElementCount);

    /// <summary>
    /// Fills every parameter by its initialiser. Random numbers depend on the seed and the parameter's full name only, so equal
    /// networks get equal weights in whatever order they are built.
    /// </summary>
    public void Initialise(ulong seed)
    {
        foreach (var (name, parameter) in OwnedParameters().Where(p => !p.Entry.Tensor.IsMeta))
        {
            parameter.Initialiser(parameter.Tensor, new Philox(seed, Hashing.Fnv1a(name)));
            parameter.Tensor.MarkWritten();
        }
    }

    /// <summary>Forgets the gradients of all parameters.</summary>
    public void ZeroGrad()
    {
        foreach (var (_, parameter) in NamedParameters())
            parameter.Grad = null;
    }

    private IEnumerable<(string Name, ParameterEntry Entry)> OwnedParameters() =>
        NamedModules().SelectMany(m => m.Module._parameters.Select(p => (Name: Join(m.Path, p.Name), Entry: p))).DistinctBy(p => p.Entry.Tensor);

    private static string Join(string prefix, string name) => prefix.Length == 0 ? name : $"{prefix}.{name}";

    private sealed record ParameterEntry(string Name, Tensor Tensor, Initialiser Initialiser);

    private sealed record BufferEntry(string Name, Tensor Tensor, bool IsPersistent);

    /// <summary>The time during which a module's ops are its own.</summary>
    protected internal readonly ref struct Scope
    {
        private readonly Module? _module;

        internal Scope(Module? module)
        {
            _module = module;
            if (module is not null)
                (t_active ??= []).Add(module);
        }

        public void Dispose()
        {
            if (_module is not null)
                t_active!.RemoveAt(t_active.Count - 1);
        }
    }
}

/// <summary>One saved tensor of a module.</summary>
public readonly record struct StateEntry(string Name, Tensor Tensor, bool IsParameter);
