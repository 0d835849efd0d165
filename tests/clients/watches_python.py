"""python3-kubernetes: watches that resume, end, and select; a leader election on top of them."""

import threading

from kubernetes import client, watch
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock

from checks import check, ns, run, same

core = client.CoreV1Api()


def config_map(name, labels=None, **data):
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


def events(count, lister=core.list_namespaced_config_map, **more):
    """The next `count` events: (type, name)."""
    stream = watch.Watch()
    seen = []
    for event in stream.stream(lister, ns, timeout_seconds=20, **more):
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == count:
            stream.stop()
    return seen, stream.resource_version


@check
def from_the_present():
    core.create_namespaced_config_map(ns, config_map("w", {"w": "1"}, a="1"))
    same(events(1, label_selector="w")[0], [("ADDED", "w")])


@check
def resumes_where_it_was():
    start = core.list_namespaced_config_map(ns).metadata.resource_version
    core.patch_namespaced_config_map("w", ns, {"data": {"a": "2"}})
    core.create_namespaced_config_map(ns, config_map("w2"))
    core.delete_namespaced_config_map("w2", ns)
    first, middle = events(1, resource_version=start)
    rest, _ = events(2, resource_version=middle)
    same(first + rest, [("MODIFIED", "w"), ("ADDED", "w2"), ("DELETED", "w2")])


@check
def sees_what_comes_into_a_selection():
    core.create_namespaced_config_map(ns, config_map("s", {"in": "no"}))
    start = core.list_namespaced_config_map(ns).metadata.resource_version
    for value in ("yes", "no"):
        core.patch_namespaced_config_map("s", ns, {"metadata": {"labels": {"in": value}}})
    same(events(2, resource_version=start, label_selector="in=yes")[0], [("ADDED", "s"), ("DELETED", "s")])


@check
def one_object_by_name():
    start = core.list_namespaced_config_map(ns).metadata.resource_version
    core.patch_namespaced_config_map("s", ns, {"data": {"x": "1"}})
    core.patch_namespaced_config_map("w", ns, {"data": {"x": "1"}})
    same(events(1, resource_version=start, field_selector="metadata.name=w")[0], [("MODIFIED", "w")])


@check
def ends_after_its_time():
    stream = watch.Watch()
    start = core.list_namespaced_config_map(ns).metadata.resource_version
    same(list(stream.stream(core.list_namespaced_config_map, ns, resource_version=start, timeout_seconds=1)), [])


@check
def events_while_writing():
    """A writer and a watcher at once: nothing lost, nothing twice, all in order."""
    start = core.list_namespaced_config_map(ns).metadata.resource_version
    names = [f"many-{number:03}" for number in range(200)]

    def write():
        for name in names:
            core.create_namespaced_config_map(ns, config_map(name))

    writer = threading.Thread(target=write)
    writer.start()
    seen, _ = events(len(names), resource_version=start)
    writer.join()
    same(seen, [("ADDED", name) for name in names])


@check
def leader_election():
    led = threading.Event()
    lock = ConfigMapLock("lock", ns, "me")
    setup = electionconfig.Config(lock, lease_duration=4, renew_deadline=3, retry_period=1,
                                  onstarted_leading=led.set, onstopped_leading=None)
    threading.Thread(target=leaderelection.LeaderElection(setup).run, daemon=True).start()
    same(led.wait(10), True)
    same("me" in core.read_namespaced_config_map("lock", ns).metadata.annotations[
        "control-plane.alpha.kubernetes.io/leader"], True)


run()
