namespace Vertebra.Lab.Data;

/// <summary>
/// Batches in the making, in order, and the threads that make them. Whoever waits for the first one helps to make it,
/// so few threads suffice: none is idle while data is short, and they sleep while it is not.
/// </summary>
internal sealed class BatchPipeline : IDisposable
{
    private readonly Queue<BatchJob> _jobs = new();
    private readonly Thread[] _threads;
    private readonly CancellationToken _cancellation;
    private readonly CancellationTokenRegistration _registration;
    private bool _stopping;

    public BatchPipeline(int threads, CancellationToken cancellation)
    {
        _cancellation = cancellation;
        _registration = cancellation.Register(Wake);
        _threads = new Thread[threads];
        for (var i = 0; i < threads; i++)
        {
            _threads[i] = new Thread(Work) { IsBackground = true, Name = $"vertebra-loader-{i + 1}" };
            _threads[i].Start();
        }
    }

    /// <summary>Puts a batch at the end of the line.</summary>
    public void Add(BatchJob job)
    {
        lock (_jobs)
        {
            _jobs.Enqueue(job);
            Monitor.PulseAll(_jobs);
        }
    }

    /// <summary>Takes the first batch when it is finished, helping to finish it.</summary>
    /// <exception cref="OperationCanceledException">The enumeration was cancelled.</exception>
    public BatchJob TakeFirst()
    {
        BatchJob job;
        lock (_jobs)
            job = _jobs.Peek();
        while (!job.IsClaimed)
        {
            _cancellation.ThrowIfCancellationRequested();
            job.MakeOne();
        }
        lock (_jobs)
        {
            while (!job.IsDone)
            {
                _cancellation.ThrowIfCancellationRequested();
                Monitor.Wait(_jobs);
            }
            _cancellation.ThrowIfCancellationRequested();
            return _jobs.Dequeue();
        }
    }

    /// <summary>Ends the threads, each after the sample in its hands.</summary>
    public void Dispose()
    {
        _registration.Dispose();
        lock (_jobs)
        {
            _stopping = true;
            Monitor.PulseAll(_jobs);
        }
        foreach (var thread in _threads)
            thread.Join();
    }

    private void Work()
    {
        while (NextJob() is { } job)
        {
            while (!job.IsClaimed && !Volatile.Read(ref _stopping))
            {
                if (job.MakeOne())
                    Wake();
            }
        }
    }

    private BatchJob? NextJob()
    {
        lock (_jobs)
        {
            while (!_stopping)
            {
                foreach (var job in _jobs)
                {
                    if (!job.IsClaimed)
                        return job;
                }
                Monitor.Wait(_jobs);
            }
            return null;
        }
    }

    private void Wake()
    {
        lock (_jobs)
            Monitor.PulseAll(_jobs);
    }
}
