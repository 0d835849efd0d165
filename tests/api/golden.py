"""Reads tests/golden/api/resources.txt, and says the same of a running server's discovery."""


class Resource:
    def __init__(self, group, version, line):
        words = line.split()
        self.group, self.version = group, version
        self.name, self.kind = words[0], words[1]
        self.namespaced = words[2] == "namespaced"
        options = dict(word.split("=", 1) for word in words[3:] if "=" in word)
        flags = {word for word in words[3:] if "=" not in word}
        self.singular = options.pop("singular")
        self.short = options.pop("short", "").split(",") if "short" in options else []
        self.categories = options.pop("category", "").split(",") if "category" in options else []
        verbs = options.pop("verbs")
        self.verbs = ALL_VERBS if verbs == "*" else verbs.split(",")
        self.hash = options.pop("hash", "")
        self.select = options.pop("select", "").split(",") if "select" in options else []
        self.generation = "generation" in flags
        self.create_on_update = "create_on_update" in flags
        self.conditional_update = "conditional_update" in flags
        assert not options, options
        self.subresources = {}  # name → (kind, verbs)
        self.columns = []       # (name, priority)

    @property
    def api_version(self):
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def stored(self):
        return bool(self.hash)

    def path(self, namespace=None, name=None, sub=None):
        path = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if self.namespaced and namespace:
            path += f"/namespaces/{namespace}"
        return "/".join(filter(None, [path, self.name, name, sub]))


ALL_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def read(path):
    """The resources, and the preferred group-versions in order."""
    resources, preferred = [], []
    group = version = ""
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.rstrip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("group "):
                words = line.split()
                group, _, version = words[1].rpartition("/")
                if "preferred" in words:
                    preferred.append(words[1])
            elif line.startswith("  /"):
                name, kind, verbs = line.split()
                resources[-1].subresources[name[1:]] = (kind, verbs.split(","))
            elif line.startswith("  |"):
                for column in line.strip(" |").split(" | "):
                    resources[-1].columns.append((column.rstrip("*"), int(column.endswith("*"))))
            else:
                resources.append(Resource(group, version, line))
    return resources, preferred


def entries_of(resource):
    """What a discovery document (APIResourceList) says of it."""
    entry = {"name": resource.name, "singularName": resource.singular,
             "namespaced": resource.namespaced, "kind": resource.kind, "verbs": resource.verbs}
    if resource.short:
        entry["shortNames"] = resource.short
    if resource.categories:
        entry["categories"] = resource.categories
    if resource.hash:
        entry["storageVersionHash"] = resource.hash
    entries = [entry]
    for name, (kind, verbs) in resource.subresources.items():
        sub = {"name": f"{resource.name}/{name}", "singularName": "",
               "namespaced": resource.namespaced, "verbs": verbs}
        if "." in kind:
            group_version, _, sub["kind"] = kind.rpartition(".")
            sub["group"], _, sub["version"] = group_version.rpartition("/")
        else:
            sub["kind"] = kind
        entries.append(sub)
    return entries


def aggregated_of(resource):
    """What the aggregated document (APIGroupDiscoveryList) says of it."""
    def response(kind):
        group_version, _, name = kind.rpartition(".")
        if not group_version:
            return {"group": resource.group, "version": resource.version, "kind": kind}
        group, _, version = group_version.rpartition("/")
        return {"group": group, "version": version, "kind": name}

    entry = {"resource": resource.name, "responseKind": response(resource.kind),
             "scope": "Namespaced" if resource.namespaced else "Cluster",
             "singularResource": resource.singular, "verbs": resource.verbs}
    if resource.short:
        entry["shortNames"] = resource.short
    if resource.categories:
        entry["categories"] = resource.categories
    if resource.subresources:
        entry["subresources"] = [
            {"subresource": name, "responseKind": response(kind), "verbs": verbs}
            for name, (kind, verbs) in resource.subresources.items()]
    return entry
