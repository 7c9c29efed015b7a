using Vertebra.Communication;

namespace Vertebra.Tests.Lab.Training.Distributed;

/// <summary>Threads in the place of processes: exchanges meet by their number, and must be of one kind and length in all.</summary>
internal sealed class ThreadGroup
{
    private readonly Dictionary<int, Exchange> _exchanges = [];
    private readonly int _count;
    private Exception? _failure;

    private ThreadGroup(int count) => _count = count;

    /// <summary>Runs something in every process, and returns what they return, by rank; the first failure ends all of them.</summary>
    public static T[] Run<T>(int count, Func<IProcessGroup, T> run)
    {
        var group = new ThreadGroup(count);
        var results = new T[count];
        var threads = Enumerable.Range(0, count).Select(rank => new Thread(() =>
        {
            try
            {
                results[rank] = run(new Member(group, rank));
            }
            catch (Exception e)
            {
                group.Fail(e);
            }
        })).ToArray();
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        if (group._failure is { } failure)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        return results;
    }

    private void Fail(Exception e)
    {
        lock (_exchanges)
        {
            _failure ??= e;
            Monitor.PulseAll(_exchanges);
        }
    }

    private void Give(int number, int rank, Array part, string kind)
    {
        lock (_exchanges)
        {
            if (!_exchanges.TryGetValue(number, out var exchange))
                _exchanges[number] = exchange = new(kind, new Array?[_count]);
            Assert.Equal(exchange.Kind, kind);
            exchange.Parts[rank] = part;
            Monitor.PulseAll(_exchanges);
        }
    }

    private bool IsDone(int number)
    {
        lock (_exchanges)
            return Array.TrueForAll(_exchanges[number].Parts, p => p is not null);
    }

    private T[][] Take<T>(int number)
    {
        lock (_exchanges)
        {
            while (!IsDone(number))
            {
                if (_failure is { } failure)
                    throw new InvalidOperationException("another process failed", failure);
                Monitor.Wait(_exchanges);
            }
            return Array.ConvertAll(_exchanges[number].Parts, p => (T[])p!);
        }
    }

    private sealed record Exchange(string Kind, Array?[] Parts);

    private sealed class Member(ThreadGroup group, int rank) : IProcessGroup
    {
        private int _next;

        public int Rank => rank;

        public int Count => group._count;

        public void Sum(Span<double> values)
        {
            group.Give(_next, rank, values.ToArray(), $"{values.Length} float64");
            var parts = group.Take<double>(_next++);
            for (var i = 0; i < values.Length; i++)
                values[i] = parts.Sum(p => p[i]);
        }

        public IPendingSum StartSum(Tensor values)
        {
            group.Give(_next, rank, values.ToArray<float>(), $"{values.ElementCount} float32");
            return new Pending(group, _next++, values);
        }

        public byte[][] Gather(ReadOnlySpan<byte> part)
        {
            group.Give(_next, rank, part.ToArray(), "bytes");
            return group.Take<byte>(_next++);
        }
    }

    private sealed class Pending(ThreadGroup group, int number, Tensor values) : IPendingSum
    {
        private bool _isDone;

        public bool Poll()
        {
            if (!_isDone && group.IsDone(number))
                Wait();
            return _isDone;
        }

        public void Wait()
        {
            if (_isDone)
                return;
            var parts = group.Take<float>(number);
            values.CopyFrom<float>([.. Enumerable.Range(0, parts[0].Length).Select(i => parts.Select(p => p[i]).Aggregate((a, b) => a + b))]);
            _isDone = true;
        }
    }
}
