namespace Vertebra.Graphs.Profiling;

/// <summary>
/// Along one image axis, the input positions that can reach a result: position i of the result depends on the input positions
/// from <paramref name="First"/> + i · <paramref name="Stride"/> to <paramref name="Last"/> + i · <paramref name="Stride"/>, borders
/// aside. Where the result is of finer steps than its source (upsampling), the bounds hold for every position.
/// </summary>
/// <param name="Stride">Input positions per position of the result: the effective stride.</param>
/// <param name="First">Where the field of position 0 begins, in input positions.</param>
/// <param name="Last">Where it ends, inclusive.</param>
public readonly record struct AxisField(double Stride, double First, double Last)
{
    /// <summary>An input pixel seen by itself.</summary>
    public static AxisField Pixel => new(1, 0, 0);

    /// <summary>Every position depends on the whole axis.</summary>
    public static AxisField Whole => new(double.PositiveInfinity, double.NegativeInfinity, double.PositiveInfinity);

    /// <summary>True when every position depends on the whole axis.</summary>
    public bool IsWhole => double.IsInfinity(Stride);

    /// <summary>Input positions in the field; infinite for the whole axis.</summary>
    public double Size => IsWhole ? double.PositiveInfinity : Last - First + 1;

    /// <summary>The field after a window that reads positions <paramref name="first"/> + i · <paramref name="step"/> to <paramref name="last"/> + i · <paramref name="step"/> of this result.</summary>
    public AxisField Through(double step, double first, double last) =>
        IsWhole ? this : new(Stride * step, First + (Stride * first), Last + (Stride * last));

    /// <summary>Both fields together; null when their strides differ, so that no single window describes them.</summary>
    public AxisField? With(AxisField other) =>
        IsWhole || other.IsWhole ? Whole
        : Math.Abs(Stride - other.Stride) > 1e-9 * Stride ? null
        : new(Stride, Math.Min(First, other.First), Math.Max(Last, other.Last));

    public override string ToString() => IsWhole ? "global" : FormattableString.Invariant($"{Size:0.##}/{Stride:0.##}");
}

/// <summary>The theoretical receptive field of a value: the part of the input image that can change one of its elements.</summary>
/// <param name="Height">Along the rows; null where no single window describes it.</param>
/// <param name="Width">Along the columns; null where no single window describes it.</param>
public sealed record ReceptiveField(AxisField? Height, AxisField? Width)
{
    public override string ToString() => (Height, Width) switch
    {
        ({ } h, { } w) when h == w => h.IsWhole ? "global" : FormattableString.Invariant($"{h.Size:0.##}"),
        _ => $"{Text(Height)}x{Text(Width)}",
    };

    private static string Text(AxisField? field) =>
        field is not { } known ? "?" : known.IsWhole ? "global" : FormattableString.Invariant($"{known.Size:0.##}");
}
