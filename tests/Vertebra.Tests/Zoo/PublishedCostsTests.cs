using Vertebra.Zoo;
using Vertebra.Zoo.Verification;

namespace Vertebra.Tests.Zoo;

/// <summary>Costs beside rows of timm's published benchmark table.</summary>
public class PublishedCostsTests
{
    private const string Header = "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size,param_count,infer_gmacs,infer_macts\n";

    [Theory]
    [InlineData("resnet50.a1_in1k,224,1,1,1,25.56,4.11,11.11")]
    [InlineData("mobilenetv2_100.ra_in1k,224,1,1,1,3.5,0.31,6.68")]
    [InlineData("efficientnet_b0.ra_in1k,224,1,1,1,5.29,0.4,6.75")]
    [InlineData("convnext_tiny.fb_in1k,224,1,1,1,28.59,4.47,13.44")]
    [InlineData("resnetv2_50x1_bit.goog_in21k,224,1,1,1,25.55,4.23,11.11")] // standardised weights are charged by fvcore
    public void Rows_of_the_published_table_agree(string row)
    {
        var compared = Compare(row);
        Assert.True(compared.Agrees, $"{compared}");
        Assert.InRange(compared.MacsRatio, 0.95, 1.005);
        Assert.InRange(compared.ActsRatio, 0.995, 1.005);
    }

    [Theory]
    [InlineData("resnet50.a1_in1k,224,1,1,1,25.56,4.11,10.9")]
    [InlineData("resnet50.a1_in1k,224,1,1,1,25.1,4.11,11.11")]
    [InlineData("resnet50.a1_in1k,224,1,1,1,25.56,4.05,11.11")]
    [InlineData("resnet50.a1_in1k,224,1,1,1,25.56,4.35,11.11")]
    [InlineData("repvgg_a0.rvgg_in1k,224,1,1,1,8.31,1.36,1.79")] // published for the re-parameterised network
    public void Other_costs_do_not(string row) => Assert.False(Compare(row).Agrees);

    [Fact]
    public void A_damaged_table_is_refused_in_one_line()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["no.csv"], "model,top1\nresnet50,80\n");
        File.WriteAllText(folder["word.csv"], Header + "resnet50,224,1,1,1,many,4.11,11.11\n");
        Assert.Contains("no column infer_img_size", Assert.Throws<FileFormatException>(() => PublishedCosts.Read(folder["no.csv"])).Message);
        Assert.Contains("'many' of resnet50 is not a number", Assert.Throws<FileFormatException>(() => PublishedCosts.Read(folder["word.csv"])).Message);
        Assert.Contains("cannot read", Assert.Throws<VertebraException>(() => PublishedCosts.Read(folder["none.csv"])).Message);
    }

    private static CostRow Compare(string row)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["costs.csv"], Header + row + "\n");
        return PublishedCosts.Read(folder["costs.csv"]).Compare(Models.Find(row.Split('.')[0]).Model)!;
    }
}
