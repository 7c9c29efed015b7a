using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Vertebra.Kernels;

/// <summary>Runs one part of a piece of work.</summary>
/// <param name="state">What the work needs, the same for all parts.</param>
/// <param name="part">Number of the part.</param>
public delegate void PartBody<TState>(in TState state, int part) where TState : struct;

/// <summary>
/// The thread pool of the kernels: a fixed set of threads, a static partition, no allocation per call when the body is
/// static and takes what it needs as a struct. A kernel splits its work into parts by shape alone (never by the number of threads), so results
/// have the same bits at any <see cref="Count"/>.
/// </summary>
public static unsafe class Workers
{
    // A worker looks for work this long before it sleeps: kernels of one network follow each other within microseconds.
    private const double SpinMicroseconds = 200;

    // The low half of the ticket when there is nothing to take.
    private const int Closed = int.MaxValue;

    private static readonly Lock Gate = new();
    private static readonly object Bed = new();
    private static readonly List<Thread> Threads = [];
    private static int s_count = Environment.ProcessorCount;
    private static int s_sleepers;

    // The one job there can be at a time. A part is taken by raising the low half of the ticket; the high half is the number
    // of the job, so that a worker that dozed over a whole job cannot take a part with what it read before.
    private static long s_ticket = Closed;
    private static int s_parts;
    private static int s_done;
    private static int s_helpers;
    private static object? s_body;
    private static void* s_state;
    private static delegate*<object, void*, int, void> s_call;
    private static volatile Exception? s_failure;

    [ThreadStatic] private static bool t_inside;

    private static WorkWatch? s_watch;

    /// <summary>Is told of every piece of work while it is set; for profiles. Null otherwise.</summary>
    internal static WorkWatch? Watch
    {
        get => s_watch;
        set => s_watch = value;
    }

    /// <summary>Number of threads that kernels use, at least 1; the machine's processor count unless set.</summary>
    public static int Count
    {
        get => s_count;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            s_count = value;
        }
    }

    /// <summary>
    /// Calls <paramref name="body"/> once for every part in [0, <paramref name="parts"/>), on several threads where that helps,
    /// and returns when all are done. Parts are independent; which thread runs a part is not defined. A call from inside a
    /// part, or while another thread is in here, runs on the calling thread. The first exception of a part is thrown again
    /// here; parts not begun by then are left out. With a static body nothing is allocated.
    /// </summary>
    /// <param name="parts">Number of parts.</param>
    /// <param name="state">What the body needs; every part sees this one copy.</param>
    /// <param name="body">Runs one part.</param>
    public static void Run<TState>(int parts, TState state, PartBody<TState> body) where TState : struct
    {
        if (s_watch is { } watch && !t_inside)
            watch.Saw(parts);
        if (parts <= 1 || s_count == 1 || t_inside || !Gate.TryEnter())
        {
            for (var i = 0; i < parts; i++)
                body(state, i);
            return;
        }
        t_inside = true;
        try
        {
            // The state stays where it is, on this thread's stack, until every part is done.
            RunShared(parts, body, Unsafe.AsPointer(ref state), &Call<TState>);
        }
        finally
        {
            t_inside = false;
            Gate.Exit();
        }
    }

    /// <summary>The same for work whose closure costs nothing beside it; a kernel of inference passes a state instead.</summary>
    public static void Run(int parts, Action<int> body) => Run(parts, new Closure(body), static (in closure, part) => closure.Body(part));

    private readonly record struct Closure(Action<int> Body);

    private static void Call<TState>(object body, void* state, int part) where TState : struct =>
        Unsafe.As<PartBody<TState>>(body)(in Unsafe.AsRef<TState>(state), part);

    private static void RunShared(int parts, object body, void* state, delegate*<object, void*, int, void> call)
    {
        var helpers = Math.Min(s_count, parts) - 1;
        while (Threads.Count < helpers)
        {
            StartThread(Threads.Count);
        }
        s_parts = parts;
        s_body = body;
        s_state = state;
        s_call = call;
        s_helpers = helpers;
        s_failure = null;
        Volatile.Write(ref s_done, 0);
        var job = (s_ticket >> 32) + 1;
        Interlocked.Exchange(ref s_ticket, job << 32);
        if (Volatile.Read(ref s_sleepers) > 0)
        {
            lock (Bed)
                Monitor.PulseAll(Bed);
        }
        while (TryRunPart())
        {
        }
        var spinner = new SpinWait();
        while (Volatile.Read(ref s_done) != parts)
            spinner.SpinOnce(sleep1Threshold: -1);
        Interlocked.Exchange(ref s_ticket, job << 32 | Closed);
        s_body = null;
        s_state = null;
        if (s_failure is { } failure)
            ExceptionDispatchInfo.Throw(failure);
    }

    // Apart from RunShared, which would otherwise make a closure with every call.
    private static void StartThread(int index)
    {
        var thread = new Thread(() => Loop(index)) { IsBackground = true, Name = $"vertebra-worker-{index + 1}" };
        Threads.Add(thread);
        thread.Start();
    }

    // Takes the next part of the current job, if there is one, and runs it.
    private static bool TryRunPart()
    {
        while (true)
        {
            var ticket = Volatile.Read(ref s_ticket);
            var part = (int)ticket;
            // s_parts may already be that of the next job; then the ticket is no longer what was read, and the exchange fails.
            if (part == Closed || part >= Volatile.Read(ref s_parts))
                return false;
            if (Interlocked.CompareExchange(ref s_ticket, ticket + 1, ticket) != ticket)
                continue;
            try
            {
                if (s_failure is null)
                    s_call(s_body!, s_state, part);
            }
            catch (Exception e)
            {
                s_failure ??= e;
            }
            Interlocked.Increment(ref s_done);
            return true;
        }
    }

    private static bool HasWork(int index)
    {
        var part = (int)Volatile.Read(ref s_ticket);
        return part != Closed && index < Volatile.Read(ref s_helpers) && part < Volatile.Read(ref s_parts);
    }

    private static void Loop(int index)
    {
        t_inside = true;
        while (true)
        {
            while (HasWork(index) && TryRunPart())
            {
            }
            var start = Stopwatch.GetTimestamp();
            while (!HasWork(index))
            {
                if (Stopwatch.GetElapsedTime(start).TotalMicroseconds < SpinMicroseconds)
                    Thread.SpinWait(2);
                else
                    Sleep(index);
            }
        }
    }

    private static void Sleep(int index)
    {
        lock (Bed)
        {
            // Counted before looking once more; a caller publishes before it looks at the count. So one sees the other.
            Interlocked.Increment(ref s_sleepers);
            while (!HasWork(index))
                Monitor.Wait(Bed);
            Interlocked.Decrement(ref s_sleepers);
        }
    }
}

/// <summary>Sees into how many parts kernels cut their work.</summary>
internal sealed class WorkWatch
{
    private int _parts;

    /// <summary>A piece of work of so many parts begins.</summary>
    public void Saw(int parts) => _parts = Math.Max(_parts, parts);

    /// <summary>The most parts since the last call, at least 1.</summary>
    public int TakeParts()
    {
        var parts = Math.Max(1, _parts);
        _parts = 0;
        return parts;
    }
}
