using System.Diagnostics;
using System.Runtime.InteropServices;
using Vertebra.Autograd;
using Vertebra.Ops;

namespace Vertebra;

/// <summary>
/// An array of numbers: contiguous, row-major, aligned to 64 bytes, owned by the garbage collector; it need never be
/// disposed of. A <see cref="IsMeta">meta</see> tensor has a shape and no data, and ops on it compute shapes only.
/// Ops are extension methods (<see cref="TensorOps"/>); they never change their operands.
/// </summary>
[DebuggerDisplay("{ToString(),nq}")]
public sealed class Tensor
{
    private Storage? _storage;
    private bool _requiresGrad;
    private object? _derived;
    private int _derivedVersion;

    internal Tensor(TensorSpec spec, Storage? storage)
    {
        Spec = spec;
        _storage = storage;
    }

    public TensorSpec Spec { get; }

    public Shape Shape => Spec.Shape;

    public DType DType => Spec.DType;

    /// <summary>Number of axes.</summary>
    public int Rank => Spec.Shape.Rank;

    public long ElementCount => Spec.Shape.ElementCount;

    /// <summary>True when there is a shape and no data.</summary>
    public bool IsMeta => _storage is null;

    /// <summary>
    /// True when gradients are to be found for this tensor: set on leaves (parameters), and true of every result that was
    /// computed from one while gradients were recorded.
    /// </summary>
    /// <exception cref="VertebraException">Set on a tensor that is not of a floating-point type.</exception>
    public bool RequiresGrad
    {
        get => _requiresGrad || GradNode is not null;
        set => _requiresGrad = !value || DType.IsFloat() ? value
            : throw new VertebraException($"a tensor of {DType} cannot have a gradient: only floating-point ones can");
    }

    /// <summary>The gradient that <see cref="Backpropagation.Backward"/> summed up for this leaf, of the same shape; null before.</summary>
    public Tensor? Grad { get; set; }

    /// <summary>The op application that made this tensor, when a gradient can flow through it.</summary>
    internal GradNode? GradNode { get; set; }

    /// <summary>Which output of <see cref="GradNode"/> this is.</summary>
    internal int GradIndex { get; set; }

    /// <summary>Counts the writes in place; what was derived from older data (packed weights) is stale.</summary>
    internal int Version { get; private set; }

    // ---------------------------------------------------------------- making

    /// <summary>A tensor with undefined contents.</summary>
    internal static Tensor Empty(Shape shape, DType dtype = DType.Float32)
    {
        var spec = new TensorSpec(shape, dtype);
        MemoryBudget.Check(spec);
        return new(spec, new Storage(spec.Bytes));
    }

    /// <summary>A tensor that has a shape and no data.</summary>
    public static Tensor Meta(Shape shape, DType dtype = DType.Float32) => new(new(shape, dtype), null);

    public static Tensor Zeros(Shape shape, DType dtype = DType.Float32)
    {
        var tensor = Empty(shape, dtype);
        tensor.Clear();
        return tensor;
    }

    public static Tensor Ones(Shape shape) => Full(shape, 1);

    /// <summary>A float32 tensor with every element equal to <paramref name="value"/>.</summary>
    public static Tensor Full(Shape shape, float value)
    {
        var tensor = Empty(shape);
        tensor.AsSpan<float>().Fill(value);
        return tensor;
    }

    /// <summary>A float32 scalar.</summary>
    public static Tensor Scalar(float value) => Full(Shape.Scalar, value);

    /// <summary>A copy of <paramref name="values"/> in the given shape, row-major.</summary>
    /// <exception cref="ShapeException">The number of values is not the shape's.</exception>
    public static Tensor From<T>(ReadOnlySpan<T> values, Shape shape) where T : unmanaged
    {
        if (values.Length != shape.ElementCount)
            throw new ShapeException($"{values.Length} values do not fill shape {shape} of {shape.ElementCount} elements");
        var tensor = Empty(shape, DTypes.Of<T>());
        values.CopyTo(tensor.AsSpan<T>());
        GC.KeepAlive(tensor);
        return tensor;
    }

    /// <inheritdoc cref="From{T}(ReadOnlySpan{T}, Shape)"/>
    public static Tensor From<T>(T[] values, Shape shape) where T : unmanaged => From<T>(values.AsSpan(), shape);

    /// <summary>A vector of the given values.</summary>
    public static Tensor From<T>(params T[] values) where T : unmanaged => From(values, [values.Length]);

    // ---------------------------------------------------------------- reading and writing

    /// <summary>A copy of the elements, row-major.</summary>
    /// <exception cref="VertebraException"><typeparamref name="T"/> is not the element type, or the tensor is meta.</exception>
    public T[] ToArray<T>() where T : unmanaged
    {
        var copy = AsSpan<T>().ToArray();
        GC.KeepAlive(this);
        return copy;
    }

    /// <summary>The only element of a float32 tensor of one element, as a number.</summary>
    public float ToScalar()
    {
        if (ElementCount != 1)
            throw new ShapeException($"ToScalar: shape {Shape} has {ElementCount} elements, not one");
        var value = AsSpan<float>()[0];
        GC.KeepAlive(this);
        return value;
    }

    /// <summary>One float32 element by its position on every axis.</summary>
    public float this[params ReadOnlySpan<int> position]
    {
        get
        {
            if (position.Length != Rank)
                throw new ShapeException($"{position.Length} indices do not address shape {Shape} of rank {Rank}");
            long offset = 0;
            for (var axis = 0; axis < position.Length; axis++)
            {
                if ((uint)position[axis] >= (uint)Shape[axis])
                    throw new ShapeException($"index {position[axis]} is outside axis {axis} of shape {Shape}");
                offset = (offset * Shape[axis]) + position[axis];
            }
            var value = AsSpan<float>()[(int)offset];
            GC.KeepAlive(this);
            return value;
        }
    }

    /// <summary>Overwrites the elements in place. Not recorded for gradients: for leaves, running statistics and buffers.</summary>
    public void CopyFrom<T>(ReadOnlySpan<T> values) where T : unmanaged
    {
        if (values.Length != ElementCount)
            throw new ShapeException($"{values.Length} values do not fill shape {Shape}");
        values.CopyTo(AsSpan<T>());
        MarkWritten();
    }

    /// <summary>Overwrites the elements in place with those of a tensor of the same shape and dtype.</summary>
    public unsafe void CopyFrom(Tensor source)
    {
        if (source.Spec != Spec)
            throw new ShapeException($"a {source.Spec} cannot be copied into a {Spec}");
        Buffer.MemoryCopy(source.DataPointer, DataPointer, Spec.Bytes, Spec.Bytes);
        GC.KeepAlive(source);
        MarkWritten();
    }

    /// <summary>Sets every element to zero in place.</summary>
    internal unsafe void Clear()
    {
        NativeMemory.Clear(DataPointer, (nuint)Spec.Bytes);
        MarkWritten();
        GC.KeepAlive(this);
    }

    /// <summary>A copy with its own memory, outside any gradient.</summary>
    public Tensor Clone()
    {
        if (IsMeta)
            return Meta(Shape, DType);
        var copy = Empty(Shape, DType);
        copy.CopyFrom(this);
        return copy;
    }

    /// <summary>The same data outside any gradient: nothing flows back through it.</summary>
    public Tensor Detach() => new(Spec, _storage);

    /// <summary>The same memory under another shape; the caller has checked the element count. Not recorded: ops use it.</summary>
    internal Tensor View(Shape shape) => new(new(shape, DType), _storage);

    /// <summary>True when the other tensor has the same spec and the same bits; neither is meta.</summary>
    internal unsafe bool ContentEquals(Tensor other)
    {
        if (Spec != other.Spec)
            return false;
        byte* mine = (byte*)DataPointer, theirs = (byte*)other.DataPointer;
        const int Block = 1 << 30;
        for (long at = 0; at < Spec.Bytes; at += Block)
        {
            var length = (int)Math.Min(Block, Spec.Bytes - at);
            if (!new ReadOnlySpan<byte>(mine + at, length).SequenceEqual(new ReadOnlySpan<byte>(theirs + at, length)))
                return false;
        }
        GC.KeepAlive(this);
        GC.KeepAlive(other);
        return true;
    }

    /// <summary>True when both tensors lie on the same memory.</summary>
    internal bool SharesMemoryWith(Tensor other) => _storage is not null && ReferenceEquals(_storage, other._storage);

    /// <summary>
    /// The elements in place. The memory goes back to the pool when this tensor is collected, and a span does not keep it
    /// alive: hold the tensor (a field, or <see cref="GC.KeepAlive"/>) for as long as the span is used, and call
    /// <see cref="MarkWritten"/> after writing.
    /// </summary>
    internal unsafe Span<T> AsSpan<T>() where T : unmanaged =>
        ElementCount <= int.MaxValue ? new(Pointer<T>(), (int)ElementCount)
        : throw new VertebraException($"a tensor of shape {Shape} is too large for a span");

    /// <summary>The first element; valid only while this tensor is reachable (an op's operands and results are kept so around its kernel).</summary>
    internal unsafe T* Pointer<T>() where T : unmanaged
    {
        if (DType != DTypes.Of<T>())
            throw new VertebraException($"a tensor of {DType} cannot be read as {typeof(T).Name}; convert it with To({DTypes.Of<T>()}) first");
        return (T*)DataPointer;
    }

    /// <summary>The first byte, whatever the element type.</summary>
    internal unsafe byte* DataPointer => (_storage ?? throw new VertebraException($"a meta tensor of shape {Shape} has no data")).Pointer;

    /// <summary>To be called after writing to <see cref="AsSpan{T}"/>.</summary>
    internal void MarkWritten() => Version++;

    /// <summary>
    /// A value derived from the data (weights packed for a kernel), made once and again after every write. One is kept:
    /// a tensor serves one kind of kernel.
    /// </summary>
    internal T Derived<T>(Func<Tensor, T> make) where T : class
    {
        if (_derived is T value && _derivedVersion == Version)
            return value;
        value = make(this);
        _derivedVersion = Version;
        _derived = value;
        return value;
    }

    /// <summary>Gives the memory back at once; the tensor becomes meta. Only for owners of intermediates that nobody else can hold.</summary>
    internal void ReleaseMemory()
    {
        _storage?.Release();
        _storage = null;
    }

    /// <summary>
    /// Lets go of the data and keeps what was <see cref="Derived{T}"/> from it; the tensor becomes meta. For owners who know that
    /// only the derived form is read.
    /// </summary>
    internal void DropData() => _storage = null;

    /// <summary>A tensor on a part of other storage, which it keeps alive.</summary>
    internal static Tensor At(Storage storage, long offset, TensorSpec spec) => new(spec, new Storage(storage, offset));

    public override string ToString()
    {
        if (IsMeta || ElementCount > 16 || DType != DType.Float32)
            return IsMeta ? $"meta {Spec}" : Spec.ToString();
        return $"{Spec} {{{string.Join(", ", ToArray<float>())}}}";
    }
}
