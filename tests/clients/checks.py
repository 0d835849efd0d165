"""Checks of the Python client: functions that are run in order, each reported with its time.

A script decorates functions with @check and ends with run(). It is given a namespace of its own,
`ns`, and the kubeconfig that KUBECONFIG names.
"""

import sys
import time
import traceback

from kubernetes import client, config

ns = sys.argv[1]
config.load_kube_config()
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


def refused(code, reason, call, *args, **kwargs):
    """The call must fail like this; gives the Status that came back."""
    try:
        call(*args, **kwargs)
    except client.exceptions.ApiException as error:
        status = client.ApiClient().deserialize(Answer(error.body), "V1Status")
        same((error.status, status.code, status.reason), (code, code, reason))
        return status
    raise AssertionError("was not refused")


class Answer:
    """What ApiClient.deserialize wants to be given."""

    def __init__(self, data):
        self.data = data


def run():
    failed = 0
    for function in checks:
        start = time.monotonic()
        try:
            function()
            verdict = "ok"
        except Exception:  # Whatever a client throws is a failure of this check alone.
            traceback.print_exc(file=sys.stdout)
            verdict = "FAILED"
            failed += 1
        print(f"{function.__name__:28} {verdict:6} {(time.monotonic() - start) * 1000:5.0f} ms", flush=True)
    sys.exit(1 if failed else 0)
