namespace Vertebra.Nn;

/// <summary>
/// How modules built on this thread make their parameters: filled at once (the default), left for
/// <see cref="Module.Initialise"/> or a checkpoint to fill, or without data at all.
/// </summary>
public static class Construction
{
    [ThreadStatic] private static ParameterFilling t_mode;
    private static long s_made;

    /// <summary>Until the scope ends, parameters have shapes and no data: for counting, listing and tracing networks of any size.</summary>
    public static Scope Meta() => new(ParameterFilling.Meta);

    /// <summary>Until the scope ends, parameters are zero: for those who fill them from a checkpoint or by <see cref="Module.Initialise"/>.</summary>
    public static Scope Deferred() => new(ParameterFilling.Deferred);

    /// <summary>True inside <see cref="Meta"/>: buffers too are to be made without data.</summary>
    public static bool IsMeta => t_mode == ParameterFilling.Meta;

    /// <summary>A buffer of zeros, or without data inside <see cref="Meta"/>.</summary>
    public static Tensor Zeros(Shape shape, DType dtype = DType.Float32) => IsMeta ? Tensor.Meta(shape, dtype) : Tensor.Zeros(shape, dtype);

    /// <summary>A buffer of ones, or without data inside <see cref="Meta"/>.</summary>
    public static Tensor Ones(Shape shape) => IsMeta ? Tensor.Meta(shape) : Tensor.Ones(shape);

    internal static Tensor Make(Shape shape, Initialiser initialiser)
    {
        if (t_mode == ParameterFilling.Meta)
            return Tensor.Meta(shape);
        var tensor = Tensor.Zeros(shape);
        if (t_mode == ParameterFilling.Filled)
            initialiser(tensor, new Philox(0, (ulong)Interlocked.Increment(ref s_made)));
        return tensor;
    }

    /// <summary>Restores the former way at its end.</summary>
    public readonly ref struct Scope
    {
        private readonly ParameterFilling _former;

        internal Scope(ParameterFilling mode)
        {
            _former = t_mode;
            t_mode = mode;
        }

        public void Dispose() => t_mode = _former;
    }
}

internal enum ParameterFilling
{
    Filled,
    Deferred,
    Meta,
}
