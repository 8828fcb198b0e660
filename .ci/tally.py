#!/usr/bin/env python3
"""Sums what the runners of ./test said: repeats each runner's own summary, says in words what did not run, and ends
with one line `N passed, N failed, N skipped`.

usage: tally.py FOLDER

FOLDER holds, per runner: NAME.log (its output), NAME.exit (its exit code) and, from nextest, NAME.junit (its report).
A test that cannot run here, on one engine or at all, prints one line that says `did not run` or begins with `not run`, and
why, and returns. It is counted as skipped and never as passed, even if it did run on another engine.
The exit code is 0 only if something ran and nothing failed.
"""
import re
import sys
import xml.etree.ElementTree as xml
from collections import Counter
from pathlib import Path

RUNNERS = ("tests", "doctests", "browser", "fuzz")
COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NEXTEST = re.compile(r"^\s*Summary \[.*\] .*tests? run:.*$", re.M)
LIBTEST = re.compile(r"^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored;.*$", re.M)
OURS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)
DID_NOT_RUN = re.compile(r"\bdid not run\b|^\s*not run\b", re.I)
SHOWN_OUTPUT = re.compile(r"^---- .+ stdout ----$")


def main(folder):
    passed = failed = skipped = 0
    reasons = Counter()
    print("\n== summary")
    for name in RUNNERS:
        if not (folder / f"{name}.exit").exists():
            continue
        counts, summary, not_run = read_runner(folder, name)
        passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
        reasons += not_run
        for line in summary:
            print(f"{name}: {line}")
    for line in read(folder / "not_run").splitlines():
        print(f"not run: {line}")
    for line, tests in sorted(reasons.items()):
        print(f"not run ({tests} test{'s' if tests > 1 else ''}): {line}")
    if passed + failed == 0:
        print("nothing ran, which is a failure")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if failed == 0 and passed > 0 else 1


def read_runner(folder, name):
    """(passed, failed, skipped), the runner's own summary lines, and why tests did not run."""
    log = COLOUR.sub("", read(folder / f"{name}.log"))
    exit_code = int(read(folder / f"{name}.exit") or 1)
    report = folder / f"{name}.junit"
    not_run = reasons_in_report(report) if report.exists() else reasons_in_output(log)
    if name in ("browser", "fuzz"):
        counts, summary = read_ours(log)
    elif NEXTEST.search(log):
        counts, summary = read_nextest(log)
    else:
        counts, summary = read_libtest(log)
    # A runner that failed without naming a failed test (it did not build, it crashed) is a failure.
    if exit_code != 0 and counts[1] == 0 and not (counts[0] == 0 and summary and name == "tests" and exit_code == 4):
        counts = (counts[0], 1, counts[2])
        summary = summary + [f"ended with exit code {exit_code} and named no failed test: see its output above"]
    silent = min(sum(not_run.values()), counts[0])
    return (counts[0] - silent, counts[1], counts[2] + silent), summary, not_run


def read_nextest(log):
    line = NEXTEST.findall(log)[-1].strip()

    def number(word):
        return sum(int(found) for found in re.findall(rf"(\d+) {word}", line))

    failed = number("failed") + number("timed out") + number("exec failed")
    ran = re.search(r"\] +(\d+)(?:/(\d+))? tests? run", line)
    cancelled = int(ran.group(2)) - int(ran.group(1)) if ran and ran.group(2) else 0
    return (number("passed"), failed, number("skipped") + cancelled), [line]


def read_libtest(log):
    found = LIBTEST.findall(log)
    lines = [match.group(0) for match in LIBTEST.finditer(log)]
    return tuple(sum(int(row[column]) for row in found) for column in range(3)), lines


def read_ours(log):
    found = OURS.findall(log)
    if not found:
        return (0, 0, 0), []
    return tuple(int(number) for number in found[-1]), [", ".join(f"{n} {w}" for n, w in zip(found[-1], ("passed", "failed", "skipped")))]


def reasons_in_report(report):
    """One reason per passed test of a nextest report whose output says that it did not run."""
    reasons = Counter()
    for case in xml.parse(report).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            continue
        output = "\n".join(case.findtext(stream) or "" for stream in ("system-out", "system-err"))
        reasons.update(first_reason(output.splitlines()))
    return reasons


def reasons_in_output(log):
    """The same from `cargo test -- --show-output`, which prints a section per passed test that said something."""
    reasons, section = Counter(), None
    for line in log.splitlines() + ["---- end stdout ----"]:
        if SHOWN_OUTPUT.match(line) or line in ("successes:", "failures:"):
            reasons.update(first_reason(section or []))
            section = []
        elif section is not None:
            section.append(line)
    return reasons


def first_reason(lines):
    return [line.strip() for line in lines if DID_NOT_RUN.search(line)][:1]


def read(path):
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
