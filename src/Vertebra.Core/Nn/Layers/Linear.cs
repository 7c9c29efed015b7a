using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>Affine map of the last axis. Parameters as in PyTorch: <c>weight</c> [out, in] and, unless left out, <c>bias</c> [out].</summary>
public sealed class Linear : Module
{
    /// <param name="inFeatures">Size of the input's last axis.</param>
    /// <param name="outFeatures">Size of the output's last axis.</param>
    /// <param name="bias">Whether there is a bias.</param>
    /// <param name="initialiser">Fills the weight; PyTorch's default if null.</param>
    /// <param name="biasInitialiser">Fills the bias; PyTorch's default (uniform, bound 1 / √in) if null.</param>
    public Linear(int inFeatures, int outFeatures, bool bias = true, Initialiser? initialiser = null, Initialiser? biasInitialiser = null)
    {
        Weight = Parameter("weight", [outFeatures, inFeatures], initialiser ?? Init.TorchDefault);
        Bias = bias ? Parameter("bias", [outFeatures], biasInitialiser ?? Init.Uniform(1 / MathF.Sqrt(Math.Max(1, inFeatures)))) : null;
    }

    public Tensor Weight { get; }

    public Tensor? Bias { get; }

    public int InFeatures => Weight.Shape[1];

    public int OutFeatures => Weight.Shape[0];

    protected override Tensor OnForward(Tensor x) => x.Linear(Weight, Bias);
}
