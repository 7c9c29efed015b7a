namespace Vertebra.Zoo.Families;

/// <summary>
/// NASNet-A large (Zoph et al. 2018) and PNASNet-5 large (Liu et al. 2018): rows of searched cells. Names, state-dict keys and
/// defaults follow timm.
/// </summary>
public sealed class NasNet : PooledBackbone
{
    private const int StemWidth = 96;
    private readonly Layers.ConvNormAct _stem;
    private readonly List<(SearchedCell Cell, bool IsBesides)> _cells = [];
    private readonly ActivationLayer _act;

    internal NasNet(NasNetSpec spec, ModelOptions options) : base(options, spec.FirstConv, "last_linear")
    {
        RefuseOutputStride(options, "NASNet");
        var stem = spec.FirstConv.Split('.')[0];
        _stem = Child(stem, new Layers.ConvNormAct(InChans, StemWidth, 3, 2, padding: 0, norm: SearchedCell.Norm(StemWidth)));
        AddFeature(StemWidth, 2, stem);
        var (previous, current, reduction) = (StemWidth, StemWidth, 2);
        foreach (var (name, plan, width) in spec.Cells)
        {
            // The level before a reduction is what the reducing cell activates.
            if (plan.Stride > 1 && plan.Entry != CellEntry.Raw)
                AddFeature(current, reduction, $"{name}.conv_1x1.act");
            reduction *= plan.Stride;
            var isBesides = name.StartsWith("reduction", StringComparison.Ordinal);
            _cells.Add((Child(name, new SearchedCell(plan, width, previous, current)), isBesides));
            (previous, current) = (isBesides ? previous : current, width * plan.Outputs.Length);
        }
        _act = Child("act", new ActivationLayer(ActivationKind.Relu));
        AddFeature(current, reduction, "act");
        AddHead(current, options);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        var current = _stem.Forward(x);
        var previous = current;
        foreach (var (cell, isBesides) in _cells)
        {
            var next = cell.Forward(current, previous);
            // After NASNet's reductions, the next cell too sees the cell that the reduction saw as the one before.
            (previous, current) = (isBesides ? previous : current, next);
        }
        return _act.Forward(current);
    }

    private static Family MakeFamily()
    {
        var config = new PretrainedConfig().At(331) with { PoolSize = [11, 11], Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, CropPct = 0.911f, License = "apache-2.0" };
        ModelInfo Row(string name, NasNetSpec spec) =>
            ModelInfo.Row(name, "nasnet", [("tf_in1k", config)], "last_linear", spec.FirstConv, options => new NasNet(spec, options));
        return new(
            "nasnet",
            "Zoph, Vasudevan, Shlens, Le: Learning transferable architectures for scalable image recognition, CVPR 2018, arXiv:1707.07012; Liu et al.: Progressive neural architecture search, ECCV 2018, arXiv:1712.00559",
            [Row("nasnetalarge", new("conv0.conv", [.. NasNetCells()])), Row("pnasnet5large", new("conv_0.conv", [.. ProgressiveCells()]))],
            new Dictionary<string, string>())
        {
            Idea = "A small cell is searched for on small images, and the network for large ones stacks it: normal cells keep the map, reduction cells halve it. PNASNet finds its cell progressively, from simple to complex, with a learned guess of how good a candidate is.",
        };
    }

    private static IEnumerable<(string, CellPlan, int)> NasNetCells()
    {
        const int Width = 168;
        CellPlan normal = new("s5R s3L|s5L s3L|aR -L|aL aL|s3R -R", "L01234");
        CellPlan reduction = new("s5R s7L|mR s7L|aR s5L|-1 a0|s30 mR", "1234", Stride: 2);
        yield return ("cell_stem_0", reduction with { Entry = CellEntry.Raw }, Width / 4);
        yield return ("cell_stem_1", reduction with { Entry = CellEntry.Inline }, Width / 2);
        for (var i = 0; i < 18; i++)
        {
            var (stage, place) = (i / 6, i % 6);
            if (stage > 0 && place == 0)
                yield return ($"reduction_cell_{stage - 1}", reduction, Width << stage);
            yield return ($"cell_{i}", place == 0 ? normal with { Entry = CellEntry.Inline } : normal, Width << stage);
        }
    }

    private static IEnumerable<(string, CellPlan, int)> ProgressiveCells()
    {
        const int Width = 216;
        CellPlan normal = new("s5L mL|s7R mR|s5R s3R|s32 mR|s3L -R", "01234");
        CellPlan reduction = normal with { Combinations = "s5L mL|s7R mR|s5R s3R|s32 mR|s3L cR", Stride = 2 };
        yield return ("cell_stem_0", reduction with { Entry = CellEntry.Raw }, Width / 4);
        yield return ("cell_stem_1", reduction with { Entry = CellEntry.Halving }, Width / 2);
        for (var i = 0; i < 12; i++)
        {
            var stage = i / 4;
            // The cell after a reduction sees a larger map as the one before.
            yield return ($"cell_{i}", i is 4 or 8 ? reduction : i is 0 or 5 or 9 ? normal with { Entry = CellEntry.Halving } : normal, Width << stage);
        }
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="FirstConv">Path of the convolution that sees the image.</param>
/// <param name="Cells">The cells in order: name, plan and width.</param>
internal sealed record NasNetSpec(string FirstConv, IReadOnlyList<(string Name, CellPlan Plan, int Width)> Cells);
