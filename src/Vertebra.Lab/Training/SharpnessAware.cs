using Vertebra.Kernels;
using Vertebra.Nn;

namespace Vertebra.Lab.Training;

/// <summary>
/// Sharpness-aware minimisation: the update's gradient is taken where the loss nearby is worst. SAM (Foret et al.,
/// "Sharpness-aware minimization for efficiently improving generalization", 2021) goes ρ·g/|g| up; ASAM (Kwon et al., 2021) goes
/// ρ·T²·g/|T·g| with T = |w| + η for weights and 1 for biases, which does not depend on the scale of weights; SAM-ON (Müller et
/// al., "Normalization layers are all that sharpness-aware minimization needs", 2023) moves the parameters of normalisers only.
/// </summary>
public sealed class SharpnessAware
{
    private readonly Module _network;
    private readonly Tensor[] _tensors;
    private readonly bool[] _isScaled;
    private readonly TensorChunks _chunks;
    private readonly double _rho;
    private readonly double _eta;
    private List<(Tensor Live, Tensor Former)> _former = [];

    /// <param name="network">The network.</param>
    /// <param name="rho">ρ: how far up.</param>
    /// <param name="adaptive">ASAM.</param>
    /// <param name="eta">η of ASAM.</param>
    /// <param name="onlyNorm">SAM-ON.</param>
    /// <exception cref="VertebraException">There is nothing to perturb.</exception>
    public SharpnessAware(Module network, double rho, bool adaptive = false, double eta = 0.01, bool onlyNorm = false)
    {
        (_network, _rho, _eta) = (network, rho, eta);
        var norms = network.NamedModules().Where(m => m.Module is NormLayer).SelectMany(m => m.Module.NamedParameters()).Select(p => p.Tensor).ToHashSet(ReferenceEqualityComparer.Instance);
        var perturbed = network.NamedParameters().Where(p => p.Tensor.RequiresGrad && (!onlyNorm || norms.Contains(p.Tensor))).ToArray();
        if (perturbed.Length == 0)
            throw new VertebraException(onlyNorm ? "--sam-only-norm: the network has no normalisers with parameters to train" : "--sam: the network has no parameters to train");
        _tensors = [.. perturbed.Select(p => p.Tensor)];
        _isScaled = [.. perturbed.Select(p => adaptive && p.Name.Contains("weight", StringComparison.Ordinal))];
        _chunks = new(_tensors);
    }

    /// <summary>Moves the weights up along the gradients that they have; <see cref="Descend"/> undoes it.</summary>
    /// <param name="scale">Factor on the gradients: 1 / number of accumulated batches.</param>
    public void Ascend(float scale)
    {
        _former = [.. _tensors.Concat(_network.NamedBuffers().Select(b => b.Tensor)).Select(t => (t, t.Clone()))];
        var gradients = _tensors.Select(t => t.Grad).ToArray();
        var sums = new double[_chunks.Count];
        _chunks.ForEach((i, chunk) =>
        {
            if (gradients[chunk.Tensor] is { } gradient)
                sums[i] = SumOfSquares(chunk.Of(_tensors[chunk.Tensor]), chunk.Of(gradient), scale, _isScaled[chunk.Tensor]);
        });
        double total = 0;
        foreach (var sum in sums)
            total += sum;
        var factor = (float)(_rho * scale / (Math.Sqrt(total) + 1e-12));
        _chunks.ForEach((_, chunk) =>
        {
            if (gradients[chunk.Tensor] is { } gradient)
                Move(chunk.Of(_tensors[chunk.Tensor]), chunk.Of(gradient), factor, _isScaled[chunk.Tensor]);
        });
        Array.ForEach(_tensors, t => t.MarkWritten());
        GC.KeepAlive(gradients);
    }

    /// <summary>
    /// Puts back the weights, bit for bit, and what else the passes above have changed: the running statistics of batch norms
    /// follow the first pass only, as in the reference implementations.
    /// </summary>
    public void Descend()
    {
        foreach (var (live, former) in _former)
            live.CopyFrom(former);
        _former = [];
    }

    private double SumOfSquares(ReadOnlySpan<float> weights, ReadOnlySpan<float> gradients, float scale, bool isScaled)
    {
        double sum = 0;
        for (var i = 0; i < weights.Length; i++)
        {
            var value = (double)gradients[i] * scale * (isScaled ? Math.Abs(weights[i]) + _eta : 1);
            sum += value * value;
        }
        return sum;
    }

    private void Move(Span<float> weights, ReadOnlySpan<float> gradients, float factor, bool isScaled)
    {
        for (var i = 0; i < weights.Length; i++)
        {
            var size = isScaled ? Math.Abs(weights[i]) + (float)_eta : 1;
            weights[i] += factor * size * size * gradients[i];
        }
    }
}
