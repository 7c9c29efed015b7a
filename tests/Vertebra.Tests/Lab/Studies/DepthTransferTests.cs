using Vertebra.Lab.Data;
using Vertebra.Lab.Studies;
using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Autograd;
using Vertebra.Tests.Lab.Training;
using Vertebra.Zoo.Layers;
using Xunit.Abstractions;
using static Vertebra.Ops.TensorOps;

namespace Vertebra.Tests.Lab.Studies;

/// <summary>Learning rates over depth.</summary>
public class DepthTransferTests(ITestOutputHelper output)
{
    // How far one update moves the features: with plain branches L times as far at L times the depth, with depth-muP as far at any.
    [Theory]
    [InlineData("adam", null)]
    [InlineData("adam", Parameterisation.DepthMuP)]
    [InlineData("sgd", null)]
    [InlineData("sgd", Parameterisation.DepthMuP)]
    public void One_update_moves_features_by_depth_or_not(string optimizer, string? parameterisation)
    {
        var growth = Movement(optimizer, parameterisation, 64) / Movement(optimizer, parameterisation, 8);
        output.WriteLine($"{growth}");
        if (parameterisation is null)
            Assert.InRange(growth, 2.5, 16);
        else
            Assert.InRange(growth, 0.6, 1.7);
    }

    [Fact]
    public void A_study_finds_the_best_rate_of_each_depth_and_says_what_carrying_it_over_costs()
    {
        var settings = new DepthTransferSettings { Depths = [2, 4], RateExponents = (-12, -2), Width = 16, Updates = 20, BatchSize = 16, ImgSize = 8 };
        var done = 0;
        var study = DepthTransfer.Run(new ColourDataset(96), settings, (_, total) => Assert.Equal(44, total - (0 * done++)));
        Assert.Equal(44, done);
        Assert.Equal(44, study.Runs.Count);
        foreach (var name in new[] { "standard", "depth-mup" })
        {
            Assert.Equal(study.Best(name, 2), study.Carried(name, 2));
            Assert.True(study.Carried(name, 4).Loss >= study.Best(name, 4).Loss);
        }
        Assert.Equal(4, study.Table.Count);
        Assert.Equal(45, study.ToCsv().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("depth 4", study.ToHtml("colours"), StringComparison.Ordinal);
        Assert.Contains("--rates is -2 -12", Assert.Throws<VertebraException>(() => (settings with { RateExponents = (-2, -12) }).Validate()).Message, StringComparison.Ordinal);
    }

    private static double Movement(string optimizer, string? parameterisation, int depth)
    {
        var network = new ResidualMlp(48, 64, depth, 3, parameterisation);
        network.Initialise(7);
        // A classifier of zeros would let nothing through to the blocks.
        var classifier = network.NamedParameters().Single(p => p.Name == "classifier.weight").Tensor;
        classifier.CopyFrom(Cases.OpCases.Uniform(classifier.Shape, 5, -0.1f, 0.1f));
        var images = Cases.OpCases.Uniform([32, 4, 4, 3], 6);
        var before = network.Features(images).ToArray<float>();
        var update = Optimizers.Create(ParameterisationRates.Apply(ParameterGroup.Of(network, 0), network, optimizer), new() { Opt = optimizer, WeightDecay = 0 });
        update.LearningRate = 1e-5;
        network.Train();
        network.Forward(images).CrossEntropy(Cases.OpCases.Indices([32], 3, 8).To(DType.Int64)).Backward();
        // The blocks' part alone: the first layer is the same at any depth.
        network.NamedParameters().Where(p => !p.Name.StartsWith("block", StringComparison.Ordinal)).ToList().ForEach(p => p.Tensor.Grad = null);
        update.Step();
        return Math.Sqrt(network.Features(images).ToArray<float>().Zip(before, (a, b) => Math.Pow(a - b, 2)).Average());
    }
}
