"""Server-side apply: who owns what, conflicts and their words, force, removal, sharing, subresources."""

from api import APPLY, DEPLOYMENTS, MAPS, call, check, config_map, deployment, get, made, patch, refused, run, same


def apply(path, manager, body, **query):
    extra = "".join(f"&{name}={value}" for name, value in query.items())
    body = {"apiVersion": "v1", "kind": "ConfigMap", **body} if "/configmaps" in path else body
    body = {**body, "metadata": {"name": path.rsplit("/", 1)[1], **body.get("metadata", {})}}
    return patch(f"{path}?fieldManager={manager}{extra}", body, APPLY)


def owners(path):
    """manager → what it owns, as FieldsV1 says it."""
    return {m["manager"] + ("/" + m["subresource"] if "subresource" in m else ""): m["fieldsV1"]
            for m in get(path).json["metadata"]["managedFields"]}


ONE = MAPS + "/one"


@check
def an_apply_makes_and_owns():
    first = apply(ONE, "a", {"data": {"x": "1", "y": "2"}})
    same(first.code, 201)
    same(owners(ONE), {"a": {"f:data": {"f:x": {}, "f:y": {}}}})
    again = apply(ONE, "a", {"data": {"x": "1", "y": "2"}})
    same((again.code, again.json), (200, first.json))


@check
def another_manager_conflicts():
    answer = refused(apply(ONE, "b", {"data": {"x": "9"}}), 409, "Conflict",
                     'Apply failed with 1 conflict: conflict with "a": .data.x')
    same(answer["details"]["causes"], [{"reason": "FieldManagerConflict", "message": 'conflict with "a"', "field": ".data.x"}])
    answer = refused(apply(ONE, "b", {"data": {"x": "9", "y": "9"}}), 409, "Conflict",
                     'Apply failed with 2 conflicts: conflicts with "a":\n- .data.x\n- .data.y')
    same([c["field"] for c in answer["details"]["causes"]], [".data.x", ".data.y"])


@check
def the_same_value_is_shared():
    same(apply(ONE, "b", {"data": {"x": "1"}}).code, 200)
    same(owners(ONE), {"a": {"f:data": {"f:x": {}, "f:y": {}}}, "b": {"f:data": {"f:x": {}}}})
    same(apply(ONE, "a", {"data": {"y": "2"}}).json["data"], {"x": "1", "y": "2"})  # b still wants x.
    same(owners(ONE), {"a": {"f:data": {"f:y": {}}}, "b": {"f:data": {"f:x": {}}}})


@check
def force_takes_over():
    same(apply(ONE, "a", {"data": {"x": "5", "y": "2"}}, force="true").json["data"], {"x": "5", "y": "2"})
    same(owners(ONE), {"a": {"f:data": {"f:x": {}, "f:y": {}}}})


@check
def what_is_no_longer_applied_goes():
    same(apply(ONE, "a", {"data": {"x": "5"}}).json["data"], {"x": "5"})
    same("data" in apply(ONE, "a", {}).json, False)


@check
def an_update_owns_what_it_changes():
    made(MAPS + "?fieldManager=maker", config_map("two", {"x": "1", "y": "1"}))
    patch(MAPS + "/two?fieldManager=patcher", {"data": {"y": "2"}})
    same(owners(MAPS + "/two"), {"maker": {"f:data": {".": {}, "f:x": {}}}, "patcher": {"f:data": {"f:y": {}}}})
    refused(apply(MAPS + "/two", "a", {"data": {"x": "3", "y": "3"}}), 409, "Conflict",
            'Apply failed with 2 conflicts: conflicts with "maker" using v1:\n- .data.x\nconflicts with "patcher" using v1:'
            "\n- .data.y")
    # Applying what stands there already is no conflict.
    same(apply(MAPS + "/two", "a", {"data": {"x": "1"}}).code, 200)
    patch(MAPS + "/two?fieldManager=patcher", {"data": {"x": None}})
    same("a" in owners(MAPS + "/two"), False)


def with_containers(name, *containers, **spec):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        **spec, "template": {"spec": {"containers": list(containers)}}}}


def names(answer):
    same(answer.code, 200)
    return [c["name"] for c in answer.json["spec"]["template"]["spec"]["containers"]]


@check
def lists_merge_by_their_keys():
    d = DEPLOYMENTS + "/d"
    body = deployment("d")
    same(apply(d, "a", body).code, 201)
    side = {"name": "side", "image": "i:1", "ports": [{"containerPort": 80, "protocol": "TCP"}]}
    same(names(apply(d, "b", with_containers("d", side))), ["main", "side"])
    same(owners(d)["b"], {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"side"}': {
        ".": {}, "f:name": {}, "f:image": {}, "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {
            ".": {}, "f:containerPort": {}, "f:protocol": {}}}}}}}}})
    refused(apply(d, "a", with_containers("d", {"name": "side", "image": "i:9"})), 409, "Conflict",
            'Apply failed with 1 conflict: conflict with "b": .spec.template.spec.containers[name="side"].image')
    same(names(apply(d, "b", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}})), ["main"])


@check
def sets_and_atomic_fields():
    two = MAPS + "/sets"
    apply(two, "a", {"metadata": {"finalizers": ["a/a", "a/b"]}})
    same(apply(two, "b", {"metadata": {"finalizers": ["a/c"]}}).json["metadata"]["finalizers"], ["a/a", "a/b", "a/c"])
    same(owners(two)["b"], {"f:metadata": {"f:finalizers": {'v:"a/c"': {}}}})
    same(apply(two, "a", {"metadata": {"finalizers": ["a/b"]}}).json["metadata"]["finalizers"], ["a/b", "a/c"])
    apply(two, "a", {})
    apply(two, "b", {})
    d = DEPLOYMENTS + "/atomic"
    apply(d, "a", deployment("atomic"))
    selector = {"spec": {"selector": {"matchLabels": {"app": "atomic", "more": "1"}}}}
    refused(apply(d, "b", {"apiVersion": "apps/v1", "kind": "Deployment", **selector}), 409, "Conflict",
            'Apply failed with 1 conflict: conflict with "a": .spec.selector')


@check
def scale_and_status_have_owners_of_their_own():
    d = DEPLOYMENTS + "/sub"
    apply(d, "a", deployment("sub"))
    call("PUT", d + "/scale?fieldManager=scaler", {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "sub"},
                                                  "spec": {"replicas": 0}})
    same("scaler" in str(owners(d)), False)  # It changed nothing.
    status = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "sub"}, "status": {"collisionCount": 3}}
    done = patch(d + "/status?fieldManager=s", status, APPLY)
    same((done.code, done.json["status"]["collisionCount"]), (200, 3))
    same(owners(d)["s/status"], {"f:status": {"f:collisionCount": {}}})
    # What an apply to the whole says of status is not taken.
    body = deployment("sub")
    body["status"] = {"collisionCount": 9}
    same(apply(d, "a", body).json["status"]["collisionCount"], 3)


@check
def what_an_apply_must_say():
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "three"}}
    refused(patch(MAPS + "/three", body, APPLY), 422, "Invalid", 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: '
            "Required value: is required for apply patch")
    body["metadata"]["managedFields"] = [{"manager": "x", "operation": "Apply"}]
    refused(patch(MAPS + "/three?fieldManager=a", body, APPLY), 400, "BadRequest", "metadata.managedFields must be nil")
    refused(patch(MAPS + "/one?force=true", {}), 422, "Invalid", 'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: '
            "may not be specified for non-apply patch")
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}\ndata: {a: b}\n"
    same(patch(MAPS + "/yaml?fieldManager=a", text, APPLY).json["data"], {"a": "b"})


@check
def an_apply_may_be_dry_or_conditional():
    same(apply(MAPS + "/dry", "a", {"data": {"x": "1"}}, dryRun="All").code, 201)
    same(get(MAPS + "/dry").code, 404)
    refused(apply(ONE, "a", {"metadata": {"resourceVersion": "1"}, "data": {"x": "1"}}), 409, "Conflict")
    same(apply(ONE, "a", {"metadata": {"resourceVersion": get(ONE).json["metadata"]["resourceVersion"]},
                          "data": {"x": "1"}}).code, 200)


@check
def owners_are_kept_as_the_client_wants_them():
    made(MAPS + "?fieldManager=maker", config_map("owned", {"x": "1"}))
    cleared = patch(MAPS + "/owned?fieldManager=other", {"metadata": {"managedFields": [{}]}}).json
    same("managedFields" in cleared["metadata"], False)
    refused(apply(MAPS + "/owned", "a", {"data": {"x": "2"}}), 409, "Conflict",
            'Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.x')
    same(apply(MAPS + "/owned", "a", {"data": {"x": "2"}}, force="true").code, 200)
    same(owners(MAPS + "/owned")["a"], {"f:data": {"f:x": {}}})


run()
