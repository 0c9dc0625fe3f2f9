#!/usr/bin/env python3
"""Reads what a test run reported, for tests/run.

  count_results.py RING KIND REPORT EXIT_CODE SECONDS   prints 'RING PASSED FAILED SKIPPED SECONDS'
  count_results.py --summary FILE                       adds such lines up; exit code 1 on a failure

KIND: junit (pytest), catch2 (its xml reporter), exit (the exit code alone).
"""

import os
import sys
import xml.etree.ElementTree as ElementTree


def junit(report):
    failed = skipped = passed = 0
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def catch2(report):
    cases = ElementTree.parse(report).getroot().findall("./Group/OverallResultsCases")
    passed = sum(int(c.get("successes")) + int(c.get("expectedFailures")) for c in cases)
    return passed, sum(int(c.get("failures")) for c in cases), 0


def count(ring, kind, report, code, seconds):
    passed = failed = skipped = 0
    if kind == "exit":
        passed, failed = int(code == 0), int(code != 0)
    else:
        try:
            passed, failed, skipped = {"junit": junit, "catch2": catch2}[kind](report)
        except (OSError, ElementTree.ParseError) as error:
            print(f"{ring}: no usable report: {error}", file=sys.stderr)
            failed = 1
    # A runner that crashed, hung, or found nothing to run has not passed, whatever it reported.
    if failed == 0 and (code != 0 or passed + skipped == 0):
        print(f"{ring}: exit code {code}, {passed} passed", file=sys.stderr)
        failed = 1
    print(ring, passed, failed, skipped, seconds)


def summary(file):
    rings = {}
    for line in open(file):
        ring, *numbers = line.split()
        so_far = rings.setdefault(ring, [0, 0, 0, 0])
        rings[ring] = [a + int(b) for a, b in zip(so_far, numbers)]
    print(f"\n{'ring':<12} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for ring, numbers in rings.items():
        print("{:<12} {:>7} {:>7} {:>8} {:>8}".format(ring, *numbers))
    passed, failed, skipped, _ = map(sum, zip(*rings.values()))
    if os.environ.get("CI") == "true":
        failed, skipped = failed + skipped, 0
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return int(failed > 0 or passed == 0)


if __name__ == "__main__":
    if sys.argv[1] == "--summary":
        sys.exit(summary(sys.argv[2]))
    ring, kind, report, code, seconds = sys.argv[1:]
    count(ring, kind, report, int(code), int(seconds))
