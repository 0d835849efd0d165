"""python3-kubernetes: objects of many kinds, every patch, apply, the dynamic client, errors."""

import json

from kubernetes import client, dynamic, utils
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError

from checks import check, has, ns, refused, run, same

core = client.CoreV1Api()
apps = client.AppsV1Api()
custom = client.ApiClient()
TEMPLATE = {"metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "main", "image": "busybox:1", "command": ["sleep", "9"]}]}}
SELECTOR = {"matchLabels": {"app": "a"}}
STORAGE = {"requests": {"storage": "1Gi"}}
RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "o"}

# api, kind, what else the object needs; all are created with zero pods.
KINDS = [
    ("v1", "ConfigMap", {"data": {"a": "b"}, "binaryData": {"c": "AAEC"}}),
    ("v1", "Secret", {"stringData": {"a": "b"}, "type": "Opaque"}),
    ("v1", "Service", {"spec": {"ports": [{"port": 80, "targetPort": "web"}], "selector": {"app": "a"}}}),
    ("v1", "ServiceAccount", {}),
    ("v1", "PersistentVolumeClaim", {"spec": {"accessModes": ["ReadWriteOnce"], "resources": STORAGE}}),
    ("v1", "ReplicationController", {"spec": {"replicas": 0, "selector": {"app": "a"}, "template": TEMPLATE}}),
    ("v1", "LimitRange", {"spec": {"limits": [{"type": "Container", "max": {"cpu": "64"}}]}}),
    ("v1", "ResourceQuota", {"spec": {"hard": {"pods": "100"}}}),
    ("v1", "PodTemplate", {"template": TEMPLATE}),
    ("v1", "Endpoints", {"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}]}),
    ("apps/v1", "Deployment", {"spec": {"replicas": 0, "selector": SELECTOR, "template": TEMPLATE}}),
    ("apps/v1", "ReplicaSet", {"spec": {"replicas": 0, "selector": SELECTOR, "template": TEMPLATE}}),
    ("apps/v1", "StatefulSet", {"spec": {"replicas": 0, "serviceName": "s", "selector": SELECTOR, "template": TEMPLATE}}),
    ("apps/v1", "DaemonSet", {"spec": {"selector": SELECTOR, "template": {
        **TEMPLATE, "spec": {**TEMPLATE["spec"], "nodeSelector": {"no": "where"}}}}}),
    ("batch/v1", "Job", {"spec": {"parallelism": 0, "template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}}),
    ("batch/v1", "CronJob", {"spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {
        "template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}}}}),
    ("networking.k8s.io/v1", "Ingress", {"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}}),
    ("networking.k8s.io/v1", "NetworkPolicy", {"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}),
    ("policy/v1", "PodDisruptionBudget", {"spec": {"minAvailable": "50%", "selector": SELECTOR}}),
    ("autoscaling/v2", "HorizontalPodAutoscaler", {"spec": {"maxReplicas": 3, "scaleTargetRef": {
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "o"}}}),
    ("coordination.k8s.io/v1", "Lease", {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}}),
    ("discovery.k8s.io/v1", "EndpointSlice", {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}]}),
    ("rbac.authorization.k8s.io/v1", "Role", {"rules": [RULE]}),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", {"roleRef": ROLE, "subjects": [
        {"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}]}),
]


def config_map(name, **data):
    return {"metadata": {"name": name}, "data": data}


@check
def crud_of_many_kinds():
    dyn = dynamic.DynamicClient(custom)
    for api_version, kind, rest in KINDS:
        resource = dyn.resources.get(api_version=api_version, kind=kind)
        body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "o"}, **rest}
        made = resource.create(body=body, namespace=ns)
        same((made.kind, made.metadata.name, made.metadata.namespace), (kind, "o", ns))
        read = resource.get(name="o", namespace=ns)
        same(read.metadata.uid, made.metadata.uid)
        changed = resource.patch(name="o", namespace=ns, content_type="application/merge-patch+json",
                                 body={"metadata": {"labels": {"seen": "yes"}}})
        found = resource.get(namespace=ns, label_selector="seen=yes")
        same([item.metadata.name for item in found.items], ["o"])
        again = changed.to_dict()
        again["metadata"].setdefault("annotations", {})["note"] = kind
        del again["metadata"]["resourceVersion"]
        if kind not in ("Service", "Lease", "PodDisruptionBudget"):  # They want a resourceVersion.
            same(resource.replace(body=again, namespace=ns).metadata.annotations.note, kind)
        resource.delete(name="o", namespace=ns)
    # Typed models read what is there, too: they check what is required.
    for lister in (core.list_namespaced_service, core.list_namespaced_endpoints, apps.list_namespaced_deployment,
                   client.BatchV1Api().list_namespaced_job, client.NetworkingV1Api().list_namespaced_ingress):
        same(lister(ns).api_version.split("/")[-1], "v1")


@check
def typed_deployment():
    labels = {"app": "typed"}
    container = client.V1Container(name="main", image="busybox:1", command=["sleep", "100"],
                                   resources=client.V1ResourceRequirements(requests={"cpu": "10m", "memory": "1Mi"}))
    spec = client.V1DeploymentSpec(
        replicas=0, selector=client.V1LabelSelector(match_labels=labels),
        template=client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels=labels),
                                          spec=client.V1PodSpec(containers=[container])))
    made = apps.create_namespaced_deployment(ns, client.V1Deployment(metadata=client.V1ObjectMeta(name="typed"), spec=spec))
    same(made.spec.strategy.rolling_update.max_surge, "25%")
    same(made.spec.template.spec.containers[0].resources.requests, {"cpu": "10m", "memory": "1Mi"})
    scale = apps.read_namespaced_deployment_scale("typed", ns)
    scale.spec.replicas = 0
    scale.metadata.resource_version = None
    same(apps.replace_namespaced_deployment_scale("typed", ns, scale).spec.replicas or 0, 0)
    made.spec.template.spec.containers[0].image = "busybox:2"
    made.metadata.resource_version = None
    same(apps.replace_namespaced_deployment("typed", ns, made).metadata.generation > 1, True)
    gone = apps.delete_namespaced_deployment("typed", ns, propagation_policy="Foreground")
    same(gone.status is not None, True)


@check
def every_patch():
    core.create_namespaced_config_map(ns, config_map("p", a="1", b="2"))
    # This client picks JSON patch for lists, strategic merge for the rest.
    same(core.patch_namespaced_config_map("p", ns, [{"op": "replace", "path": "/data/a", "value": "3"}]).data["a"], "3")
    same(core.patch_namespaced_config_map("p", ns, {"data": {"b": None}}).data, {"a": "3"})
    maps = dynamic.DynamicClient(custom).resources.get(api_version="v1", kind="ConfigMap")
    merged = maps.patch(name="p", namespace=ns, body={"data": {"c": "4"}}, content_type="application/merge-patch+json")
    same(merged.to_dict()["data"], {"a": "3", "c": "4"})
    pods = {"spec": {"replicas": 0, "selector": SELECTOR, "template": TEMPLATE}, "metadata": {"name": "p"}}
    apps.create_namespaced_deployment(ns, pods)
    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "busybox:1"}]}}}}
    names = [c.name for c in apps.patch_namespaced_deployment("p", ns, side).spec.template.spec.containers]
    same(sorted(names), ["main", "side"])
    side["spec"]["template"]["spec"]["containers"] = [{"name": "side", "$patch": "delete"}]
    names = [c.name for c in apps.patch_namespaced_deployment("p", ns, side).spec.template.spec.containers]
    same(names, ["main"])


@check
def server_side_apply():
    maps = dynamic.DynamicClient(custom).resources.get(api_version="v1", kind="ConfigMap")

    def apply(manager, data, **more):
        body = {"apiVersion": "v1", "kind": "ConfigMap", **config_map("applied", **data)}
        # This version of the client encodes no body of that type by itself.
        return maps.server_side_apply(body=json.dumps(body), name="applied", namespace=ns,
                                      field_manager=manager, **more)

    first = apply("one", {"a": "1", "b": "2"})
    same([(m.manager, m.operation) for m in first.metadata.managedFields], [("one", "Apply")])
    same(apply("one", {"a": "1", "b": "2"}).metadata.resourceVersion, first.metadata.resourceVersion)
    try:
        apply("two", {"a": "5"})
        raise AssertionError("no conflict")
    except ConflictError as error:
        same(json.loads(error.body)["message"],
             'Apply failed with 1 conflict: conflict with "one": .data.a')
    same(apply("two", {"a": "5"}, force_conflicts=True).to_dict()["data"], {"a": "5", "b": "2"})
    same(apply("one", {}).to_dict()["data"], {"a": "5"})


@check
def pages_and_selectors():
    for number in range(7):
        body = config_map(f"page-{number}", n=str(number))
        body["metadata"]["labels"] = {"page": "odd" if number % 2 else "even"}
        core.create_namespaced_config_map(ns, body)
    seen, token = [], None
    while True:
        page = core.list_namespaced_config_map(ns, limit=2, label_selector="page", _continue=token)
        seen += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    same(seen, [f"page-{number}" for number in range(7)])
    whole = core.list_namespaced_config_map(ns, limit=1)
    same(whole.metadata.remaining_item_count > 5, True)
    odd = core.list_namespaced_config_map(ns, label_selector="page in (odd),!nope")
    same(len(odd.items), 3)
    one = core.list_config_map_for_all_namespaces(field_selector=f"metadata.name=page-3,metadata.namespace={ns}")
    same([item.data["n"] for item in one.items], ["3"])
    status = core.delete_collection_namespaced_config_map(ns, label_selector="page")
    same(status.status, "Success")
    same(core.list_namespaced_config_map(ns, label_selector="page").items, [])


@check
def errors_are_statuses():
    status = refused(404, "NotFound", core.read_namespaced_pod, "nope", ns)
    same((status.message, status.details.kind, status.details.name), ('pods "nope" not found', "pods", "nope"))
    core.create_namespaced_config_map(ns, config_map("twice"))
    refused(409, "AlreadyExists", core.create_namespaced_config_map, ns, config_map("twice"))
    status = refused(422, "Invalid", core.create_namespaced_config_map, ns, config_map("Not_A_Name"))
    same((status.details.kind, status.details.causes[0].field), ("ConfigMap", "metadata.name"))
    stale = core.read_namespaced_config_map("twice", ns)
    core.patch_namespaced_config_map("twice", ns, {"data": {"a": "b"}})
    refused(409, "Conflict", core.replace_namespaced_config_map, "twice", ns, stale)
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))
    refused(409, "Conflict", core.delete_namespaced_config_map, "twice", ns, body=options)
    refused(400, "BadRequest", core.list_namespaced_config_map, ns, label_selector="a=b=c")
    status = refused(504, "Timeout", core.list_namespaced_config_map, ns, resource_version="99999999")
    same(status.details.causes[0].reason, "ResourceVersionTooLarge")


@check
def dynamic_discovery():
    dyn = dynamic.DynamicClient(custom)
    nodes = dyn.resources.get(api_version="v1", kind="Node")
    same([node.metadata.name for node in nodes.get().items], ["node-1"])
    same(dyn.resources.get(api_version="apps/v1", kind="Deployment").subresources.keys() >= {"scale", "status"}, True)
    same(dyn.version["kubernetes"]["minor"].rstrip("+"), "32")
    try:
        nodes.get(name="nope")
        raise AssertionError("found")
    except NotFoundError as error:
        has(str(error.body), "not found")


@check
def create_from_yaml():
    objects = [{"apiVersion": "v1", "kind": "ConfigMap", **config_map("y", a="b")},
               {"apiVersion": "v1", "kind": "List", "items": [
                   {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "y"}, "spec": {"ports": [{"port": 1}]}}]}]
    for body in objects:
        utils.create_from_dict(custom, body, namespace=ns)
    same(core.read_namespaced_service("y", ns).spec.type, "ClusterIP")


@check
def reviews_and_tokens():
    authorization = client.AuthorizationV1Api()
    attributes = client.V1ResourceAttributes(verb="create", resource="pods", namespace=ns)
    review = authorization.create_self_subject_access_review(client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)))
    same(review.status.allowed, True)
    core.create_namespaced_service_account(ns, {"metadata": {"name": "robot"}})
    token = core.create_namespaced_service_account_token("robot", ns, client.AuthenticationV1TokenRequest(
        spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=600))).status.token
    robot = client.Configuration.get_default_copy()
    robot.cert_file = robot.key_file = None
    robot.api_key = {"authorization": "Bearer " + token}
    as_robot = client.CoreV1Api(client.ApiClient(robot))
    status = refused(403, "Forbidden", as_robot.list_namespaced_secret, ns)
    same(status.message, f'secrets is forbidden: User "system:serviceaccount:{ns}:robot" cannot list resource '
                         f'"secrets" in API group "" in the namespace "{ns}"')


run()
