#!/usr/bin/python3
"""From a command to the first logits of mobilenetv3_large_100: alternates ours with PyTorch and ONNX Runtime, whole processes.

    bench/peers/cold_start.py [--rounds 7] [--program NAME=COMMAND ...] [--peers DIR] [--model NAME] [--markdown FILE]

Every process builds the network with random weights, runs one image of 224x224 and ends. Ours is `bench MODEL --cold` of
each COMMAND (the built vertebra.dll unless told otherwise). The peers: PyTorch with torchvision's mobilenet_v3_large, and, where
DIR has .work/onnx/mobilenetv3_large_100_b1.onnx and onnxruntime-node, a session of ONNX Runtime in Node on that file. Time is
that of the whole process, by the clock of this one; files are in the system's cache, because a first round is not counted.
"""
import argparse
import os
import shlex
import statistics
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILT = os.path.join(HERE, "..", "..", "src", "Vertebra.Cli", "bin", "Release", "net10.0", "vertebra.dll")
TORCH = """
import torch, torchvision
model = torchvision.models.mobilenet_v3_large(weights=None).eval()
with torch.inference_mode():
    model(torch.ones(1, 3, 224, 224))[0, 0].item()
"""
NODE = """
const path = require('path'), ort = require(path.join(process.argv[1], '.work/node_modules/onnxruntime-node'));
(async () => {
  const session = await ort.InferenceSession.create(path.join(process.argv[1], '.work/onnx/mobilenetv3_large_100_b1.onnx'));
  const image = new ort.Tensor('float32', new Float32Array(3 * 224 * 224).fill(1), [1, 3, 224, 224]);
  await session.run({ [session.inputNames[0]]: image });
})();
"""


def seconds(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--program", action="append", metavar="NAME=COMMAND", help="a form of ours; may be given several times")
    parser.add_argument("--peers", help="folder with the peers, set up")
    parser.add_argument("--python", default="/usr/bin/python3", help="the Python that has PyTorch")
    parser.add_argument("--model", default="mobilenetv3_large_100")
    parser.add_argument("--markdown", help="write the table here too")
    arguments = parser.parse_args()
    programs = arguments.program or ["dotnet vertebra.dll=dotnet " + BUILT]
    commands = {name: shlex.split(command) + ["bench", arguments.model, "--cold"] for name, command in (p.split("=", 1) for p in programs)}
    if subprocess.run([arguments.python, "-c", "import torch, torchvision"], stderr=subprocess.DEVNULL).returncode == 0:
        commands["PyTorch"] = [arguments.python, "-W", "ignore", "-c", TORCH]
    if arguments.peers and os.path.exists(os.path.join(arguments.peers, ".work/onnx/mobilenetv3_large_100_b1.onnx")):
        commands["ONNX Runtime in Node"] = ["node", "-e", NODE, os.path.abspath(arguments.peers)]
    times = {name: [] for name in commands}
    for turn in range(arguments.rounds + 1):
        for name, command in commands.items():
            taken = seconds(command)
            if turn > 0:
                times[name].append(taken)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    lines = ["| process | median, s | fastest, s | of PyTorch's time |", "|---|---:|---:|---:|"]
    for name, taken in times.items():
        share = f"{medians[name] / medians['PyTorch']:.2f}" if "PyTorch" in medians else ""
        lines.append(f"| {name} | {medians[name]:.3f} | {min(taken):.3f} | {share} |")
    table = "\n".join(lines)
    print(table)
    if arguments.markdown:
        with open(arguments.markdown, "w") as file:
            file.write(table + "\n")


if __name__ == "__main__":
    main()
