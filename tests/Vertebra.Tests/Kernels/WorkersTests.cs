using Vertebra.Kernels;

namespace Vertebra.Tests.Kernels;

public class WorkersTests
{
    [Theory]
    [InlineData(0, 4)]
    [InlineData(1, 4)]
    [InlineData(7, 1)]
    [InlineData(7, 3)]
    [InlineData(1000, 5)]
    public void Every_part_runs_exactly_once(int parts, int threads)
    {
        var before = Workers.Count;
        Workers.Count = threads;
        try
        {
            // Many short jobs one after another: a part must not run in the wrong job, nor twice, nor get lost.
            for (var round = 0; round < 300; round++)
            {
                var runs = new int[parts];
                Workers.Run(parts, part => Interlocked.Increment(ref runs[part]));
                Assert.All(runs, count => Assert.Equal(1, count));
            }
        }
        finally
        {
            Workers.Count = before;
        }
    }

    [Fact]
    public void Sleeping_workers_wake_up_again()
    {
        for (var round = 0; round < 20; round++)
        {
            Thread.Sleep(2);
            var sum = 0;
            Workers.Run(64, part => Interlocked.Add(ref sum, part));
            Assert.Equal(64 * 63 / 2, sum);
        }
    }

    [Fact]
    public void A_call_inside_a_part_runs_there()
    {
        var count = 0;
        Workers.Run(5, _ => Workers.Run(6, _ => Interlocked.Increment(ref count)));
        Assert.Equal(30, count);
    }

    [Fact]
    public void Callers_on_several_threads_all_get_their_work_done()
    {
        var count = 0;
        var callers = Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            for (var round = 0; round < 200; round++)
                Workers.Run(9, _ => Interlocked.Increment(ref count));
        })).ToArray();
        foreach (var caller in callers)
            caller.Start();
        foreach (var caller in callers)
            caller.Join();
        Assert.Equal(4 * 200 * 9, count);
    }

    [Fact]
    public void An_exception_of_a_part_reaches_the_caller_and_the_next_job_works()
    {
        var error = Assert.Throws<VertebraException>(() => Workers.Run(50, part =>
        {
            if (part == 20)
                throw new VertebraException("part 20");
        }));
        Assert.Equal("part 20", error.Message);
        var count = 0;
        Workers.Run(50, _ => Interlocked.Increment(ref count));
        Assert.Equal(50, count);
    }
}
