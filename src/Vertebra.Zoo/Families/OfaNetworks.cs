using System.Text.Json;

namespace Vertebra.Zoo.Families;

/// <summary>Networks from the <c>net.config</c> files of once-for-all and ProxylessNAS, for those that the registry does not have.</summary>
public static class OfaNetworks
{
    private const int MostBlocks = 1000;
    private const int MostChannels = 1 << 16;
    private const int LargestKernel = 31;

    /// <summary>Builds the network that such a file describes, in evaluation mode with fresh weights. It has no name in the registry, and so no description.</summary>
    /// <param name="text">The file's text; it may come from anywhere.</param>
    /// <param name="source">What to call the file in messages.</param>
    /// <param name="options">null: classes and channels as in the file.</param>
    /// <exception cref="FileFormatException">The text is no such file, or its layers do not fit together.</exception>
    /// <exception cref="VertebraException">An option is out of range.</exception>
    public static Backbone FromConfig(string text, string source, ModelOptions? options = null)
    {
        options ??= new ModelOptions();
        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 16 });
            var root = new JsonFields(document.RootElement, source);
            var spec = ReadSpec(root, source);
            var (first, last) = (Layer(root, "first_conv"), Layer(root, "classifier"));
            return new SearchedNet(spec, options with
            {
                InChans = options.InChans ?? Channels(first, "in_channels", source),
                NumClasses = options.NumClasses ?? last.Required("out_features", last.Integer("out_features")),
            });
        }
        catch (JsonException e)
        {
            throw new FileFormatException($"{source} is not JSON: {e.Message}", e);
        }
    }

    private static SearchedSpec ReadSpec(JsonFields root, string source)
    {
        var name = root.Text("name");
        if (name is not ("MobileNetV3" or "ProxylessNASNets"))
            throw new FileFormatException($"{source} describes a network '{name}'; MobileNetV3 and ProxylessNASNets are known");
        var (first, mix) = (Layer(root, "first_conv"), Layer(root, "feature_mix_layer"));
        var expand = name == "MobileNetV3" ? Layer(root, "final_expand_layer") : (JsonFields?)null;
        var channels = Channels(first, "out_channels", source);
        var blocks = new List<SearchedPlan?>();
        foreach (var element in root.Items("blocks"))
        {
            if (blocks.Count == MostBlocks)
                throw new FileFormatException($"{source} has more than {MostBlocks} blocks");
            var plan = ReadBlock(new JsonFields(element, $"{source}: block {blocks.Count}"), $"{source}: block {blocks.Count}");
            if (plan is not null && plan.InChannels != channels)
                throw new FileFormatException($"{source}: block {blocks.Count} takes {plan.InChannels} channels; {channels} come in");
            channels = plan?.OutChannels ?? channels;
            blocks.Add(plan);
        }
        return new(Channels(first, "out_channels", source), Act(first), blocks, Channels(mix, "out_channels", source))
        {
            ExpandWidth = expand is { } layer ? Channels(layer, "out_channels", source) : null,
            Epsilon = root.Object("bn")?.Number("eps") ?? (name == "MobileNetV3" ? 1e-5f : 1e-3f),
        };
    }

    private static SearchedPlan? ReadBlock(JsonFields block, string source)
    {
        var conv = block.Object("mobile_inverted_conv") ?? block.Object("conv");
        if (conv is not { } layer || layer.Text("name") == "ZeroLayer")
            return null;
        var (input, output) = (Channels(layer, "in_channels", source), Channels(layer, "out_channels", source));
        var expansion = layer.Required("expand_ratio", layer.Double("expand_ratio"));
        var inner = layer.Integer("mid_channels") ?? (int)Math.Round(Math.Clamp(input * expansion, 0, int.MaxValue));
        var (kernel, stride) = (layer.Required("kernel_size", layer.Integer("kernel_size")), layer.Required("stride", layer.Integer("stride")));
        if (kernel is < 1 or > LargestKernel || kernel % 2 == 0 || stride is not (1 or 2) || inner is < 1 or > MostChannels || layer.Integer("groups") is not null)
            throw new FileFormatException($"{source}: kernel {kernel}, stride {stride} and {inner} inner channels; odd kernels to {LargestKernel}, strides 1 and 2 and depthwise convolutions of up to {MostChannels} channels are known");
        var hasShortcut = block.Object("shortcut")?.Text("name") == "IdentityLayer";
        if (hasShortcut && (input != output || stride != 1))
            throw new FileFormatException($"{source} has a shortcut between maps of different shapes");
        return new(input, output, kernel, stride, inner, Act(layer)) { Expands = expansion != 1, Excites = layer.Flag("use_se") ?? false, HasShortcut = hasShortcut };
    }

    private static JsonFields Layer(JsonFields root, string name) => root.Required(name, root.Object(name));

    private static int Channels(JsonFields layer, string name, string source)
    {
        var channels = layer.Required(name, layer.Integer(name));
        return channels is >= 1 and <= MostChannels ? channels : throw new FileFormatException($"{source}: {name} is {channels}; it must be from 1 to {MostChannels}");
    }

    private static ActivationKind Act(JsonFields layer) => layer.Text("act_func") switch
    {
        "relu" => ActivationKind.Relu,
        "relu6" => ActivationKind.Relu6,
        "h_swish" => ActivationKind.HardSwish,
        var other => throw new FileFormatException($"activation '{other}' is unknown in such files; relu, relu6 and h_swish are known"),
    };
}
