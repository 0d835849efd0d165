"""Pages of one state, and every way to ask for a revision."""

import json
import base64

from api import MAPS, call, check, config_map, delete, get, made, ns, patch, refused, revision, run, same


def names(answer):
    same(answer.code, 200)
    return [item["metadata"]["name"] for item in answer.json["items"] if item["metadata"]["name"] != "kube-root-ca.crt"]


@check
def pages_are_of_one_state():
    for number in range(5):
        made(MAPS, config_map(f"p{number}", {"n": str(number)}, labels={"page": "yes", "odd": str(number % 2)}))
    first = get(MAPS + "?limit=2&labelSelector=page")
    same((names(first), "remainingItemCount" in first.json["metadata"]), (["p0", "p1"], False))
    delete(MAPS + "/p3")
    made(MAPS, config_map("p22", labels={"page": "yes"}))
    second = get(f"{MAPS}?limit=2&labelSelector=page&continue={first.json['metadata']['continue']}")
    same(names(second), ["p2", "p3"])
    same(second.json["metadata"]["resourceVersion"], first.json["metadata"]["resourceVersion"])
    third = get(f"{MAPS}?limit=2&labelSelector=page&continue={second.json['metadata']['continue']}")
    same((names(third), "continue" in third.json["metadata"]), (["p4"], False))
    same(names(get(MAPS + "?labelSelector=page")), ["p0", "p1", "p2", "p22", "p4"])


@check
def what_is_left_is_counted_without_selectors():
    whole = len(get(MAPS).json["items"])
    page = get(MAPS + "?limit=2").json
    same(page["metadata"]["remainingItemCount"], whole - 2)
    rest = get(f"{MAPS}?limit=2&continue={page['metadata']['continue']}").json
    same(rest["metadata"].get("remainingItemCount", 0), whole - 4)
    same("remainingItemCount" in get(MAPS + "?limit=1&labelSelector=page").json["metadata"], False)
    same("remainingItemCount" in get(MAPS + "?limit=1&fieldSelector=metadata.name%21%3Dx").json["metadata"], False)
    same("remainingItemCount" in get(f"{MAPS}?limit={whole}").json["metadata"], False)


@check
def a_token_says_where_it_goes_on():
    token = get(MAPS + "?limit=1").json["metadata"]["continue"]
    told = json.loads(base64.urlsafe_b64decode(token + "=="))
    same((told["v"], told["rv"] > 0, "start" in told), ("meta.k8s.io/v1", True, True))
    refused(get(f"{MAPS}?limit=1&continue={token}&resourceVersion=5"), 400, "BadRequest",
            "specifying resource version is not allowed when using continue")
    same(get(f"{MAPS}?limit=1&continue={token}&resourceVersion=0").code, 200)


@check
def every_way_to_ask_for_a_revision():
    before = revision()
    patch(MAPS + "/p0", {"data": {"n": "new"}})
    now = revision()
    # query, and whether p0's new state is seen.
    for query, new in (("", True), ("resourceVersion=0", True), (f"resourceVersion={before}", True),
                       (f"resourceVersion={before}&resourceVersionMatch=NotOlderThan", True),
                       ("resourceVersion=0&resourceVersionMatch=NotOlderThan", True),
                       (f"resourceVersion={before}&resourceVersionMatch=Exact", False),
                       (f"resourceVersion={now}&resourceVersionMatch=Exact", True),
                       ("limit=500", True), ("resourceVersion=0&limit=500", True),
                       (f"resourceVersion={before}&limit=500", False),
                       (f"resourceVersion={before}&resourceVersionMatch=NotOlderThan&limit=500", True),
                       ("resourceVersion=0&resourceVersionMatch=NotOlderThan&limit=500", True),
                       (f"resourceVersion={before}&resourceVersionMatch=Exact&limit=500", False)):
        listed = get(f"{MAPS}?{query}").json
        seen = [i["data"]["n"] for i in listed["items"] if i["metadata"]["name"] == "p0"]
        same((query, seen), (query, ["new" if new else "0"]))
        same((query, int(listed["metadata"]["resourceVersion"]) >= int(now)), (query, new))
    listed = get(f"{MAPS}?resourceVersion={before}&resourceVersionMatch=Exact&limit=1").json
    same(listed["metadata"]["resourceVersion"], before)


@check
def contradictions_are_refused():
    for query, field, text in (
            ("resourceVersionMatch=Exact", "resourceVersionMatch",
             "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"),
            ("resourceVersion=0&resourceVersionMatch=Exact", "resourceVersionMatch",
             'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
            ("resourceVersion=1&resourceVersionMatch=Soon", "resourceVersionMatch",
             'Unsupported value: "Soon": supported values: "Exact", "NotOlderThan", ""'),
            ("sendInitialEvents=true", "sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list")):
        answer = refused(get(f"{MAPS}?{query}"), 422, "Invalid",
                         f'ListOptions.meta.k8s.io "" is invalid: {field}: {text}')
        same([c["field"] for c in answer["details"]["causes"]], [field])
    future = refused(get(MAPS + "?resourceVersion=99999999"), 504, "Timeout")
    same(future["details"], {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                             "retryAfterSeconds": 1})


@check
def the_order_is_that_of_the_keys():
    same(names(get(MAPS)), sorted(names(get(MAPS))))
    everywhere = get("/api/v1/configmaps").json["items"]
    keys = [(i["metadata"]["namespace"], i["metadata"]["name"]) for i in everywhere]
    same(keys, sorted(keys))


@check
def selectors():
    for query, wanted in (("labelSelector=odd%3D1", ["p1"]), ("labelSelector=odd+in+(0,1)", ["p0", "p1", "p2", "p4"]),
                          ("labelSelector=page,!odd", ["p22"]), ("labelSelector=odd!%3D1,page", ["p0", "p2", "p22", "p4"]),
                          ("labelSelector=odd+notin+(1),odd", ["p0", "p2", "p4"]),
                          ("fieldSelector=metadata.name%3Dp2", ["p2"]),
                          (f"fieldSelector=metadata.namespace%3D{ns},metadata.name%3D%3Dp4", ["p4"]),
                          ("fieldSelector=metadata.name%3Dp2,metadata.name%3Dp4", []),
                          ("fieldSelector=metadata.name%3Dp2&labelSelector=odd%3D1", [])):
        same((query, names(get(f"{MAPS}?{query}"))), (query, wanted))
    same(get("/api/v1/configmaps?fieldSelector=metadata.name%3Dp2").json["items"][0]["metadata"]["namespace"], ns)


run()
