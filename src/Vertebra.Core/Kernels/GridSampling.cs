using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Images [N, H, W, C] read at free places, which a grid [N, OH, OW, 2] names as (x, y) in [-1, 1].</summary>
internal sealed unsafe class GridSampling(int height, int width, int channels, int places, InterpolationMode mode, GridPadding padding, bool alignCorners)
{
    private const int PlacesPerPart = 256;

    /// <summary>The values at the places: y is [N, OH, OW, C].</summary>
    public void Forward(int images, float* x, float* grid, float* y)
    {
        var parts = (places + PlacesPerPart - 1) / PlacesPerPart;
        Workers.Run(checked(images * parts), part =>
        {
            var (image, first) = (part / parts, part % parts * PlacesPerPart);
            var origin = ((long)image * places) + first;
            Level.Run(new Reading(this, Math.Min(PlacesPerPart, places - first), x + (image * ImageSize), grid + (origin * 2), y + (origin * channels)));
        });
    }

    /// <summary>The gradients of images (cleared before) and grid. One image is one part: places share pixels.</summary>
    public void Backward(int images, float* x, float* grid, float* dy, float* dx, float* dgrid) => Workers.Run(images, image =>
    {
        var origin = (long)image * places;
        Level.Run(new Returning(this, x + (image * ImageSize), grid + (origin * 2), dy + (origin * channels), dx + (image * ImageSize), dgrid + (origin * 2)));
    });

    private long ImageSize => (long)height * width * channels;

    private GridTaps Columns(float* place) => GridTaps.At(place[0], width, mode, padding, alignCorners);

    private GridTaps Rows(float* place) => GridTaps.At(place[1], height, mode, padding, alignCorners);

    private long Pixel(int row, int column) => (((long)row * width) + column) * channels;

    private readonly struct Reading(GridSampling own, int count, float* x, float* grid, float* y) : IKernel
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var channels = own.Channels;
            for (var place = 0; place < count; place++)
            {
                var (rows, columns) = (own.Rows(grid + (2 * place)), own.Columns(grid + (2 * place)));
                var target = y + ((long)place * channels);
                new Span<float>(target, channels).Clear();
                for (var i = 0; i < rows.Count; i++)
                {
                    for (var j = 0; j < columns.Count; j++)
                        Lines.AddScaled<TVector>(x + own.Pixel(rows.Index[i], columns.Index[j]), rows.Weight[i] * columns.Weight[j], target, channels);
                }
            }
        }
    }

    private readonly struct Returning(GridSampling own, float* x, float* grid, float* dy, float* dx, float* dgrid) : IKernel
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var channels = own.Channels;
            for (var place = 0; place < own.Places; place++)
            {
                var (rows, columns) = (own.Rows(grid + (2 * place)), own.Columns(grid + (2 * place)));
                var upper = dy + ((long)place * channels);
                float alongX = 0, alongY = 0;
                for (var i = 0; i < rows.Count; i++)
                {
                    for (var j = 0; j < columns.Count; j++)
                    {
                        var pixel = own.Pixel(rows.Index[i], columns.Index[j]);
                        Lines.AddScaled<TVector>(upper, rows.Weight[i] * columns.Weight[j], dx + pixel, channels);
                        var product = Lines.Dot<TVector>(x + pixel, upper, channels);
                        alongX += rows.Weight[i] * columns.Slope[j] * product;
                        alongY += rows.Slope[i] * columns.Weight[j] * product;
                    }
                }
                (dgrid[2 * place], dgrid[(2 * place) + 1]) = (alongX, alongY);
            }
        }
    }

    private int Channels => channels;

    private int Places => places;
}

/// <summary>Short runs of channels on the calling thread.</summary>
internal static unsafe class Lines
{
    /// <summary>target += weight · source.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddScaled<TVector>(float* source, float weight, float* target, int count) where TVector : unmanaged, IVector<TVector>
    {
        var factor = TVector.Create(weight);
        var i = 0;
        for (; i <= count - TVector.Count; i += TVector.Count)
            TVector.Fma(TVector.Load(source + i), factor, TVector.Load(target + i)).Store(target + i);
        var rest = count - i;
        if (rest > 0)
            TVector.Fma(TVector.LoadFirst(source + i, rest), factor, TVector.LoadFirst(target + i, rest)).StoreFirst(target + i, rest);
    }

    /// <summary>The sum of a[i] · b[i].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Dot<TVector>(float* a, float* b, int count) where TVector : unmanaged, IVector<TVector>
    {
        var sum = TVector.Zero;
        var i = 0;
        for (; i <= count - TVector.Count; i += TVector.Count)
            sum = TVector.Fma(TVector.Load(a + i), TVector.Load(b + i), sum);
        var rest = count - i;
        if (rest > 0)
            sum = TVector.Fma(TVector.LoadFirst(a + i, rest), TVector.LoadFirst(b + i, rest), sum);
        return TVector.Sum(sum);
    }
}
