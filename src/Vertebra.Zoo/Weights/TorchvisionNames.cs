using System.Globalization;
using System.Text.RegularExpressions;
using Vertebra.Ops;

namespace Vertebra.Zoo.Weights;

/// <summary>
/// Names of torchvision's checkpoints for networks that the registry has under timm's names. ResNets and most VGG and DenseNet
/// tensors are named alike in both; for the others a table says which module is which. Tensors keep their values; some have another
/// shape of the same order (a linear layer that is a convolution here).
/// </summary>
internal static partial class TorchvisionNames
{
    private static readonly NamingTable[] s_tables =
    [
        new([.. MobileNetV2()]),
        // torchvision's larger ones normalise with another epsilon, so their weights would not give their outputs here.
        new([.. EfficientNet()]) { Models = ["efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4"] },
        new(
            ("stem.0", "stem.conv"), ("stem.1", "stem.bn"), ("fc", "head.fc"),
            ("trunk_output.block{s}.block{t}-{i}.proj.0", "s{s}.b{i+1}.downsample.conv"), ("trunk_output.block{s}.block{t}-{i}.proj.1", "s{s}.b{i+1}.downsample.bn"),
            ("trunk_output.block{s}.block{t}-{i}.f.a.0", "s{s}.b{i+1}.conv1.conv"), ("trunk_output.block{s}.block{t}-{i}.f.a.1", "s{s}.b{i+1}.conv1.bn"),
            ("trunk_output.block{s}.block{t}-{i}.f.b.0", "s{s}.b{i+1}.conv2.conv"), ("trunk_output.block{s}.block{t}-{i}.f.b.1", "s{s}.b{i+1}.conv2.bn"),
            ("trunk_output.block{s}.block{t}-{i}.f.se", "s{s}.b{i+1}.se"),
            ("trunk_output.block{s}.block{t}-{i}.f.c.0", "s{s}.b{i+1}.conv3.conv"), ("trunk_output.block{s}.block{t}-{i}.f.c.1", "s{s}.b{i+1}.conv3.bn")),
        // Odd numbers are stages of blocks, even ones what lies before them.
        new(
            ("features.0", "stem"), ("features.{n}.{i}.layer_scale", "stages.{n/2}.blocks.{i}.gamma"),
            ("features.{n}.{i}.block.0", "stages.{n/2}.blocks.{i}.conv_dw"), ("features.{n}.{i}.block.2", "stages.{n/2}.blocks.{i}.norm"),
            ("features.{n}.{i}.block.3", "stages.{n/2}.blocks.{i}.mlp.fc1"), ("features.{n}.{i}.block.5", "stages.{n/2}.blocks.{i}.mlp.fc2"),
            ("features.{n}.{i}", "stages.{n/2}.downsample.{i}"), ("classifier.0", "head.norm"), ("classifier.2", "head.fc")),
        new(
            ("features.0.0", "patch_embed.proj"), ("features.0.2", "patch_embed.norm"), ("features.{n}.{i}.attn.relative_position_index", ""),
            ("features.{n}.{i}.mlp.0", "layers.{n/2}.blocks.{i}.mlp.fc1"), ("features.{n}.{i}.mlp.3", "layers.{n/2}.blocks.{i}.mlp.fc2"),
            ("features.{n}.{i}", "layers.{n/2}.blocks.{i}"), ("features.{n}.reduction", "layers.{n/2}.downsample.reduction"),
            ("features.{n}.norm", "layers.{n/2}.downsample.norm"), ("head", "head.fc")),
        new([.. VisionTransformer()]),
        new(("classifier.0", "pre_logits.fc1"), ("classifier.3", "pre_logits.fc2"), ("classifier.6", "head.fc")),
        new(("features.denseblock{b}.denselayer{i}.norm.{k}", "features.denseblock{b}.denselayer{i}.norm{k}"),
            ("features.denseblock{b}.denselayer{i}.conv.{k}", "features.denseblock{b}.denselayer{i}.conv{k}")),
        new(("AuxLogits", "")),
    ];

    /// <summary>A state dict of torchvision under the network's own names; null where it is none, or names need no translation.</summary>
    /// <param name="network">The network to be filled.</param>
    /// <param name="own">Its tensors by name.</param>
    /// <param name="state">What was read.</param>
    /// <param name="notes">Takes a line where names were translated.</param>
    public static Dictionary<string, Tensor>? Translate(
        Backbone network, IReadOnlyDictionary<string, Tensor> own, IReadOnlyDictionary<string, Tensor> state, ICollection<string> notes)
    {
        var classifiers = network.Classifier.Split(',').Select(p => $"{p}.").ToArray();
        bool IsOwn(string name) => own.ContainsKey(name) || classifiers.Any(c => name.StartsWith(c, StringComparison.Ordinal));
        if (state.Keys.All(IsOwn))
            return null;
        foreach (var table in s_tables.Where(t => t.Models is null || t.Models.Contains(network.RegisteredName)))
        {
            var names = state.Keys.Select(name => (Old: name, New: table.Translate(name))).Where(n => n.New.Length > 0).ToList();
            if (!names.TrueForAll(n => IsOwn(n.New)) || names.DistinctBy(n => n.New).Count() < names.Count)
                continue;
            notes.Add($"the weights have torchvision's names: {names.Count(n => n.New != n.Old)} of {state.Count} were translated");
            return names.ToDictionary(n => n.New, n => Shaped(state[n.Old], own.GetValueOrDefault(n.New)));
        }
        return null;
    }

    private static Tensor Shaped(Tensor tensor, Tensor? own) =>
        own is not null && own.Shape != tensor.Shape && own.ElementCount == tensor.ElementCount ? tensor.Reshape(own.Shape) : tensor;

    // torchvision counts the blocks through, timm by stage.
    private static IEnumerable<(string, string)> MobileNetV2()
    {
        yield return ("features.0.0", "conv_stem");
        yield return ("features.0.1", "bn1");
        foreach (var (part, name) in new[] { ("conv.0.0", "conv_dw"), ("conv.0.1", "bn1"), ("conv.1", "conv_pw"), ("conv.2", "bn2") })
            yield return ($"features.1.{part}", $"blocks.0.0.{name}");
        int[] depths = [2, 3, 4, 3, 3, 1];
        var number = 2;
        for (var stage = 0; stage < depths.Length; stage++)
        {
            for (var i = 0; i < depths[stage]; i++, number++)
            {
                foreach (var (part, name) in new[] { ("0.0", "conv_pw"), ("0.1", "bn1"), ("1.0", "conv_dw"), ("1.1", "bn2"), ("2", "conv_pwl"), ("3", "bn3") })
                    yield return ($"features.{number}.conv.{part}", $"blocks.{stage + 1}.{i}.{name}");
            }
        }
        yield return ($"features.{number}.0", "conv_head");
        yield return ($"features.{number}.1", "bn2");
        yield return ("classifier.1", "classifier");
    }

    private static IEnumerable<(string, string)> EfficientNet()
    {
        yield return ("features.0.0", "conv_stem");
        yield return ("features.0.1", "bn1");
        yield return ("features.8.0", "conv_head");
        yield return ("features.8.1", "bn2");
        yield return ("classifier.1", "classifier");
        // The first stage does not expand, so its blocks have a layer less.
        string[] plain = ["0.0", "conv_dw", "0.1", "bn1", "1.fc1", "se.conv_reduce", "1.fc2", "se.conv_expand", "2.0", "conv_pw", "2.1", "bn2"];
        string[] expanding =
        [
            "0.0", "conv_pw", "0.1", "bn1", "1.0", "conv_dw", "1.1", "bn2", "2.fc1", "se.conv_reduce", "2.fc2", "se.conv_expand", "3.0", "conv_pwl", "3.1", "bn3",
        ];
        foreach (var pair in plain.Chunk(2))
            yield return ($"features.1.{{i}}.block.{pair[0]}", $"blocks.0.{{i}}.{pair[1]}");
        foreach (var pair in expanding.Chunk(2))
            yield return ($"features.{{n}}.{{i}}.block.{pair[0]}", $"blocks.{{n-1}}.{{i}}.{pair[1]}");
    }

    private static IEnumerable<(string, string)> VisionTransformer()
    {
        yield return ("class_token", "cls_token");
        yield return ("conv_proj", "patch_embed.proj");
        yield return ("encoder.pos_embedding", "pos_embed");
        yield return ("encoder.ln", "norm");
        yield return ("heads.head", "head");
        // The MLP's layers have had two names.
        string[] pairs =
        [
            "ln_1", "norm1", "ln_2", "norm2", "self_attention.in_proj_weight", "attn.qkv.weight", "self_attention.in_proj_bias", "attn.qkv.bias",
            "self_attention.out_proj", "attn.proj", "mlp.0", "mlp.fc1", "mlp.3", "mlp.fc2", "mlp.linear_1", "mlp.fc1", "mlp.linear_2", "mlp.fc2",
        ];
        foreach (var pair in pairs.Chunk(2))
            yield return ($"encoder.layers.encoder_layer_{{i}}.{pair[0]}", $"blocks.{{i}}.{pair[1]}");
    }

    /// <summary>
    /// Pairs of module paths, the other program's and ours; an empty one of ours leaves tensors out, and names without a pair stay.
    /// <c>{x}</c> stands for a number, of which ours may have <c>{x+1}</c>, <c>{x-1}</c> or <c>{x/2}</c>.
    /// </summary>
    private sealed partial class NamingTable(params (string From, string To)[] pairs)
    {
        private readonly (Regex Pattern, string To)[] _rules = [.. pairs.Select(p => (Compile(p.From), p.To))];

        /// <summary>Names in the registry that it is for; null: any network whose names come out.</summary>
        public IReadOnlyList<string>? Models { get; init; }

        /// <summary>Our name of a tensor; empty when it is left out.</summary>
        public string Translate(string name)
        {
            foreach (var (pattern, to) in _rules)
            {
                if (pattern.Match(name) is { Success: true } match)
                    return to.Length == 0 ? "" : Number().Replace(to, number => Computed(match, number)) + match.Groups["rest"].Value;
            }
            return name;
        }

        private static Regex Compile(string path) =>
            new($"^{Placeholder().Replace(Regex.Escape(path).Replace(@"\{", "{", StringComparison.Ordinal), "(?<$1>[0-9]{1,6})")}(?<rest>\\..*)?$", RegexOptions.CultureInvariant);

        private static string Computed(Match match, Match number)
        {
            var value = int.Parse(match.Groups[number.Groups[1].Value].Value, CultureInfo.InvariantCulture);
            var result = number.Groups[2].Value switch { "+1" => value + 1, "-1" => value - 1, "/2" => value / 2, _ => value };
            return result.ToString(CultureInfo.InvariantCulture);
        }

        [GeneratedRegex(@"\{([a-z])\}")]
        private static partial Regex Placeholder();

        [GeneratedRegex(@"\{([a-z])(\+1|-1|/2)?\}")]
        private static partial Regex Number();
    }
}
