"""Checks of the Python client.

A script is given a namespace of its own, `ns`, and the kubeconfig that KUBECONFIG names.
"""

import sys

from kubernetes import client, config

from checklist import check, has, run, same  # And for the scripts.

ns = sys.argv[1]
config.load_kube_config()


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
