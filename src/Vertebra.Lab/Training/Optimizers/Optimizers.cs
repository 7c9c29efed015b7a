namespace Vertebra.Lab.Training;

/// <summary>A row of <see cref="Optimizers"/>.</summary>
/// <param name="Name">As <c>--opt</c> has it.</param>
/// <param name="Rate">Learning rate at a batch of 256 where none is given.</param>
/// <param name="Description">A few words.</param>
/// <param name="Create">Makes it.</param>
public sealed record OptimizerKind(string Name, double Rate, string Description, Func<IReadOnlyList<ParameterGroup>, TrainingOptions, Optimizer> Create)
{
    /// <summary>How many numbers <c>--opt-betas</c> takes; 0 where the method has none.</summary>
    public int Betas { get; init; } = 2;
}

/// <summary>Optimisers by the names of <c>--opt</c>, timm's where it has them.</summary>
public static class Optimizers
{
    private const string LookaheadPrefix = "lookahead_";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<OptimizerKind> All { get; } =
    [
        // timm's "sgd" is Nesterov's; "momentum" is the plain one.
        new("sgd", 0.1, "SGD with Nesterov momentum", (g, o) => new Sgd(g, o.Momentum, nesterov: true)) { Betas = 0 },
        new("nesterov", 0.1, "the same", (g, o) => new Sgd(g, o.Momentum, nesterov: true)) { Betas = 0 },
        new("momentum", 0.1, "SGD with plain momentum", (g, o) => new Sgd(g, o.Momentum)) { Betas = 0 },
        new("sgdw", 0.1, "sgd with decoupled decay", (g, o) => new Sgd(g, o.Momentum, nesterov: true, decoupledDecay: true)) { Betas = 0 },
        new("adam", 1e-3, "Adam", (g, o) => new Adam(g, Settings(o))),
        new("adamw", 1e-3, "Adam with decoupled decay", (g, o) => new Adam(g, Decoupled(o))),
        new("nadam", 1e-3, "Adam with Nesterov momentum", (g, o) => new NAdam(g, Settings(o))),
        new("nadamw", 1e-3, "the same in its simple form, with decoupled decay", (g, o) => new NAdamW(g, Settings(o))),
        new("radam", 1e-3, "rectified Adam", (g, o) => new RAdam(g, Settings(o))),
        new("radamw", 1e-3, "the same with decoupled decay", (g, o) => new RAdam(g, Decoupled(o))),
        new("adabelief", 1e-3, "AdaBelief", (g, o) => new AdaBelief(g, Decoupled(o, epsilon: 1e-16))),
        new("radabelief", 1e-3, "AdaBelief, rectified", (g, o) => new AdaBelief(g, Decoupled(o, epsilon: 1e-16), rectify: true)),
        new("adan", 1e-3, "Adan", (g, o) => MakeAdan(g, o, proximal: true)) { Betas = 3 },
        new("adanw", 1e-3, "Adan with AdamW's decay", (g, o) => MakeAdan(g, o, proximal: false)) { Betas = 3 },
        new("diffgrad", 1e-3, "diffGrad", (g, o) => new DiffGrad(g, Settings(o))),
        new("rmsprop", 0.01, "RMSprop, epsilon beside the root (PyTorch)", (g, o) => new RmsProp(g, momentum: o.Momentum, epsilon: o.OptEps ?? 1e-8)) { Betas = 0 },
        new("rmsproptf", 0.01, "RMSprop, epsilon under the root (TensorFlow)", (g, o) => MakeRmsPropTf(g, o, cautious: false)) { Betas = 0 },
        new("adagrad", 0.01, "Adagrad", (g, o) => new Adagrad(g, o.OptEps ?? 1e-8)) { Betas = 0 },
        new("lion", 1e-4, "Lion", (g, o) => MakeLion(g, o, cautious: false)),
        new("swats", 1e-3, "Adam, then SGD", (g, o) => new Swats(g, Settings(o, epsilon: 1e-9))),
        new("lamb", 1e-3, "LAMB", (g, o) => new Lamb(g, Settings(o, epsilon: 1e-6))),
        new("lambc", 1e-3, "LAMB with the trust ratio clipped", (g, o) => new Lamb(g, Settings(o, epsilon: 1e-6), clipsTrust: true)),
        new("lambw", 1e-3, "LAMB with decoupled decay", (g, o) => new Lamb(g, Decoupled(o, epsilon: 1e-6))),
        new("lambcw", 1e-3, "both", (g, o) => new Lamb(g, Decoupled(o, epsilon: 1e-6), clipsTrust: true)),
        new("lars", 1, "LARS", (g, o) => MakeLars(g, o, nesterov: false, clipped: false)) { Betas = 0 },
        new("larc", 1, "LARS with the trust ratio clipped", (g, o) => MakeLars(g, o, nesterov: false, clipped: true)) { Betas = 0 },
        new("nlars", 1, "LARS with Nesterov momentum", (g, o) => MakeLars(g, o, nesterov: true, clipped: false)) { Betas = 0 },
        new("nlarc", 1, "both", (g, o) => MakeLars(g, o, nesterov: true, clipped: true)) { Betas = 0 },
        new("adafactor", 1e-3, "Adafactor; with --opt-betas it keeps a mean too", (g, o) => new Adafactor(g, o.OptBetas?[0])),
        new("muon", 1e-3, "Muon, and AdamW for what is no hidden matrix", (g, o) => MakeMuon(g, o, nesterov: false)),
        new("nmuon", 1e-3, "Muon with Nesterov momentum, and NAdamW", (g, o) => MakeMuon(g, o, nesterov: true)),
        new("csgdw", 0.1, "cautious sgdw", (g, o) => new Sgd(g, o.Momentum, nesterov: true, decoupledDecay: true) { IsCautious = true }) { Betas = 0 },
        new("cadamw", 1e-3, "cautious adamw", (g, o) => new Adam(g, Decoupled(o)) { IsCautious = true }),
        new("cnadamw", 1e-3, "cautious nadamw", (g, o) => new NAdamW(g, Settings(o)) { IsCautious = true }),
        new("crmsproptf", 0.01, "cautious rmsproptf", (g, o) => MakeRmsPropTf(g, o, cautious: true)) { Betas = 0 },
        new("cadan", 1e-3, "cautious adan", (g, o) => MakeAdan(g, o, proximal: true, cautious: true)) { Betas = 3 },
        new("cadanw", 1e-3, "cautious adanw", (g, o) => MakeAdan(g, o, proximal: false, cautious: true)) { Betas = 3 },
        new("clamb", 1e-3, "cautious lamb", (g, o) => new Lamb(g, Settings(o, epsilon: 1e-6)) { IsCautious = true }),
        new("clambw", 1e-3, "cautious lambw", (g, o) => new Lamb(g, Decoupled(o, epsilon: 1e-6)) { IsCautious = true }),
        new("clion", 1e-4, "cautious lion", (g, o) => MakeLion(g, o, cautious: true)),
    ];

    /// <summary>The names; each may have <c>lookahead_</c> before it.</summary>
    public static IReadOnlyCollection<string> Names { get; } = [.. All.Select(k => k.Name)];

    /// <summary>The row of a name, inside <see cref="Lookahead"/> where the prefix asks for it; null where there is none.</summary>
    public static OptimizerKind? Find(string name)
    {
        if (!name.StartsWith(LookaheadPrefix, StringComparison.Ordinal))
            return All.FirstOrDefault(k => k.Name == name);
        return Find(name[LookaheadPrefix.Length..]) is { } inner && !inner.Name.StartsWith(LookaheadPrefix, StringComparison.Ordinal)
            ? inner with { Name = name, Create = (groups, options) => new Lookahead(inner.Create(groups, options)) }
            : null;
    }

    /// <summary>Makes the optimiser that the options name; subspaces are given to <see cref="RiemannianSgd"/>.</summary>
    /// <exception cref="VertebraException">There is no such optimiser; the message lists them.</exception>
    public static Optimizer Create(IReadOnlyList<ParameterGroup> groups, TrainingOptions options) =>
        Find(options.Opt) is { } kind ? RiemannianSgd.Around(groups, options.Momentum, rest => kind.Create(rest, options))
        : throw new VertebraException($"--opt {options.Opt} is unknown; there are {string.Join(", ", Names)}");

    private static AdamSettings Settings(TrainingOptions o, double epsilon = 1e-8) =>
        new(o.OptBetas?[0] ?? 0.9, o.OptBetas?[1] ?? 0.999, o.OptEps ?? epsilon);

    private static AdamSettings Decoupled(TrainingOptions o, double epsilon = 1e-8) => Settings(o, epsilon) with { DecoupledDecay = true };

    private static Adan MakeAdan(IReadOnlyList<ParameterGroup> groups, TrainingOptions o, bool proximal, bool cautious = false) =>
        new(groups, o.OptBetas?[0] ?? 0.98, o.OptBetas?[1] ?? 0.92, o.OptBetas?[2] ?? 0.99, o.OptEps ?? 1e-8, proximal) { IsCautious = cautious };

    private static Lars MakeLars(IReadOnlyList<ParameterGroup> groups, TrainingOptions o, bool nesterov, bool clipped) =>
        new(groups, o.Momentum, nesterov, clipped, epsilon: o.OptEps ?? 1e-8);

    private static Optimizer MakeMuon(IReadOnlyList<ParameterGroup> groups, TrainingOptions o, bool nesterov) =>
        Muon.Create(groups, o.Momentum, nesterov, new(o.OptBetas?[0] ?? 0.9, o.OptBetas?[1] ?? 0.95, o.OptEps ?? 1e-7));

    private static RmsProp MakeRmsPropTf(IReadOnlyList<ParameterGroup> groups, TrainingOptions o, bool cautious) =>
        new(groups, momentum: o.Momentum, epsilon: o.OptEps ?? 1e-10, asTensorFlow: true) { IsCautious = cautious };

    private static Lion MakeLion(IReadOnlyList<ParameterGroup> groups, TrainingOptions o, bool cautious) =>
        new(groups, o.OptBetas?[0] ?? 0.9, o.OptBetas?[1] ?? 0.99) { IsCautious = cautious };
}
