using System.Text.Json;

namespace Vertebra.Zoo;

/// <summary>Reads and writes the parts of <see cref="NetworkDescription"/> by hand: nothing is found by reflection, and wrong files get a clear line.</summary>
internal static class DescriptionJson
{
    public static void WriteOptions(Utf8JsonWriter json, ModelOptions options)
    {
        json.WriteStartObject("model_args");
        if (options.InChans is { } channels)
            json.WriteNumber("in_chans", channels);
        if (options.DropRate != 0)
            json.WriteNumber("drop_rate", options.DropRate);
        if (options.DropPathRate != 0)
            json.WriteNumber("drop_path_rate", options.DropPathRate);
        if (options.DropBlockRate != 0)
            json.WriteNumber("drop_block_rate", options.DropBlockRate);
        if (options.DropBlockSkip)
            json.WriteBoolean("drop_block_skip", true);
        if (options.OutputStride is { } stride)
            json.WriteNumber("output_stride", stride);
        if (options.ImgSize is { } side)
            json.WriteNumber("img_size", side);
        if (options.AttnLayer is { } attention)
        {
            json.WriteStartObject("block_args");
            json.WriteString("attn_layer", attention);
            json.WriteEndObject();
        }
        if (options.Head is { } head)
            json.WriteString("head", head);
        if (options.HeadScale is { } scale)
            json.WriteNumber("head_scale", scale);
        if (options.LocalLearning is { } granularity)
            json.WriteString("local_learning", granularity);
        if (options.Parameterisation is { } parameterisation)
            json.WriteString("parameterisation", parameterisation);
        if (options.WeightStandardise)
            json.WriteBoolean("weight_standardise", true);
        if (options.BnEps is { } epsilon)
            json.WriteNumber("bn_eps", epsilon);
        if (options.Reparameterised)
            json.WriteBoolean("inference_mode", true);
        json.WriteEndObject();
    }

    public static void WriteConfig(Utf8JsonWriter json, PretrainedConfig config)
    {
        json.WriteStartObject("pretrained_cfg");
        json.WriteString("tag", config.Tag);
        WriteIfKnown(json, "hf_hub_id", config.HubId);
        json.WriteNumber("num_classes", config.NumClasses);
        WriteSize(json, "input_size", config.InputSize);
        if (config.TestInputSize is { } test)
            WriteSize(json, "test_input_size", test);
        if (config.MinInputSize is { } least)
            WriteSize(json, "min_input_size", least);
        json.WriteBoolean("fixed_input_size", config.FixedInputSize);
        if (config.PoolSize.Count > 0)
            WriteNumbers(json, "pool_size", config.PoolSize.Select(p => (float)p));
        WriteNumbers(json, "mean", config.Mean);
        WriteNumbers(json, "std", config.Std);
        json.WriteNumber("crop_pct", config.CropPct);
        if (config.TestCropPct is { } crop)
            json.WriteNumber("test_crop_pct", crop);
        json.WriteString("crop_mode", config.CropMode);
        json.WriteString("interpolation", config.Interpolation);
        WriteIfKnown(json, "license", config.License);
        WritePaths(json, "classifier", config.Classifier);
        WritePaths(json, "first_conv", config.FirstConv);
        json.WriteEndObject();
    }

    public static void WriteStrings(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static void WriteIfKnown(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
            json.WriteString(name, value);
    }

    private static void WritePaths(Utf8JsonWriter json, string name, string? paths)
    {
        if (paths is not null && paths.Contains(','))
            WriteStrings(json, name, paths.Split(','));
        else
            WriteIfKnown(json, name, paths);
    }

    private static void WriteSize(Utf8JsonWriter json, string name, InputSize size) => WriteNumbers(json, name, [size.Channels, size.Height, size.Width]);

    private static void WriteNumbers(Utf8JsonWriter json, string name, IEnumerable<float> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
            json.WriteNumberValue(value);
        json.WriteEndArray();
    }

    // ---------------------------------------------------------------- reading

    public static NetworkDescription Read(JsonElement root, string source)
    {
        var reader = new JsonFields(root, source);
        var architecture = reader.Text("architecture") ?? throw new FileFormatException($"{source} names no architecture: it is no description of a network");
        var cfg = reader.Object("pretrained_cfg") ?? reader.Empty();
        var tag = cfg.Text("tag") ?? "";
        var (model, known) = Models.Find(architecture);
        if (!architecture.Contains('.') && model.Configs.FirstOrDefault(c => c.Tag == tag) is { } tagged)
            (architecture, known) = ($"{architecture}.{tag}", tagged);
        var arguments = reader.Object("model_args") ?? reader.Empty();
        var options = new ModelOptions
        {
            NumClasses = reader.Integer("num_classes"),
            GlobalPool = reader.Text("global_pool") is { } pool ? GlobalPools.Parse(pool) : null,
            InChans = arguments.Integer("in_chans"),
            DropRate = arguments.Number("drop_rate") ?? 0,
            DropPathRate = arguments.Number("drop_path_rate") ?? 0,
            DropBlockRate = arguments.Number("drop_block_rate") ?? 0,
            DropBlockSkip = arguments.Flag("drop_block_skip") ?? false,
            OutputStride = arguments.Integer("output_stride"),
            ImgSize = arguments.Integer("img_size"),
            AttnLayer = arguments.Object("block_args")?.Text("attn_layer"),
            Head = arguments.Text("head"),
            HeadScale = arguments.Number("head_scale"),
            LocalLearning = arguments.Text("local_learning"),
            Parameterisation = arguments.Text("parameterisation"),
            WeightStandardise = arguments.Flag("weight_standardise") ?? false,
            BnEps = arguments.Number("bn_eps"),
            Reparameterised = arguments.Flag("inference_mode") ?? false,
        };
        options.Validate();
        return new(architecture, options, ReadConfig(cfg, known)) { LabelNames = reader.Texts("label_names") ?? [], IsMultiLabel = reader.Flag("multi_label") ?? false };
    }

    private static PretrainedConfig ReadConfig(JsonFields cfg, PretrainedConfig known) => known with
    {
        Tag = cfg.Text("tag") ?? known.Tag,
        HubId = cfg.Text("hf_hub_id") ?? known.HubId,
        NumClasses = cfg.Integer("num_classes") ?? known.NumClasses,
        InputSize = cfg.Size("input_size") ?? known.InputSize,
        TestInputSize = cfg.Size("test_input_size"),
        MinInputSize = cfg.Size("min_input_size"),
        FixedInputSize = cfg.Flag("fixed_input_size") ?? known.FixedInputSize,
        PoolSize = cfg.Numbers("pool_size") is { } pool ? pool.Select(p => (int)p).ToArray() : known.PoolSize,
        Mean = cfg.Numbers("mean") ?? known.Mean,
        Std = cfg.Numbers("std") ?? known.Std,
        CropPct = cfg.Number("crop_pct") ?? known.CropPct,
        TestCropPct = cfg.Number("test_crop_pct"),
        CropMode = cfg.Text("crop_mode") ?? known.CropMode,
        Interpolation = cfg.Text("interpolation") ?? known.Interpolation,
        License = cfg.Text("license") ?? known.License,
        Classifier = cfg.Paths("classifier") ?? known.Classifier,
        FirstConv = cfg.Paths("first_conv") ?? known.FirstConv,
    };
}
