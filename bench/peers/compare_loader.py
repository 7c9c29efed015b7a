#!/usr/bin/python3
"""Alternates `vertebra bench-loader` with torchvision's loader on one folder and prints a table of medians and their ratio.

    bench/peers/compare_loader.py DIR [--rounds 3] [--threads 2] [--epochs 3] [--markdown FILE] [--csv FILE]

DIR has one folder a class, as bench/peers/make_photos.py makes it. Both take the same images, crops, sizes and batches of
64; ours gets as many threads as the peer has workers.
"""
import argparse
import json
import os
import statistics
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
VERTEBRA = os.path.join(HERE, "..", "..", "vertebra")


def run(command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--vertebra", default=VERTEBRA, help="command of ours")
    parser.add_argument("--markdown", help="write the table here too")
    parser.add_argument("--csv", help="write it here as comma-separated values")
    arguments = parser.parse_args()
    common = ["--batch-size", "64", "--epochs", str(arguments.epochs)]
    values = ["pipeline,workers,rounds,torchvision_samples_per_sec,samples_per_sec,mb_per_sec,speedup"]
    lines = ["| pipeline | rounds | torchvision, images/s | here, images/s | here, MB/s | times as fast |", "|---|---|---|---|---|---|"]
    for mode in ("train", "eval"):
        ours, theirs, megabytes = [], [], []
        for _ in range(arguments.rounds):
            theirs.append(run([os.path.join(HERE, "loader_torchvision.py"), arguments.directory, "--mode", mode, "--workers", str(arguments.threads)] + common)["images_per_second"])
            result = run(arguments.vertebra.split() + ["bench-loader", arguments.directory, "--mode", mode, "--threads", str(arguments.threads), "--json"] + common)
            ours.append(result["images_per_second"])
            megabytes.append(result["mb_per_second"])
            print(f"{mode}: torchvision {theirs[-1]:.0f}, here {ours[-1]:.0f} images/s", flush=True)
        a, b = statistics.median(theirs), statistics.median(ours)
        values.append(f"{mode},{arguments.threads},{arguments.rounds},{a:.1f},{b:.1f},{statistics.median(megabytes):.1f},{b / a:.3f}")
        lines.append(f"| {mode} | {arguments.rounds} | {a:.0f} | {b:.0f} | {statistics.median(megabytes):.0f} | {b / a:.2f} |")
    table = "\n".join(lines)
    print(table)
    for path, text in ((arguments.markdown, table), (arguments.csv, "\n".join(values))):
        if path:
            with open(path, "w") as file:
                file.write(text + "\n")


if __name__ == "__main__":
    main()
