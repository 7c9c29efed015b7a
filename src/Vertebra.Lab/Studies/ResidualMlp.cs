using Vertebra.Nn;
using Vertebra.Zoo.Layers;
using static Vertebra.Ops.TensorOps;

namespace Vertebra.Lab.Studies;

/// <summary>
/// The residual network that depth is studied on: x ← x + f · W relu(norm(x)) as often as told, one layer a block as in "Tensor programs VI", between a layer
/// that takes the pixels and a normalised classifier. Takes [N, ...], returns logits [N, classes].
/// </summary>
internal sealed class ResidualMlp : Module
{
    private readonly Linear _first;
    private readonly Block[] _blocks;
    private readonly LayerNorm _norm;
    private readonly Linear _classifier;

    /// <param name="inputs">Numbers in an image.</param>
    /// <param name="width">Channels.</param>
    /// <param name="depth">Blocks.</param>
    /// <param name="classes">Logits.</param>
    /// <param name="parameterisation">Name of what the blocks' branches are multiplied by (<see cref="Parameterisation"/>); null: nothing.</param>
    public ResidualMlp(int inputs, int width, int depth, int classes, string? parameterisation)
    {
        _first = Child("first", new Linear(inputs, width, initialiser: Init.KaimingNormal(fanOut: false), biasInitialiser: Init.Zeros));
        _blocks = [.. Enumerable.Range(0, depth).Select(i => Child($"block{i}", new Block(width, Parameterisation.Factor(parameterisation, depth))))];
        _norm = Child("norm", new LayerNorm(width, affine: false));
        _classifier = Child("classifier", new Linear(width, classes, initialiser: Init.Zeros, biasInitialiser: Init.Zeros));
    }

    /// <summary>What the blocks make of images, [N, width].</summary>
    public Tensor Features(Tensor images)
    {
        var x = _first.Forward(images.Reshape([images.Shape[0], -1]));
        foreach (var block in _blocks)
            x = block.Forward(x);
        return x;
    }

    protected override Tensor OnForward(Tensor x) => _classifier.Forward(_norm.Forward(Features(x)));

    private sealed class Block : Module
    {
        private readonly LayerNorm _norm;
        private readonly Linear _linear;
        private readonly Module? _factor;

        public Block(int width, Module? factor)
        {
            _norm = Child("norm", new LayerNorm(width, affine: false));
            _linear = Child("linear", new Linear(width, width, bias: false, initialiser: Init.KaimingNormal(fanOut: false)));
            _factor = factor is null ? null : Child("factor", factor);
        }

        protected override Tensor OnForward(Tensor x)
        {
            var branch = _linear.Forward(_norm.Forward(x).Relu());
            return x + (_factor?.Forward(branch) ?? branch);
        }
    }
}
