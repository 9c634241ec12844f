#!/usr/bin/env python3
"""Fuzz every target for a while, one after the other, seeded from tests/corpus; report as JSON.

    python fuzz/run.py --seconds 120 [--targets images c2pa] [--work FOLDER] [--output results/fuzzing.json]

A report that exists already is added to: a long run may be made in parts, and a new target fuzzed later.
Exit code 1 where a target raised, ran out of time or of memory.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "corpus")]

from bad_files import bad_files  # noqa: E402
from targets import TARGETS  # noqa: E402


@dataclass(frozen=True)
class Run:
    """One target's run: what was fuzzed, seconds by the clock and of processor time, inputs tried, edges
    covered, files that were findings."""

    target: str
    fauxto: str
    commit: str
    seconds: float
    cpu_seconds: float
    executions: int
    coverage: int
    findings: tuple[str, ...]


def fuzz(target: str, seconds: int, seeds: Path, work: Path) -> Run:
    """Run one target in a process of its own."""
    grown, found = work / "grown" / target, work / "findings" / target
    for folder in (grown, found):
        folder.mkdir(parents=True, exist_ok=True)
    # By the clock, and generous: on a busy machine ten seconds may pass without one of the processor's.
    before = set(found.iterdir())
    command = [
        sys.executable, str(HERE / "fuzz.py"), target, str(grown), str(seeds), f"-max_total_time={seconds}",
        "-timeout=120", "-report_slow_units=120", "-rss_limit_mb=2048", "-max_len=60000",
        "-print_final_stats=1", f"-artifact_prefix={found}/",
    ]  # fmt: skip
    start, begun = _child_seconds(), time.monotonic()
    with (work / f"{target}.log").open("ab") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode
    text = (work / f"{target}.log").read_text(errors="replace")
    files = tuple(sorted(path.name for path in set(found.iterdir()) - before))
    if code and not files:
        files = (f"exit code {code}",)
    return Run(
        target, version("fauxto"), _commit(), round(time.monotonic() - begun, 1),
        round(_child_seconds() - start, 1), _last(r"number_of_executed_units: (\d+)", text),
        _last(r"cov: (\d+)", text), files,
    )  # fmt: skip


def _commit() -> str:
    """The commit that is fuzzed, marked where files differ from it; empty outside a git checkout."""
    command = ["git", "-C", str(HERE), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def _child_seconds() -> float:
    """Processor time of the processes that have ended: a busy machine makes the wall clock mean little."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _last(pattern: str, text: str) -> int:
    return int((re.findall(pattern, text) or ["0"])[-1])


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120, help="for all targets together")
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument(
        "--work", type=Path, help="keeps logs, grown corpora and findings; default: a temporary"
    )
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        seeds = work / "seeds"
        seeds.mkdir(parents=True, exist_ok=True)
        for name, data in bad_files().items():
            (seeds / name).write_bytes(data)
        each = max(1, options.seconds // len(options.targets))
        found = False
        for target in options.targets:
            run = fuzz(target, each, seeds, work)
            print(json.dumps(asdict(run)), flush=True)
            if run.findings:
                found = True
                print((work / f"{target}.log").read_text(errors="replace")[-4000:], file=sys.stderr)
            if options.output:
                record(run, options.output)
    sys.exit(found)


def record(run: Run, output: Path) -> None:
    """Add a run to those that the report holds already, so that a long run may be made in parts."""
    runs = json.loads(output.read_text())["runs"] if output.exists() else []
    runs.append(asdict(run))
    report = {
        "atheris": version("atheris"),
        "seeds": len(bad_files()),
        "seconds": round(sum(one["seconds"] for one in runs), 1),
        "cpu_seconds": round(sum(one["cpu_seconds"] for one in runs), 1),
        "executions": sum(one["executions"] for one in runs),
        "runs": runs,
    }
    output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
