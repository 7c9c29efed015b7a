using Vertebra.Ops;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>The orthonormal two-dimensional discrete cosine transform (DCT-II and its inverse, DCT-III) of maps, channel by channel.</summary>
public sealed class CosineTransform
{
    private readonly Tensor _rows;
    private readonly Tensor _columns;

    /// <param name="height">Rows of the maps.</param>
    /// <param name="width">Columns of the maps.</param>
    public CosineTransform(int height, int width) => (_rows, _columns) = (Matrix(height), Matrix(width));

    /// <summary>A map [N, H, W, C] as frequencies [N, H, W, C]; the direct component stands first.</summary>
    public Tensor Forward(Tensor map) => Apply(map, transposed: false);

    /// <summary>Frequencies as a map: the inverse of <see cref="Forward"/>.</summary>
    public Tensor Inverse(Tensor frequencies) => Apply(frequencies, transposed: true);

    /// <summary>A map without its direct component: to frequencies, the first of them to 0, and back.</summary>
    public Tensor WithoutDirectComponent(Tensor map)
    {
        var kept = new float[_rows.Shape[0] * _columns.Shape[0]];
        Array.Fill(kept, 1, 1, kept.Length - 1);
        return Inverse(Forward(map) * Tensor.From(kept, [1, _rows.Shape[0], _columns.Shape[0], 1]));
    }

    private Tensor Apply(Tensor x, bool transposed)
    {
        var (n, h, w, c) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]);
        x = _rows.MatMul(x.Reshape([n, h, w * c]), transposeA: transposed);
        return _columns.MatMul(x.Reshape([n, h, w, c]), transposeA: transposed);
    }

    private static Tensor Matrix(int size)
    {
        var matrix = new float[size * size];
        for (var k = 0; k < size; k++)
        {
            var scale = Math.Sqrt((k == 0 ? 1.0 : 2.0) / size);
            for (var i = 0; i < size; i++)
                matrix[(k * size) + i] = (float)(scale * Math.Cos(Math.PI * k * ((2 * i) + 1) / (2.0 * size)));
        }
        return Tensor.From(matrix, [size, size]);
    }
}
