namespace Vertebra.Kernels;

/// <summary>A function applied to numbers where they lie.</summary>
internal unsafe interface ILineFunction
{
    /// <summary>line[i] = f(line[i]), on the calling thread.</summary>
    void Apply(float* line, long count);
}

/// <summary>
/// What a product or convolution does to its sums before they leave the cache: f(sum + bias + residual). Limits are applied in the
/// tile's registers; another function in a second pass over the rows that a part has just written. The default does nothing.
/// </summary>
internal unsafe struct Epilogue
{
    /// <summary>Null, or numbers laid out as the result, which may lie on the same memory.</summary>
    public float* Residual;

    /// <summary>Whether results are kept between <see cref="Low"/> and <see cref="High"/>.</summary>
    public bool Clamps;
    public float Low, High;

    /// <summary>Null, or what is applied last.</summary>
    public ILineFunction? Function;

    /// <summary>The residual beside a place of the result that starts at <paramref name="origin"/>; null without one.</summary>
    public readonly float* ResidualAt(float* origin, float* place) => Residual == null ? null : Residual + (place - origin);

    /// <summary>Limits the results of a tile, or leaves them.</summary>
    public readonly void SetLimits(TileJob* job, bool isLast) => (job->Clamps, job->Low, job->High) = (Clamps && isLast, Low, High);

    /// <summary>Applies the function to <paramref name="lines"/> runs of <paramref name="count"/> numbers, <paramref name="stride"/> apart.</summary>
    public readonly void Finish(float* first, long lines, nint stride, long count)
    {
        if (Function is null || lines <= 0 || count <= 0)
            return;
        if (count == stride)
        {
            Function.Apply(first, lines * count);
            return;
        }
        for (; lines > 0; lines--, first += stride)
            Function.Apply(first, count);
    }
}
