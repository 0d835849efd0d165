"""A server that was started anew remembers its objects, but none of what came before: 410 in all its forms."""

import pathlib

from api import MAPS, Watch, check, config_map, get, kubeconfig, made, refused, revision, run, same, turn

NOTE = pathlib.Path(kubeconfig).with_name("restart.token")


@check
def before():
    if turn == "second":
        return
    for number in range(4):
        made(MAPS, config_map(f"p{number}"))
    token = get(MAPS + "?limit=2").json["metadata"]["continue"]
    made(MAPS, config_map("last"))
    NOTE.write_text(f"{revision()} {token}")


@check
def after():
    if turn == "first":
        return
    start, token = NOTE.read_text().split()
    made(MAPS, config_map("new"))
    refused(get(MAPS + "?resourceVersion=2&resourceVersionMatch=Exact"), 410, "Expired",
            "The resourceVersion for the provided list is too old.")
    refused(get(MAPS + "?resourceVersion=2&limit=1"), 410, "Expired")
    kind, told = Watch(MAPS + "?watch=1&resourceVersion=2").next()
    same((kind, told["kind"], told["code"], told["reason"]), ("ERROR", "Status", 410, "Expired"))
    late = refused(get(f"{MAPS}?limit=2&continue={token}"), 410, "Expired",
                   "The provided continue parameter is too old to display a consistent list result. You can start a new list "
                   "without the continue parameter, or use the continue token in this response to retrieve the remainder of "
                   "the results. Continuing with the provided token results in an inconsistent list - objects that were "
                   "created, modified, or deleted between the time the first chunk was returned and now may show up in the "
                   "list.")
    rest = get(f"{MAPS}?continue={late['metadata']['continue']}")
    same([i["metadata"]["name"] for i in rest.json["items"]], ["p1", "p2", "p3"])
    same(get(f"{MAPS}?resourceVersion={start}").code, 200)  # Not older than that: now will do.


run()
