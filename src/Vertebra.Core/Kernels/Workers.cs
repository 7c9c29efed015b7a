namespace Vertebra.Kernels;

/// <summary>
/// The thread pool of the kernels: a fixed set of threads, a static partition, no allocation per call beyond the
/// caller's delegate. A kernel splits its work into parts by shape alone (never by the number of threads), so results
/// have the same bits at any <see cref="Count"/>.
/// </summary>
public static class Workers
{
    // A worker looks for work this many times before it sleeps; kernels of one network follow each other within microseconds.
    private const int SpinsBeforeSleep = 2000;

    private static readonly Lock Gate = new();
    private static int s_count = Environment.ProcessorCount;
    private static Thread[] s_threads = [];
    private static Job? s_job;
    private static int s_generation;
    [ThreadStatic] private static bool t_inside;

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
    /// part, or while another thread is in here, runs on the calling thread.
    /// </summary>
    public static void Run(int parts, Action<int> body)
    {
        if (parts <= 1 || s_count == 1 || t_inside || !Gate.TryEnter())
        {
            for (var i = 0; i < parts; i++)
                body(i);
            return;
        }
        try
        {
            RunShared(parts, body);
        }
        finally
        {
            Gate.Exit();
        }
    }

    private static void RunShared(int parts, Action<int> body)
    {
        EnsureThreads(s_count - 1);
        var job = new Job(parts, body, Math.Min(s_count - 1, parts - 1));
        Volatile.Write(ref s_job, job);
        lock (s_threads)
        {
            Interlocked.Increment(ref s_generation);
            Monitor.PulseAll(s_threads);
        }
        t_inside = true;
        try
        {
            job.Work();
            job.Wait();
        }
        finally
        {
            t_inside = false;
            Volatile.Write(ref s_job, null);
        }
    }

    private static void EnsureThreads(int wanted)
    {
        if (s_threads.Length >= wanted)
            return;
        // The array doubles as the workers' gate, so it is made once, for as many threads as may ever be wanted here.
        if (s_threads.Length == 0)
            s_threads = new Thread[Math.Max(wanted, Environment.ProcessorCount - 1)];
        else
            throw new VertebraException($"the number of kernel threads cannot grow beyond {s_threads.Length + 1} once kernels have run; set it first");
        for (var i = 0; i < s_threads.Length; i++)
        {
            s_threads[i] = new Thread(Loop) { IsBackground = true, Name = $"vertebra-worker-{i + 1}" };
            s_threads[i].Start();
        }
    }

    private static void Loop()
    {
        t_inside = true;
        var seen = 0;
        while (true)
        {
            var spins = 0;
            while (Volatile.Read(ref s_generation) == seen)
            {
                if (++spins < SpinsBeforeSleep)
                {
                    Thread.SpinWait(20);
                    continue;
                }
                lock (s_threads)
                {
                    while (s_generation == seen)
                        Monitor.Wait(s_threads);
                }
            }
            seen = Volatile.Read(ref s_generation);
            Volatile.Read(ref s_job)?.TryJoin();
        }
    }

    private sealed class Job(int parts, Action<int> body, int helpers)
    {
        private int _next;
        private int _running;
        private int _helpers = helpers;
        private volatile Exception? _failure;

        public void TryJoin()
        {
            if (Interlocked.Decrement(ref _helpers) < 0)
                return;
            Interlocked.Increment(ref _running);
            Work();
            Interlocked.Decrement(ref _running);
        }

        public void Work()
        {
            int part;
            while ((part = Interlocked.Increment(ref _next) - 1) < parts)
            {
                try
                {
                    body(part);
                }
                catch (Exception e)
                {
                    _failure = e;
                    Volatile.Write(ref _next, parts);
                }
            }
        }

        public void Wait()
        {
            var spinner = new SpinWait();
            while (Volatile.Read(ref _running) != 0)
                spinner.SpinOnce(sleep1Threshold: -1);
            if (_failure is { } failure)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }
}
