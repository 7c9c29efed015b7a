using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Kernels;

/// <summary>Runs <see cref="KernelCases"/> at the instruction level of this process.</summary>
public class KernelSweepTests
{
    private static readonly Dictionary<string, Action> Cases = KernelCases.All().ToDictionary(c => c.Name, c => c.Check);

    public static TheoryData<string> Groups => [.. Cases.Keys.Select(GroupOf).Distinct()];

    [Theory]
    [MemberData(nameof(Groups))]
    public void Every_case_of_a_group_holds(string group)
    {
        foreach (var (name, check) in Cases.Where(c => GroupOf(c.Key) == group))
        {
            try
            {
                check();
            }
            catch (Exception e)
            {
                Assert.Fail($"{name}: {e.Message}");
            }
        }
    }

    // The words before the first number: "matmul packed", "conv forward".
    private static string GroupOf(string name) => string.Join(' ', name.Split(' ').TakeWhile(word => !char.IsDigit(word[0])));
}
