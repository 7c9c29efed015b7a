using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;
using Vertebra.Nn;
using Vertebra.Tests.Cli;

namespace Vertebra.Tests.Onnx;

/// <summary><c>vertebra run</c>, as a user calls it.</summary>
public class RunVerbTests
{
    private static ModelBuilder TwoInputs() =>
        new ModelBuilder().OpenInput("a", "n", 2).OpenInput("b", "n", 2).Node("Sub", "a b", "y").Node("Mul", "a b", "z").Output("y").Output("z");

    [Fact]
    public void Arrays_go_in_and_come_out()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["net.onnx"], TwoInputs().Bytes());
        Npy.Write(folder["a.npy"], Tensor.From([1f, 2, 3, 4], [2, 2]));
        Npy.Write(folder["b.npy"], Tensor.From([5f, 7], [1, 2]));
        var output = CommandLine.Run(folder.Path, "run", "net.onnx", "--input", "a=a.npy", "--input", "b=b.npy", "--output", "z=z.npy", "--topk", "1").Succeeded();
        Assert.Contains("output y float32[2, 2]", output);
        Assert.Equal([5f, 14, 15, 28], Npy.Read(folder["z.npy"]).ToArray<float>());
        Assert.Contains("28.00000      1", output);
    }

    [Fact]
    public void A_photo_is_prepared_as_the_file_says_and_its_classes_are_named()
    {
        using var folder = new TemporaryFolder();
        var image = new RgbImage(8, 8);
        image.Pixels.AsSpan().Fill(255);
        PngWriter.Save(folder["white.png"], image);
        var model = new ModelBuilder().OpenInput("x", "batch", 3, 4, 4).Node("ReduceMean", "x", "y", ("axes", new long[] { 2, 3 }), ("keepdims", 0)).Output("y");
        File.WriteAllBytes(folder["plain.onnx"], model.Bytes());
        var assumed = CommandLine.Run(folder.Path, "run", "plain.onnx", "--image", "white.png", "--topk", "3");
        // (1 - 0.406) / 0.225 is the largest of the three.
        Assert.Contains("2.64000      2", assumed.Succeeded());
        Assert.Contains("assumed; the file does not say", assumed.Errors);

        foreach (var (key, value) in (ReadOnlySpan<(string, string)>)[("input_size", "[3,4,4]"), ("mean", "[0,0.5,0]"), ("std", "[1,0.25,0.5]"), ("crop_pct", "1"), ("label_names", "red\ngreen\nblue")])
            model.Model.MetadataProps.Add(new Vertebra.Onnx.Format.StringStringEntryProto { Key = key, Value = value });
        File.WriteAllBytes(folder["stated.onnx"], model.Bytes());
        var stated = CommandLine.Run(folder.Path, "run", "stated.onnx", "--image", "white.png", "--topk", "2");
        Assert.Contains("2.00000      1  green", stated.Succeeded());
        Assert.Contains("from the file", stated.Errors);
    }

    [Fact]
    public void Wrong_requests_are_refused_in_one_line()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["net.onnx"], TwoInputs().Bytes());
        File.WriteAllBytes(folder["bad.onnx"], [1, 2, 3]);
        Npy.Write(folder["a.npy"], Tensor.From([1f, 2, 3], [1, 3]));
        Assert.Contains("either --image or --input", CommandLine.Run(folder.Path, "run", "net.onnx").Refused());
        Assert.Contains("NAME=FILE", CommandLine.Run(folder.Path, "run", "net.onnx", "--input", "a.npy").Refused());
        Assert.Contains("is given with the shape [1, 3]", CommandLine.Run(folder.Path, "run", "net.onnx", "--input", "a=a.npy").Refused());
        Npy.Write(folder["a.npy"], Tensor.From([1f, 2], [1, 2]));
        Assert.Contains("the input b", CommandLine.Run(folder.Path, "run", "net.onnx", "--input", "a=a.npy").Refused());
        Assert.Contains("not an ONNX model", CommandLine.Run(folder.Path, "run", "bad.onnx", "--input", "a.npy").Refused());
        Assert.Contains("one image", CommandLine.Run(folder.Path, "run", "net.onnx", "--image", "a.npy").Refused());
    }
}
