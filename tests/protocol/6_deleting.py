"""Deletion: conditions, finalizers, who goes with whom, grace, collections, namespaces."""

from api import MAPS, PODS, Watch, call, check, config_map, delete, get, has, made, patch, refused, revision, run, same


def gone(path):
    """Waits, told by a watch, until the object is no more."""
    folder, name = path.rsplit("/", 1)
    watch = Watch(f"{folder}?watch=1&fieldSelector=metadata.name%3D{name}")
    if get(path).code != 404:
        while watch.next()[0] != "DELETED":
            pass
    watch.close()


@check
def a_delete_says_what_is_gone():
    uid = made(MAPS, config_map("a"))["metadata"]["uid"]
    answer = delete(MAPS + "/a")
    same((answer.code, answer.json), (200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                                            "details": {"name": "a", "kind": "configmaps", "uid": uid}}))
    refused(delete(MAPS + "/a"), 404, "NotFound", 'configmaps "a" not found')


@check
def conditions_of_a_delete():
    meta = made(MAPS, config_map("b"))["metadata"]
    refused(delete(MAPS + "/b", {"preconditions": {"uid": "x"}}), 409, "Conflict", 'Operation cannot be fulfilled on '
            f'configmaps "b": Precondition failed: UID in precondition: x, UID in object meta: {meta["uid"]}')
    has(refused(delete(MAPS + "/b", {"preconditions": {"resourceVersion": "1"}}), 409, "Conflict")["message"],
        "Precondition failed: ResourceVersion in precondition: 1, ResourceVersion in object meta: ")
    same(delete(MAPS + "/b", {"preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}}).code, 200)


@check
def finalizers_hold_an_object():
    made(MAPS, config_map("f", finalizers=["a.b/c", "a.b/d"]))
    answer = delete(MAPS + "/f")
    same((answer.code, answer.json["kind"], answer.json["metadata"]["finalizers"]), (200, "ConfigMap", ["a.b/c", "a.b/d"]))
    same("deletionTimestamp" in answer.json["metadata"], True)
    same(delete(MAPS + "/f").json, answer.json)
    has(refused(patch(MAPS + "/f", {"metadata": {"finalizers": ["a.b/c", "a.b/d", "a.b/e"]}}), 422, "Invalid")["message"],
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted")
    same(patch(MAPS + "/f", {"metadata": {"finalizers": ["a.b/d"]}}).code, 200)
    watch = Watch(f"{MAPS}?watch=1&resourceVersion={revision()}")
    same(patch(MAPS + "/f", {"metadata": {"finalizers": None}}).code, 200)
    same((watch.name(), get(MAPS + "/f").code), ("DELETED f", 404))
    watch.close()


def owned(name, *owners, **reference):
    return config_map(name, ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": o["metadata"]["name"],
                                              "uid": o["metadata"]["uid"], **reference} for o in owners])


@check
def in_the_background_dependents_follow():
    owner = made(MAPS, config_map("owner"))
    other = made(MAPS, config_map("other"))
    made(MAPS, owned("child", owner))
    made(MAPS, owned("shared", owner, other))
    same(delete(MAPS + "/owner", {"propagationPolicy": "Background"}).json["status"], "Success")
    gone(MAPS + "/child")
    same(get(MAPS + "/shared").code, 200)


@check
def in_the_foreground_dependents_go_first():
    owner = made(MAPS, config_map("front"))
    made(MAPS, {**owned("blocked", owner, blockOwnerDeletion=True), "data": {}})
    patch(MAPS + "/blocked", {"metadata": {"finalizers": ["a.b/c"]}})
    answer = delete(MAPS + "/front", {"propagationPolicy": "Foreground"}).json
    same(answer["metadata"]["finalizers"], ["foregroundDeletion"])
    watch = Watch(f"{MAPS}?watch=1&fieldSelector=metadata.name%3Dblocked")
    while "deletionTimestamp" not in watch.next()[1]["metadata"]:
        pass
    watch.close()
    same(get(MAPS + "/front").code, 200)
    patch(MAPS + "/blocked", {"metadata": {"finalizers": None}})
    gone(MAPS + "/blocked")
    gone(MAPS + "/front")


@check
def orphans_stay():
    owner = made(MAPS, config_map("parent"))
    made(MAPS, owned("orphan", owner))
    answer = delete(MAPS + "/parent?propagationPolicy=Orphan").json
    same(answer["metadata"]["finalizers"], ["orphan"])
    gone(MAPS + "/parent")
    same("ownerReferences" in get(MAPS + "/orphan").json["metadata"], False)


@check
def grace_is_for_pods_that_run_somewhere():
    pod = {"metadata": {"name": "p"}, "spec": {"terminationGracePeriodSeconds": 20, "containers": [{"name": "c", "image": "i"}]}}
    made(PODS, pod)
    same(delete(PODS + "/p").json["metadata"].get("name", "p"), "p")
    gone(PODS + "/p")
    made("/api/v1/nodes", {"metadata": {"name": "idle"}})
    pod["spec"]["nodeName"] = "idle"
    made(PODS, pod)
    meta = delete(PODS + "/p").json["metadata"]
    same(meta["deletionGracePeriodSeconds"], 20)
    same(delete(PODS + "/p?gracePeriodSeconds=60").json["metadata"]["deletionGracePeriodSeconds"], 20)
    same(delete(PODS + "/p", {"gracePeriodSeconds": 5}).json["metadata"]["deletionGracePeriodSeconds"], 5)
    same(delete(PODS + "/p?gracePeriodSeconds=0").code, 200)
    same(get(PODS + "/p").code, 404)
    delete("/api/v1/nodes/idle")


@check
def collections_go_by_selector():
    for name, labels in (("x1", {"set": "x"}), ("x2", {"set": "x"}), ("y1", {"set": "y"})):
        made(MAPS, config_map(name, labels=labels))
    same(delete(MAPS + "?labelSelector=set%3Dx").code, 200)
    same([get(MAPS + "/" + name).code for name in ("x1", "x2", "y1")], [404, 404, 200])
    same(delete(MAPS + "?fieldSelector=metadata.name%3Dy1").code, 200)
    same(get(MAPS + "/y1").code, 404)
    made(MAPS, config_map("z1", labels={"set": "z"}, finalizers=["a.b/c"]))
    same(delete(MAPS + "?labelSelector=set%3Dz").code, 200)
    same("deletionTimestamp" in get(MAPS + "/z1").json["metadata"], True)
    patch(MAPS + "/z1", {"metadata": {"finalizers": None}})
    same(get(MAPS + "/z1").code, 404)


@check
def a_namespace_ends_with_all_that_is_in_it():
    path = "/api/v1/namespaces/ending"
    made("/api/v1/namespaces", {"metadata": {"name": "ending"}})
    made(path + "/configmaps", config_map("held", finalizers=["a.b/c"]))
    made(path + "/configmaps", config_map("free"))
    answer = delete(path)
    same((answer.code, answer.json["kind"], answer.json["status"]["phase"]), (200, "Namespace", "Terminating"))
    refusal = refused(call("POST", path + "/configmaps", config_map("late")), 403, "Forbidden", 'configmaps "late" is forbidden: '
                      "unable to create new content in namespace ending because it is being terminated")
    same(refusal["details"]["causes"], [{"reason": "NamespaceTerminating", "message": "namespace ending is being terminated",
                                         "field": "metadata.namespace"}])
    watch = Watch("/api/v1/namespaces?watch=1&fieldSelector=metadata.name%3Dending")
    conditions = {}
    while conditions.get("NamespaceFinalizersRemaining") != "True":
        status = watch.next()[1]["status"]
        conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    watch.close()
    same(conditions, {"NamespaceDeletionDiscoveryFailure": "False", "NamespaceDeletionGroupVersionParsingFailure": "False",
                      "NamespaceDeletionContentFailure": "False", "NamespaceContentRemaining": "True",
                      "NamespaceFinalizersRemaining": "True"})
    same(get(path + "/configmaps/free").code, 404)
    patch(path + "/configmaps/held", {"metadata": {"finalizers": None}})
    gone(path)
    refused(delete("/api/v1/namespaces/default"), 403, "Forbidden",
            'namespaces "default" is forbidden: this namespace may not be deleted')


run()
