"""Functions that are run in order, each reported with its time.

A script decorates them with @check and ends with run().
"""

import sys
import time
import traceback

checks = []


def check(function):
    checks.append(function)
    return function


def same(got, wanted):
    if got != wanted:
        raise AssertionError(f"wanted {wanted!r}, got {got!r}")


def has(text, piece):
    if piece not in text:
        raise AssertionError(f"wanted {piece!r} in {text!r}")


def run():
    failed = 0
    for function in checks:
        start = time.monotonic()
        try:
            function()
            verdict = "ok"
        except Exception:  # Whatever goes wrong is a failure of this check alone.
            traceback.print_exc(file=sys.stdout)
            verdict = "FAILED"
            failed += 1
        print(f"{function.__name__:44} {verdict:6} {(time.monotonic() - start) * 1000:5.0f} ms", flush=True)
    sys.exit(1 if failed else 0)
