namespace Vertebra.Lab.Training;

public sealed partial class Trainer
{
    private RangeTestSettings? _tested;

    /// <summary>
    /// A range test instead of a run: the updates that a run would make, at rates that grow. It leaves the network trained at
    /// them, and writes nothing.
    /// </summary>
    /// <param name="settings">Range and length.</param>
    /// <param name="cancellation">Ends the test early.</param>
    public RangeTest TestRates(RangeTestSettings settings, CancellationToken cancellation = default)
    {
        _tested = settings;
        var test = new RangeTest(settings);
        _network.Train();
        _objective.Companion?.Train();
        _clock.BeginEpoch();
        for (_state.Epoch = 0; !test.IsComplete; _state.Epoch++)
        {
            if (!TestEpoch(test, cancellation))
                break;
        }
        return test;
    }

    private bool TestEpoch(RangeTest test, CancellationToken cancellation)
    {
        var (losses, batches) = (0.0, 0);
        foreach (var loaded in _setup.Training.Epoch(_state.Epoch, 0, CancellationToken.None))
        {
            var batch = _mixer?.Mix(loaded, _state.Epoch) ?? loaded;
            if (cancellation.IsCancellationRequested)
                return false;
            try
            {
                var loss = Accumulate(batch, IsLastOfUpdate(batches, batch));
                (losses, batches) = (losses + loss, batches + 1);
                if (IsLastOfUpdate(batches - 1, batch))
                {
                    Update(batches);
                    test.Add(losses / batches);
                    (losses, batches) = (0, 0);
                }
                _clock.BatchDone(batch.Wait);
                Report(batch, loss);
            }
            catch (TrainingDivergedException)
            {
                test.Diverge();
            }
            if (test.IsComplete)
                return false;
        }
        return true;
    }
}

/// <summary>The loss, a gradient or a weight is no longer a finite number.</summary>
public sealed class TrainingDivergedException(string message) : VertebraException(message);
