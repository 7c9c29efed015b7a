namespace Vertebra.Zoo.Families;

/// <summary>Widths of the pruned EfficientNets (Aflalo et al. 2020, "Knapsack pruning with inner distillation"), a stage a line.</summary>
internal static class PrunedEfficientNets
{
    public static IReadOnlyList<PrunedBlock> B1 { get; } = Blocks(
        [
            (32, 8, 16), (16, 4, 16),
            (48, 4, 12), (62, 6, 12), (48, 6, 12),
            (70, 6, 35), (61, 10, 35), (51, 10, 35),
            (175, 10, 74), (188, 20, 74), (137, 20, 74), (164, 20, 74),
            (399, 20, 67), (201, 28, 67), (160, 28, 67), (213, 28, 67),
            (637, 27, 192), (806, 48, 192), (798, 48, 192), (891, 48, 192), (990, 48, 192),
            (1152, 48, 320), (1912, 80, 320),
        ]);

    public static IReadOnlyList<PrunedBlock> B2 { get; } = Blocks(
        [
            (32, 8, 16), (16, 4, 16),
            (54, 4, 17), (69, 6, 17), (61, 6, 17),
            (86, 6, 42), (72, 12, 42), (98, 12, 42),
            (245, 12, 85), (274, 22, 85), (254, 22, 85), (292, 22, 85),
            (502, 22, 116), (315, 30, 116), (354, 30, 116), (443, 30, 116),
            (719, 30, 208), (1148, 52, 208), (1160, 52, 208), (1182, 52, 208), (1228, 52, 208),
            (1248, 52, 352), (2112, 88, 352),
        ]);

    public static IReadOnlyList<PrunedBlock> B3 { get; } = Blocks(
        [
            (40, 10, 24), (24, 6, 24),
            (27, 6, 12), (49, 8, 12), (48, 8, 12),
            (83, 8, 40), (90, 12, 40), (85, 12, 40),
            (215, 12, 93), (261, 24, 93), (219, 24, 93), (254, 24, 93), (236, 24, 93),
            (480, 24, 120), (235, 34, 120), (217, 34, 120), (226, 33, 120), (340, 34, 120),
            (802, 34, 232), (1030, 58, 232), (924, 58, 232), (1016, 58, 232), (1130, 58, 232), (1266, 58, 232),
            (1392, 58, 384), (2301, 96, 384),
        ]);

    private static PrunedBlock[] Blocks((int Inner, int Squeezed, int Outer)[] widths) => [.. widths.Select(w => new PrunedBlock(w.Inner, w.Squeezed, w.Outer))];
}
