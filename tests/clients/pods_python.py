"""python3-kubernetes: a pod that runs; exec, attach, logs, port-forward, eviction."""

from kubernetes import client, watch
from kubernetes.stream import portforward, stream

from checks import check, has, ns, run, same

core = client.CoreV1Api()
SCRIPT = "echo hello; busybox httpd -p 8080 -h /www; while read -r line; do echo got $line; done; sleep 1000"


@check
def a_pod_runs():
    core.create_namespaced_pod(ns, {"metadata": {"name": "p"}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "main", "image": "busybox:1", "stdin": True,
                        "command": ["sh", "-c", "echo served >/www/index.html; " + SCRIPT]}]}})
    watcher = watch.Watch()
    for event in watcher.stream(core.list_namespaced_pod, ns, field_selector="metadata.name=p", timeout_seconds=30):
        conditions = {c.type: c.status for c in event["object"].status.conditions or []}
        if conditions.get("Ready") == "True":
            return watcher.stop()
    raise AssertionError("not ready")


@check
def exec_gives_output():
    out = stream(core.connect_get_namespaced_pod_exec, "p", ns, command=["echo", "one", "two words"],
                 stdout=True, stderr=True, stdin=False, tty=False)
    same(out, "one two words\n")


@check
def exec_talks_both_ways():
    shell = stream(core.connect_get_namespaced_pod_exec, "p", ns, command=["sh"], stdin=True, stdout=True,
                   stderr=True, tty=False, _preload_content=False)
    # One by one: this client's select() does not see a second message that came in one TLS record.
    shell.write_stdin("echo out\n")
    same(shell.readline_stdout(timeout=10), "out")
    shell.write_stdin("echo err >&2\n")
    same(shell.readline_stderr(timeout=10), "err")
    shell.write_stdin("exit 7\n")
    shell.run_forever(timeout=10)
    same(shell.returncode, 7)


@check
def exec_with_a_terminal():
    out = stream(core.connect_get_namespaced_pod_exec, "p", ns, command=["sh", "-c", "test -t 0 && echo terminal"],
                 stdin=True, stdout=True, stderr=False, tty=True)
    has(out, "terminal")


@check
def exec_of_nothing_says_why():
    try:
        stream(core.connect_get_namespaced_pod_exec, "p", ns, command=["/no/such/file"], stdout=True, stderr=True,
               stdin=False, tty=False, _preload_content=False).run_forever(timeout=10)
        stream(core.connect_get_namespaced_pod_exec, "nope", ns, command=["true"], stdout=True, stderr=True,
               stdin=False, tty=False)
    except client.exceptions.ApiException as error:
        has(str(error), "404")
        return
    raise AssertionError("ran in a pod that is not there")


@check
def attach_feeds_stdin():
    attached = stream(core.connect_get_namespaced_pod_attach, "p", ns, stdin=True, stdout=True, stderr=True,
                      tty=False, _preload_content=False)
    attached.write_stdin("ping\n")
    same(attached.readline_stdout(timeout=10), "got ping")
    attached.close()


@check
def logs():
    text = core.read_namespaced_pod_log("p", ns)
    same(text.splitlines(), ["hello", "got ping"])
    same(core.read_namespaced_pod_log("p", ns, tail_lines=1), "got ping\n")
    followed = watch.Watch()
    for line in followed.stream(core.read_namespaced_pod_log, name="p", namespace=ns, follow=True):
        same(line, "hello")
        break
    followed.stop()


@check
def port_forward():
    forward = portforward(core.connect_get_namespaced_pod_portforward, "p", ns, ports="8080")
    http = forward.socket(8080)
    http.setblocking(True)
    http.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
    answer = b""
    while piece := http.recv(4096):
        answer += piece
    http.close()
    has(answer.decode(), "served")
    same(forward.error(8080), None)


@check
def eviction():
    body = client.V1Eviction(metadata=client.V1ObjectMeta(name="p", namespace=ns))
    start = core.list_namespaced_pod(ns).metadata.resource_version
    core.create_namespaced_pod_eviction("p", ns, body)
    watcher = watch.Watch()
    for event in watcher.stream(core.list_namespaced_pod, ns, resource_version=start, timeout_seconds=20):
        if event["type"] == "DELETED":
            return watcher.stop()
    same(core.list_namespaced_pod(ns).items, [])


run()
