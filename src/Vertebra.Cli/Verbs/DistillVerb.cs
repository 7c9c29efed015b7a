using System.CommandLine;
using Vertebra.Lab.Training;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra distill</c>: <c>train</c> with a teacher.</summary>
internal static class DistillVerb
{
    public static Command Create() => TrainVerb.Create("distill",
        """
        Train a network (the student) to answer as others do (the teachers). All flags of train are there; --student is --model:
          vertebra distill --teacher runs/big --student resnet20_cifar --dataset cifar10 --data-dir DIR
        By soft labels alone, with images that nobody has labelled:
          vertebra distill --teacher runs/big --student resnet18 --distill ssld --data-dir DIR --unlabeled DIR2
        By answers that 'vertebra reinforce' has stored, without running a teacher:
          vertebra distill --reinforced data.vpk.reinforced --student resnet18 --data-dir data.vpk
        In a group whose best teach the others (ORC), with the teacher as its pivot:
          vertebra distill --teacher runs/big --student resnet20_cifar --peers resnet32_cifar resnet44_cifar --dataset cifar10 --data-dir DIR
        The run folder is train's, and so is --resume RUN.
        """, FlagOf, Check);

    private static Option FlagOf(TrainingOption option)
    {
        var flag = TrainVerb.FlagOf(option);
        if (option.Name == "model")
            flag.Aliases.Add("--student");
        return flag;
    }

    private static void Check(TrainingOptions options)
    {
        if (options.Teacher is null && options.Reinforced is null)
            throw new VertebraException("which teacher? give --teacher RUN, a run folder, a weight file or a name with published weights, or --reinforced FILE");
    }
}
