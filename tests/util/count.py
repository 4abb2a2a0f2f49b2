#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sum up meson's test logs, case by case: count.py LOG.json... prints "passed failed skipped"."""

import json
import re
import sys

CASE = re.compile(r"^(not )?ok\b[^#\n]*(# *SKIP)?", re.M | re.I)


def count(log):
    """(passed, failed, skipped) of one test program."""
    passed = failed = skipped = 0
    for bad, skip in CASE.findall(log.get("stdout") or ""):
        if skip:
            skipped += 1
        elif bad:
            failed += 1
        else:
            passed += 1
    if log["result"] == "SKIP" and not skipped:
        skipped += 1
    elif log["result"] in ("OK", "EXPECTEDFAIL") and passed + failed + skipped == 0:
        passed += 1
    elif log["result"] not in ("OK", "EXPECTEDFAIL", "SKIP") and failed == 0:
        failed += 1 # died without saying which case
    return passed, failed, skipped


def main():
    sums = [0, 0, 0]
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            for line in file:
                sums = [a + b for a, b in zip(sums, count(json.loads(line)))]
    print(*sums)


if __name__ == "__main__":
    main()
