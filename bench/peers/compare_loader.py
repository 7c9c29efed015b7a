#!/usr/bin/python3
"""Alternates `vertebra bench-loader` with torchvision's loader on one folder and prints a table of medians and their ratio.

    bench/peers/compare_loader.py DIR [--vpk FILE ...] [--rounds 3] [--threads 2] [--epochs 3] [--markdown FILE] [--csv FILE]

DIR has one folder a class, as bench/peers/make_photos.py makes it. Both take the same images, crops, sizes and batches of
64; ours gets as many threads as the peer has workers. Packs (`vertebra pack DIR -o FILE`) are timed beside the folder, in
rows of their own.
"""
import argparse
import json
import os
import statistics
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
# torchvision carries both operations out each time, and so does p1; the two lists of operations differ in two of fifteen.
OURS = {"train": ["--mode", "train"], "randaugment": ["--mode", "train", "--aa", "rand-m9-n2-p1"], "eval": ["--mode", "eval"]}
VERTEBRA = os.path.join(HERE, "..", "..", "vertebra")


def run(command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--vpk", nargs="*", default=[], help="packs of the same images")
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
    for mode in ("train", "randaugment", "eval"):
        sources = [arguments.directory] + arguments.vpk
        ours, theirs, megabytes = {s: [] for s in sources}, [], {s: [] for s in sources}
        for _ in range(arguments.rounds):
            theirs.append(run([os.path.join(HERE, "loader_torchvision.py"), arguments.directory, "--mode", mode, "--workers", str(arguments.threads)] + common)["images_per_second"])
            for source in sources:
                result = run(arguments.vertebra.split() + ["bench-loader", source, "--threads", str(arguments.threads), "--json"] + OURS[mode] + common)
                ours[source].append(result["images_per_second"])
                megabytes[source].append(result["mb_per_second"])
                print(f"{mode}, {os.path.basename(source)}: torchvision {theirs[-1]:.0f}, here {ours[source][-1]:.0f} images/s", flush=True)
        for source in sources:
            name = mode if source == arguments.directory else f"{mode} {os.path.basename(source)}"
            a, b, mb = statistics.median(theirs), statistics.median(ours[source]), statistics.median(megabytes[source])
            values.append(f"{name},{arguments.threads},{arguments.rounds},{a:.1f},{b:.1f},{mb:.1f},{b / a:.3f}")
            lines.append(f"| {name} | {arguments.rounds} | {a:.0f} | {b:.0f} | {mb:.0f} | {b / a:.2f} |")
    table = "\n".join(lines)
    print(table)
    for path, text in ((arguments.markdown, table), (arguments.csv, "\n".join(values))):
        if path:
            with open(path, "w") as file:
                file.write(text + "\n")


if __name__ == "__main__":
    main()
