"""Create, update and the three plain patches: versions, names, dry runs, strictness, owners."""

import threading

from api import (DEPLOYMENTS, JSON_PATCH, MAPS, MERGE, STRATEGIC, call, check, config_map, delete, deployment, get, has,
                 made, patch, post, refused, run, same)


def put(path, body, **more):
    return call("PUT", path, body, **more)


@check
def a_create_fills_in_what_is_the_servers():
    meta = made(MAPS, config_map("c", {"a": "1"}))["metadata"]
    same(sorted(meta), ["creationTimestamp", "managedFields", "name", "namespace", "resourceVersion", "uid"])
    refused(post(MAPS, config_map("c")), 409, "AlreadyExists", 'configmaps "c" already exists')


@check
def an_update_may_say_which_version_it_means():
    body = get(MAPS + "/c").json
    old = body["metadata"]["resourceVersion"]
    body["data"]["a"] = "2"
    changed = put(MAPS + "/c", body)
    same((changed.code, changed.json["data"]), (200, {"a": "2"}))
    same(int(changed.json["metadata"]["resourceVersion"]) > int(old), True)
    text = 'Operation cannot be fulfilled on configmaps "c": the object has been modified; please apply your ' \
           "changes to the latest version and try again"
    refused(put(MAPS + "/c", body), 409, "Conflict", text)
    refused(patch(MAPS + "/c", {"metadata": {"resourceVersion": old}}), 409, "Conflict", text)
    del body["metadata"]["resourceVersion"]
    same(put(MAPS + "/c", body).code, 200)
    body["metadata"]["uid"] = "another"
    has(refused(put(MAPS + "/c", body), 409, "Conflict")["message"], "Precondition failed: UID in precondition: another")


@check
def what_changes_nothing_writes_nothing():
    before = get(MAPS + "/c").json
    for answer in (put(MAPS + "/c", before), patch(MAPS + "/c", {"data": {"a": before["data"]["a"]}}),
                   patch(MAPS + "/c", [], JSON_PATCH), patch(MAPS + "/c", {}, STRATEGIC)):
        same((answer.code, answer.json), (200, before))
    same(patch(MAPS + "/c", {"metadata": {"labels": None}}).json, before)


@check
def put_makes_what_is_missing_where_it_may():
    lease = MAPS.replace("/api/v1", "/apis/coordination.k8s.io/v1").replace("configmaps", "leases/l")
    body = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}
    same([put(lease, body).code, get(lease).code], [201, 200])
    refused(put(lease, body), 422, "Invalid", 'Lease.coordination.k8s.io "l" is invalid: metadata.resourceVersion: '
            "Invalid value: 0x0: must be specified for an update")
    refused(put(MAPS + "/nope", config_map("nope")), 404, "NotFound", 'configmaps "nope" not found')


@check
def names_are_generated():
    body = config_map("", {"a": "1"}, generateName="gen-")
    del body["metadata"]["name"]
    names = [made(MAPS, body)["metadata"]["name"] for _ in range(20)]
    same((len(set(names)), {len(name) for name in names}, all(name.startswith("gen-") for name in names)), (20, {9}, True))
    body["metadata"]["generateName"] = "g" * 100
    same(len(made(MAPS, body)["metadata"]["name"]), 63)


@check
def a_json_patch():
    made(MAPS, config_map("j", {"a": "1", "b": "2"}))
    operations = [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "replace", "path": "/data/a", "value": "3"},
                  {"op": "move", "from": "/data/b", "path": "/data/c"}, {"op": "copy", "from": "/data/c", "path": "/data/d~1e"},
                  {"op": "add", "path": "/metadata/labels", "value": {}}, {"op": "add", "path": "/metadata/labels/x", "value": "y"}]
    refused(patch(MAPS + "/j", operations, JSON_PATCH), 422, "Invalid")  # d/e is no key.
    operations[3]["path"] = "/data/e"
    done = patch(MAPS + "/j", operations, JSON_PATCH).json
    same((done["data"], done["metadata"]["labels"]), ({"a": "3", "c": "2", "e": "2"}, {"x": "y"}))
    same(patch(MAPS + "/j", [{"op": "remove", "path": "/metadata/labels/x"}], JSON_PATCH).code, 200)
    refused(patch(MAPS + "/j", [{"op": "test", "path": "/data/a", "value": "1"}], JSON_PATCH), 422, "Invalid",
            "the server rejected our request due to an error in our request")


@check
def a_merge_patch():
    done = patch(MAPS + "/j", {"data": {"a": None, "n": "1"}, "metadata": {"annotations": {"x": "y"}}}, MERGE).json
    same((done["data"], done["metadata"]["annotations"]), ({"c": "2", "e": "2", "n": "1"}, {"x": "y"}))


def containers(answer):
    same(answer.code, 200)
    return {c["name"]: c for c in answer.json["spec"]["template"]["spec"]["containers"]}


def template(**spec):
    return {"spec": {"template": {"spec": spec}}}


@check
def a_strategic_patch_merges_lists_by_key():
    made(DEPLOYMENTS, deployment("s"))
    d = DEPLOYMENTS + "/s"
    done = containers(patch(d, template(containers=[{"name": "side", "image": "i:1", "env": [
        {"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]), STRATEGIC))
    same(sorted(done), ["main", "side"])
    done = containers(patch(d, template(containers=[{"name": "side", "env": [
        {"name": "B", "$patch": "delete"}, {"name": "C", "value": "3"}]}]), STRATEGIC))
    same(({e["name"] for e in done["side"]["env"]}, done["side"]["image"]), ({"A", "C"}, "i:1"))
    ordered = patch(d, template(**{"$setElementOrder/containers": [{"name": "side"}, {"name": "main"}],
                                   "containers": [{"name": "main", "image": "i:2"}]}), STRATEGIC)
    same([(c["name"], c["image"]) for c in ordered.json["spec"]["template"]["spec"]["containers"]],
         [("side", "i:1"), ("main", "i:2")])
    same(sorted(containers(patch(d, template(containers=[{"name": "side", "$patch": "delete"}]), STRATEGIC))), ["main"])
    same(sorted(containers(patch(d, template(containers=[{"name": "only", "image": "i:3"}, {"$patch": "replace"}]),
                                 STRATEGIC))), ["only"])
    done = patch(d, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}, STRATEGIC)
    same(done.json["spec"]["strategy"], {"type": "Recreate"})
    meta = patch(d, {"metadata": {"finalizers": ["a/b", "c/d"]}}, STRATEGIC).json["metadata"]
    same(meta["finalizers"], ["a/b", "c/d"])
    meta = patch(d, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/b", "c/d"]}}, STRATEGIC).json["metadata"]
    same("finalizers" in meta, False)


@check
def generation_counts_what_was_wanted():
    sets = DEPLOYMENTS.replace("deployments", "replicasets")
    d = sets + "/g"
    same(made(sets, {**deployment("g"), "kind": "ReplicaSet"})["metadata"]["generation"], 1)
    same(patch(d, {"metadata": {"labels": {"a": "b"}}}).json["metadata"]["generation"], 1)
    same(patch(d, {"spec": {"minReadySeconds": 1}}).json["metadata"]["generation"], 2)
    status = patch(d + "/status", {"status": {"observedGeneration": 7}, "spec": {"minReadySeconds": 9}}).json
    same((status["metadata"]["generation"], status["spec"]["minReadySeconds"]), (2, 1))
    same(patch(d, {"status": {"observedGeneration": 9}}).json["status"]["observedGeneration"] == 9, False)


@check
def a_dry_run_does_all_but_write():
    dry = post(MAPS + "?dryRun=All", config_map("dry", {"a": "1"}))
    same((dry.code, "uid" in dry.json["metadata"], get(MAPS + "/dry").code), (201, True, 404))
    refused(post(MAPS + "?dryRun=All", config_map("c")), 409, "AlreadyExists")
    refused(post(MAPS + "?dryRun=All", config_map("Bad_Name")), 422, "Invalid")
    before = get(MAPS).json["items"]
    same(put(MAPS + "/c?dryRun=All", config_map("c", {"z": "9"})).json["data"], {"z": "9"})
    same(patch(MAPS + "/c?dryRun=All", {"data": {"z": "9"}}).json["data"]["z"], "9")
    same(delete(MAPS + "/c?dryRun=All").json["status"], "Success")
    same(delete(MAPS + "?dryRun=All").code, 200)
    same(post(DEPLOYMENTS + "?dryRun=All", deployment("c")).code, 201)
    same((get(MAPS).json["items"], get(DEPLOYMENTS + "/c").code), (before, 404))


@check
def strictness_is_the_clients_choice():
    body = config_map("strict")
    body["dta"] = {}
    refused(post(MAPS + "?fieldValidation=Strict", body), 400, "BadRequest", 'ConfigMap in version "v1" cannot be handled '
            'as a ConfigMap: strict decoding error: unknown field "dta"')
    same(post(MAPS + "?dryRun=All&fieldValidation=Ignore", body).headers["Warning"], None)
    for query in ("?dryRun=All", "?dryRun=All&fieldValidation=Warn"):
        same(post(MAPS + query, body).headers["Warning"], '299 - "unknown field \\"dta\\""')
    twice = '{"metadata":{"name":"twice"},"data":{"a":"1","a":"2"}}'
    refused(post(MAPS + "?fieldValidation=Strict", twice), 400, "BadRequest")
    warned = post(MAPS + "?dryRun=All", twice)
    same((warned.headers["Warning"], warned.json["data"]), ('299 - "duplicate field \\"data.a\\""', {"a": "2"}))
    same(patch(MAPS + "/c?fieldValidation=Strict", {"dta": 1}).code, 422)
    same(patch(MAPS + "/c?fieldValidation=Warn", {"dta": 1}).headers["Warning"], '299 - "unknown field \\"dta\\""')


@check
def the_manager_is_named_by_the_client():
    made(MAPS + "?fieldManager=me", config_map("m", {"a": "1"}))
    patch(MAPS + "/m", {"data": {"b": "1"}}, User_Agent="tool/v1.2 (linux)")
    managers = [(m["manager"], m["operation"], m["fieldsType"]) for m in get(MAPS + "/m").json["metadata"]["managedFields"]]
    same(managers, [("me", "Update", "FieldsV1"), ("tool", "Update", "FieldsV1")])


@check
def racing_patches_are_all_kept():
    made(MAPS, config_map("race"))
    import http.client
    from api import TLS

    def write(writer):
        connection = http.client.HTTPSConnection("127.0.0.1", 6443, context=TLS, timeout=20)
        for number in range(25):
            connection.request("PATCH", MAPS + "/race", f'{{"data":{{"k{writer}-{number}":"1"}}}}', {"Content-Type": MERGE})
            response = connection.getresponse()
            response.read()
            codes.append(response.status)

    codes = []
    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    same(len(get(MAPS + "/race").json["data"]), codes.count(200))
    same(set(codes) <= {200, 409}, True)


run()
