"""Watches: where they begin, what they tell, how they end, in every form."""

import json

from api import (MAPS, PARTIAL, PROTOBUF, TABLE, Watch, WebSocket, check, config_map, delete, get, has, made, ns, patch,
                 refused, revision, run, same)

ONE = MAPS + "?fieldSelector=metadata.name%3Dw&watch=1"


@check
def from_now_zero_and_a_revision():
    start = revision()
    made(MAPS, config_map("w", {"n": "1"}))
    patch(MAPS + "/w", {"data": {"n": "2"}})
    same(Watch(ONE + "&timeoutSeconds=1").all(), ["ADDED w"])
    same(Watch(ONE + "&timeoutSeconds=1&resourceVersion=0").all(), ["ADDED w"])
    same(Watch(ONE + f"&timeoutSeconds=1&resourceVersion={start}").all(), ["ADDED w", "MODIFIED w"])
    same(Watch(ONE + f"&timeoutSeconds=1&resourceVersion={revision()}").all(), [])


@check
def objects_are_whole():
    watch = Watch(ONE)
    same(watch.next(), ("ADDED", get(MAPS + "/w").json))
    changed = patch(MAPS + "/w", {"data": {"n": "3"}}).json
    same(watch.next(), ("MODIFIED", changed))
    watch.close()


@check
def a_deletion_brings_the_last_state_at_its_own_revision():
    last = made(MAPS, config_map("gone", {"n": "1"}))
    watch = Watch(f"{MAPS}?watch=1&resourceVersion={last['metadata']['resourceVersion']}")
    delete(MAPS + "/gone")
    kind, told = watch.next()
    same((kind, told["data"]), ("DELETED", {"n": "1"}))
    same(int(told["metadata"]["resourceVersion"]) > int(last["metadata"]["resourceVersion"]), True)
    watch.close()


@check
def selection_comes_and_goes():
    made(MAPS, config_map("s"))
    watch = Watch(f"{MAPS}?watch=1&labelSelector=in%3Dyes&resourceVersion={revision()}")
    for labels in ({"in": "yes"}, {"in": "yes", "more": "1"}, {"in": "no"}, {"in": "yes"}):
        patch(MAPS + "/s", {"metadata": {"labels": labels}})
    delete(MAPS + "/s")
    same([watch.name() for _ in range(5)], ["ADDED s", "MODIFIED s", "DELETED s", "ADDED s", "DELETED s"])
    watch.close()


@check
def bookmarks_when_asked_for():
    kind, told = Watch(MAPS + f"?watch=1&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion={revision()}").next()
    same((kind, sorted(told)), ("BOOKMARK", ["apiVersion", "kind", "metadata"]))
    same((told["kind"], int(told["metadata"]["resourceVersion"]) <= int(revision())), ("ConfigMap", True))
    same(Watch(MAPS + f"?watch=1&timeoutSeconds=1&resourceVersion={revision()}").all(), [])


@check
def initial_events_have_an_end():
    query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    watch = Watch(ONE + query)
    same(watch.name(), "ADDED w")
    kind, told = watch.next()
    same((kind, told["metadata"]["annotations"]), ("BOOKMARK", {"k8s.io/initial-events-end": "true"}))
    same(int(told["metadata"]["resourceVersion"]) <= int(revision()), True)
    patch(MAPS + "/w", {"data": {"n": "4"}})
    same(watch.name(), "MODIFIED w")
    watch.close()
    watch = Watch(ONE + query.replace("=true&res", "=false&res"))
    patch(MAPS + "/w", {"data": {"n": "5"}})
    same(watch.name(), "MODIFIED w")
    watch.close()
    refused(get(ONE + "&sendInitialEvents=true"), 422, "Invalid",
            'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires '
            "setting resourceVersionMatch to NotOlderThan")
    refused(get(ONE + query + "&resourceVersion=99999999"), 504, "Timeout")


@check
def the_old_paths():
    for path in (f"/api/v1/watch/namespaces/{ns}/configmaps/w", f"/api/v1/watch/namespaces/{ns}/configmaps?fieldSelector="
                 "metadata.name%3Dw", "/api/v1/watch/configmaps?fieldSelector=metadata.name%3Dw"):
        watch = Watch(path)
        same((watch.code, watch.name()), (200, "ADDED w"))
        watch.close()
    same(Watch(f"/api/v1/watch/namespaces/{ns}").name(), f"ADDED {ns}")
    same(get(f"/api/v1/watch/namespaces/{ns}/unicorns").code, 404)


@check
def tables_are_watched():
    watch = Watch(ONE, TABLE)
    kind, told = watch.next()
    same((kind, told["kind"], told["rows"][0]["cells"][0], told["rows"][0]["object"]["kind"]),
         ("ADDED", "Table", "w", "PartialObjectMetadata"))
    same(len(told["columnDefinitions"]) > 1, True)
    patch(MAPS + "/w", {"data": {"n": "6"}})
    kind, told = watch.next()
    same((kind, told["kind"], told.get("columnDefinitions") or []), ("MODIFIED", "Table", []))
    watch.close()


@check
def metadata_is_watched():
    watch = Watch(ONE, PARTIAL)
    kind, told = watch.next()
    same((kind, told["kind"], told["apiVersion"], told["metadata"]["name"], "data" in told),
         ("ADDED", "PartialObjectMetadata", "meta.k8s.io/v1", "w", False))
    watch.close()
    watch = Watch(ONE, PARTIAL.replace("application/json", PROTOBUF))
    has(watch.frame(), b"PartialObjectMetadata")
    watch.close()


@check
def protobuf_is_framed():
    watch = Watch(ONE + "&timeoutSeconds=1&allowWatchBookmarks=true", PROTOBUF)
    same(watch.type, PROTOBUF + ";stream=watch")
    first, mark = watch.frame(), watch.frame()
    has(first, b"ADDED")
    has(first, b"k8s\0")
    has(mark, b"BOOKMARK")
    same(watch.frame(), None)


@check
def a_browser_watches_over_a_websocket():
    watch = WebSocket(ONE)
    same(watch.code, 101)
    opcode, text = watch.next()
    event = json.loads(text)
    same((opcode, event["type"], event["object"]), (1, "ADDED", get(MAPS + "/w").json))
    patch(MAPS + "/w", {"data": {"n": "7"}})
    patch(MAPS + "/w", {"data": {"n": "8"}})
    same([json.loads(watch.next()[1])["object"]["data"]["n"] for _ in range(2)], ["7", "8"])
    watch.close()


@check
def a_websocket_in_other_forms():
    watch = WebSocket(ONE, protocol="base64.binary.k8s.io")
    same((watch.code, watch.headers["Sec-WebSocket-Protocol"]), (101, "base64.binary.k8s.io"))
    watch.close()
    watch = WebSocket(ONE, accept=PROTOBUF)
    opcode, data = watch.next()
    same(opcode, 2)
    has(data, b"ADDED")
    watch.close()
    ended = WebSocket(ONE + "&timeoutSeconds=1")
    same([ended.next()[0] for _ in range(2)], [1, 8])  # The event, then a close.
    same(WebSocket(MAPS + "/w").code, 200)  # A GET is a GET.


@check
def many_writes_come_in_order():
    watch = Watch(f"{MAPS}?watch=1&resourceVersion={revision()}")
    for number in range(100):
        patch(MAPS + "/w", {"data": {"n": f"many-{number}"}})
    told = [watch.next()[1] for _ in range(100)]
    same([t["data"]["n"] for t in told], [f"many-{number}" for number in range(100)])
    revisions = [int(t["metadata"]["resourceVersion"]) for t in told]
    same(revisions, sorted(set(revisions)))
    watch.close()


run()
