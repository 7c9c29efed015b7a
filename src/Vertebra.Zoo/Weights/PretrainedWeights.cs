using Vertebra.Ops;
using Vertebra.Zoo.Weights;

namespace Vertebra.Zoo;

/// <summary>Puts published weights into a network that may have other input channels or other classes than they were made for.</summary>
public static class PretrainedWeights
{
    /// <summary>
    /// Loads a state dict. The first convolution is adapted to the network's input channels; a classifier of another size is
    /// left out, and the network keeps its fresh one. Names of torchvision's networks are translated where they differ. Everything
    /// else must match.
    /// </summary>
    /// <param name="network">The network to fill.</param>
    /// <param name="state">Tensors by full name, as <see cref="Checkpoint"/> reads them.</param>
    /// <param name="source">What to call them in messages.</param>
    /// <returns>What was adapted, a line each; empty when everything fitted.</returns>
    /// <exception cref="VertebraException">Names or shapes do not match; nothing has been written then.</exception>
    public static IReadOnlyList<string> LoadPretrained(this Backbone network, IReadOnlyDictionary<string, Tensor> state, string source)
    {
        var own = network.State().ToDictionary(s => s.Name, s => s.Tensor, StringComparer.Ordinal);
        var notes = new List<string>();
        state = TorchvisionNames.Translate(network, own, state, notes) ?? state;
        var fitting = new OrderedDictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var (name, tensor) in state)
            fitting[name] = tensor;

        DropPool(fitting, own, notes);
        network.AdaptState(fitting, notes);
        ResampleMaps(fitting, own, notes);
        foreach (var first in network.FirstConv.Split(',').Select(p => own.ContainsKey(p) ? p : $"{p}.weight"))
        {
            if (!fitting.TryGetValue(first, out var weight) || weight.Rank != 4 || weight.Shape[1] == network.InChans || own.GetValueOrDefault(first)?.Shape == weight.Shape)
                continue;
            fitting[first] = AdaptInput(weight, network.InChans);
            notes.Add($"{first}: from {weight.Shape[1]} to {network.InChans} input channels");
        }
        var prefixes = network.ClassifierPaths.Select(p => $"{p}.").ToArray();
        var isOther = state.Any(s => IsClassifier(s.Key) && !(own.TryGetValue(s.Key, out var same) && same.Shape == s.Value.Shape));
        // Weights without any classifier, for features alone.
        if (isOther || (own.Keys.Any(IsClassifier) && !state.Keys.Any(IsClassifier)))
        {
            foreach (var name in state.Keys.Where(IsClassifier))
                fitting.Remove(name);
            foreach (var (name, tensor) in own.Where(o => IsClassifier(o.Key)))
                fitting[name] = tensor.Clone();
            notes.Add($"{network.Classifier}: {(isOther ? "the weights' classifier is of another size and was left out" : "the weights have no classifier; it starts anew")}");
        }
        network.Load(fitting, source);
        return notes;

        bool IsClassifier(string name) => prefixes.Any(p => name.StartsWith(p, StringComparison.Ordinal));
    }

    // Position embeddings that are maps, [1, H, W, C] or [1, C, H, W], for another grid.
    private static void ResampleMaps(OrderedDictionary<string, Tensor> state, Dictionary<string, Tensor> own, List<string> notes)
    {
        foreach (var (name, wanted) in own.Where(o => o.Key.EndsWith("pos_embed", StringComparison.Ordinal) && o.Value.Rank == 4))
        {
            if (!state.TryGetValue(name, out var given) || given.Rank != 4 || given.Shape == wanted.Shape)
                continue;
            var isLast = given.Shape[3] == wanted.Shape[3];
            if (!isLast && given.Shape[1] != wanted.Shape[1])
                continue;
            var map = isLast ? given.To(DType.Float32) : given.To(DType.Float32).Permute([0, 2, 3, 1]);
            var (height, width) = isLast ? (wanted.Shape[1], wanted.Shape[2]) : (wanted.Shape[2], wanted.Shape[3]);
            map = map.Interpolate((height, width), Kernels.InterpolationMode.Bicubic, antialias: true);
            state[name] = isLast ? map : map.Permute([0, 3, 1, 2]);
            notes.Add($"{name}: resampled from {given.Shape} to {wanted.Shape}");
        }
    }

    // Another pool than the weights have: attention over tokens has weights of its own, which others do without (timm's rule).
    private static void DropPool(OrderedDictionary<string, Tensor> state, Dictionary<string, Tensor> own, List<string> notes)
    {
        const string Pool = "attn_pool.";
        if (own.Keys.Any(IsPool) || !state.Keys.Any(IsPool))
            return;
        foreach (var name in state.Keys.Where(IsPool).ToList())
            state.Remove(name);
        notes.Add($"{Pool.TrimEnd('.')}: the network pools otherwise, and its weights were left out");

        static bool IsPool(string name) => name.StartsWith(Pool, StringComparison.Ordinal);
    }

    /// <summary>
    /// Weights of a first convolution for another number of input channels: for one, the sum over the colours; for others, the
    /// three colours over and over, scaled by 3 / channels so that the sum stays (timm's rule).
    /// </summary>
    /// <param name="weight">[O, 3, KH, KW], or [O, n · 3, KH, KW] of a space-to-depth stem, the colours of a pixel side by side.</param>
    /// <param name="inChans">Channels wanted.</param>
    /// <returns>[O, <paramref name="inChans"/>, KH, KW], or [O, n · <paramref name="inChans"/>, KH, KW] of such a stem.</returns>
    /// <exception cref="VertebraException">The weight is not made for RGB.</exception>
    public static Tensor AdaptInput(Tensor weight, int inChans)
    {
        var (o, i, taps) = (weight.Shape[0], weight.Shape[1], weight.Shape[2] * weight.Shape[3]);
        if (i == inChans)
            return weight;
        if (i % 3 != 0)
            throw new VertebraException($"a first convolution of shape {weight.Shape} cannot be adapted to {inChans} input channels: it is not made for RGB images");
        var source = weight.To(DType.Float32).ToArray<float>();
        var channels = i / 3 * inChans;
        var target = new float[o * channels * taps];
        for (var index = 0; index < target.Length; index++)
        {
            var (row, channel, tap) = (index / (channels * taps), index / taps % channels, index % taps);
            var first = channel / inChans * 3;
            float At(int colour) => source[(((row * i) + first + colour) * taps) + tap];
            target[index] = inChans == 1 ? At(0) + At(1) + At(2) : At(channel % inChans % 3) * (3f / inChans);
        }
        return Tensor.From(target, weight.Shape.With(1, channels));
    }
}
