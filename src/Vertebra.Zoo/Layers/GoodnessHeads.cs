using Vertebra.Autograd;

namespace Vertebra.Zoo.Layers;

/// <summary>
/// Scalable Forward-Forward (Krutsylo 2025, "Scalable Forward-Forward algorithm"): the body is cut into pieces that learn each for itself. A 1x1
/// convolution with one channel a class looks at what a piece returns; the mean of a channel's squares is the class's goodness, and the piece
/// learns to make that of the right class the largest. What a piece returns is normalised over its channels, and no gradient flows back
/// through it. The answer of the network is the mean of the pieces' goodness.
/// </summary>
public sealed class GoodnessHeads : Module
{
    /// <summary>A piece is a block of the network, or a stage where its blocks cannot be cut apart; backpropagation goes on inside of it.</summary>
    public const string ByBlock = "block";

    /// <summary>A piece is a layer of weights with what follows it. Blocks with a shortcut stay whole: cutting them would cut the shortcut.</summary>
    public const string ByLayer = "layer";

    private const float Epsilon = 1e-5f;

    [ThreadStatic] private static Pass? t_pass;

    private readonly int[] _channels;
    private Linear[] _heads = [];

    /// <param name="cuts">The modules that end a piece, all but the last, and the channels that they return.</param>
    /// <param name="features">Channels of the body's features, which the last piece returns.</param>
    /// <param name="classes">Number of classes.</param>
    internal GoodnessHeads(IReadOnlyList<(Module Module, int Channels)> cuts, int features, int classes)
    {
        _channels = [.. cuts.Select(c => c.Channels), features];
        for (var i = 0; i < cuts.Count; i++)
        {
            var piece = i;
            cuts[i].Module.ResultForm = x => Cut(piece, x);
        }
        Reset(classes);
    }

    /// <summary>Pieces of the body.</summary>
    public int Count => _channels.Length;

    /// <summary>Whether there are classes to be told apart.</summary>
    internal bool HasClasses => _heads.Length > 0;

    /// <summary>Goodness [N, classes] of the whole network.</summary>
    /// <param name="features">Runs the body.</param>
    internal Tensor Answer(Func<Tensor> features) => Mean(Run(new(this, null), features).Goodness);

    /// <summary>
    /// Trains the pieces: each but the last is differentiated as soon as its loss is known, so that the activations of one piece at a time are kept.
    /// </summary>
    /// <param name="features">Runs the body.</param>
    /// <param name="loss">A piece's loss, from its goodness [N, classes].</param>
    /// <returns>The network's goodness, and the sum of all losses, of which the last piece's is left to differentiate.</returns>
    internal (Tensor Goodness, Tensor Loss) Learn(Func<Tensor> features, Func<Tensor, Tensor> loss)
    {
        var pass = Run(new(this, loss), features);
        return (Mean(pass.Goodness).Detach(), pass.Losses.Aggregate((sum, l) => sum + l));
    }

    /// <summary>Goodness of the last piece alone.</summary>
    internal Tensor Last(Tensor features) => Goodness(Count - 1, Normalised(features));

    /// <summary>Fresh heads for another number of classes; none for 0.</summary>
    internal void Reset(int classes)
    {
        foreach (var (name, _) in Children.ToArray())
            Remove(name);
        _heads = classes == 0 ? [] : [.. _channels.Select((channels, i) => Child($"{i}", new Linear(channels, classes)))];
    }

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("heads between the pieces of a network have no forward of their own");

    private static Tensor Normalised(Tensor x) => x.LayerNorm(null, null, Epsilon);

    private static Tensor Mean(List<Tensor> goodness) => goodness.Aggregate((sum, g) => sum + g) * (1f / goodness.Count);

    private Tensor Goodness(int piece, Tensor x)
    {
        var squares = _heads[piece].Forward(x).Square();
        return x.Rank == 2 ? squares : squares.Mean([.. Enumerable.Range(1, x.Rank - 2)]);
    }

    private Pass Run(Pass pass, Func<Tensor> features)
    {
        var former = t_pass;
        t_pass = pass;
        try
        {
            pass.Judge(Count - 1, Normalised(features()));
            return pass;
        }
        finally
        {
            t_pass = former;
        }
    }

    private Tensor Cut(int piece, Tensor x)
    {
        x = Normalised(x);
        if (t_pass is not { } pass || pass.Heads != this || !pass.Judge(piece, x))
            return x;
        if (pass.Losses[^1] is { RequiresGrad: true } loss)
        {
            loss.Backward();
            pass.Losses[^1] = loss.Detach();
        }
        return x.Detach();
    }

    /// <summary>One run of the body on this thread.</summary>
    private sealed class Pass(GoodnessHeads heads, Func<Tensor, Tensor>? loss)
    {
        public GoodnessHeads Heads => heads;

        public List<Tensor> Goodness { get; } = [];

        public List<Tensor> Losses { get; } = [];

        /// <summary>Takes a piece's result; true when it has a loss.</summary>
        public bool Judge(int piece, Tensor x)
        {
            var goodness = heads.Goodness(piece, x);
            Goodness.Add(loss is null ? goodness : goodness.Detach());
            if (loss is not null)
                Losses.Add(loss(goodness));
            return loss is not null;
        }
    }
}
