#!/usr/bin/env python3
"""Lets everything happen to three servers and two agents under load, and holds them to their word.

  storm.py ORCH WORK_DIR NETNS [--seconds=120] [--seed=N] [KIND WHOM]...

One thing happens at a time, in an order that the seed draws; while it lasts the servers that are
left take writes, and after it all of them do, each within a bound. In the end the clients' history
is checked (history.py), and the pods have noticed nothing.
"""

import argparse
import contextlib
import random
import sys
import threading
import time

from process import eventually, want

import pods
from clients import Load
from cluster import AGENTS, SERVERS, Cluster
from history import Checker

FAILOVER_S = 15  # Until the servers that are left take writes.
HEAL_S = 30      # Until all do.
READY_S = 60     # Until servers and nodes say so: a server looks for space every 30 s.
LAST_S = (1.0, 4.0)  # How long a thing lasts.
# What is written meanwhile to a full disk, so that the log comes to where it wants a new file: it
# has made room for 24 MB before.
FULL_BYTES, FULL_S = 32 << 20, 40

LEADER, FOLLOWER, TWO, ALL = "the leader", "a follower", "two servers", "all servers"
AGENT = "an agent"
FAULTS = [(kind, whom) for kind in ("stopped", "terminated", "paused", "unplugged", "deaf", "mute",
                                    "apart", "full") for whom in (LEADER, FOLLOWER)]
FAULTS += [("stopped", TWO), ("stopped", ALL), ("stopped", AGENT)]
NAMES = {"stopped": "kill -9 of", "terminated": "SIGTERM to", "paused": "SIGSTOP of",
         "unplugged": "cut off:", "deaf": "hears no server:", "mute": "no server hears",
         "apart": "cut off from the servers:", "full": "disk full:"}


class Storm:
    def __init__(self, cluster, load, seed):
        self.cluster, self.load = cluster, load
        self.random = random.Random(seed)
        self.faults, self.slowest = 0, {"failover": 0.0, "heal": 0.0}

    def choose(self, whom):
        leader = self.cluster.leader()
        if whom == LEADER:
            return [leader]
        if whom == FOLLOWER:
            return [self.random.choice([n for n in SERVERS if n != leader])]
        if whom == TWO:
            return self.random.sample(SERVERS, 2)
        return list(SERVERS) if whom == ALL else [self.random.choice(AGENTS)]

    def wait(self, what, servers, wanted, seconds):
        took = self.load.wait_for_writes(servers, wanted, seconds)
        self.slowest[what] = max(self.slowest[what], took)
        return took

    def happen(self, kind, whom):
        victims = self.choose(whom)
        left = [n for n in SERVERS if n not in victims]
        name = f"{NAMES[kind]} {whom} ({', '.join(map(str, victims))})"
        written, begin = "", time.monotonic()
        clock = time.strftime("%H:%M:%S", time.gmtime())  # As in the servers' logs.
        try:
            with getattr(self.cluster, kind)(victims):
                if len(left) > len(SERVERS) / 2:
                    written = f"a write after {self.wait('failover', left, 1, FAILOVER_S):.2f} s, "
                threading.Event().wait(self.random.uniform(*LAST_S))
                if kind == "full":
                    self.load.write_heavily(FULL_BYTES, FULL_S)
                    self.wait("failover", left, 1, FAILOVER_S)
            heal = self.wait("heal", SERVERS, len(SERVERS), HEAL_S)
            self.cluster.check_lives()
            want(not self.load.strange, *self.load.strange)
        except Exception as error:
            raise AssertionError(f"{clock} {name}: {error}") from error
        self.faults += 1
        print(f"  {clock} {name}: {written}through each again after "
              f"{time.monotonic() - begin:.1f} s ({heal:.2f} s of it to heal)", flush=True)

    def run(self, seconds, faults):
        """These, and if there are none: everything once, and on until the time is over."""
        for kind, whom in faults:
            self.happen(kind, whom)
        end, rounds = time.monotonic() + seconds, 0
        while not faults and (time.monotonic() < end or rounds == 0):
            for kind, whom in self.random.sample(FAULTS, len(FAULTS)):
                if rounds == 0 or time.monotonic() < end:
                    self.happen(kind, whom)
            rounds += 1


def all_ready(cluster):
    def ready():
        members = cluster.call(1, "GET", "/orch/v1/members")["members"]
        nodes = cluster.call(1, "GET", "/api/v1/nodes")["items"]
        return ([(m["role"], m["status"]) for m in members] == [("voter", "Ready")] * len(SERVERS)
                and [pods.is_ready(node) for node in nodes] == [True] * len(AGENTS))
    return ready


def check_history(load, last):
    begin = time.monotonic()
    wrong = Checker(load.ops, load.streams, last).check()
    for each in wrong[:20]:
        print("  WRONG:", each)
    want(not wrong, f"{len(wrong)} things that the clients saw can't have been")
    done = [op for op in load.ops if op.outcome == "ok"]
    writes = sum(op.kind in ("create", "update", "delete") for op in done)
    unknown = sum(op.outcome == "unknown" and op.kind not in ("get", "list") for op in load.ops)
    refused = sum(op.outcome in ("absent", "exists", "conflict") for op in load.ops)
    resumed = sum(watch.resumed for watch in load.watches)
    print(f"  history: {writes} writes acknowledged, {unknown} perhaps, {len(done) - writes} "
          f"reads, {refused} refusals; {resumed} connections of "
          f"{len(load.streams)} watches; checked in {time.monotonic() - begin:.1f} s", flush=True)
    return writes


def run(cluster, options):
    begin = time.monotonic()
    cluster.form()
    eventually(all_ready(cluster))
    workload = pods.Pods(cluster)
    workload.start()
    load = Load(cluster, options.seed)
    load.start()
    load.wait_for_writes(SERVERS, len(SERVERS), HEAL_S)
    print(f"  all run after {time.monotonic() - begin:.1f} s", flush=True)
    storm = Storm(cluster, load, options.seed)
    storm.run(options.seconds, list(zip(options.faults[::2], options.faults[1::2])))
    seconds = time.monotonic() - begin
    last = load.stop(HEAL_S)
    want(not load.strange, *load.strange)
    writes = check_history(load, last)
    eventually(all_ready(cluster), READY_S)
    workload.check_untouched()
    count, pause = workload.check_flows()
    pods.check_loops(cluster)
    cluster.check_lives()
    print(f"{storm.faults} faults in {seconds:.0f} s, seed {options.seed}: {writes} acknowledged "
          f"writes kept, slowest failover {storm.slowest['failover']:.1f} s and heal "
          f"{storm.slowest['heal']:.1f} s; {count} answers through the Service, longest pause "
          f"{pause:.2f} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("orch")
    parser.add_argument("work")
    parser.add_argument("netns")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("faults", nargs="*", help="these alone: full 'the leader', ...")
    options = parser.parse_intermixed_args()
    print(f"seed {options.seed}", flush=True)
    cluster = Cluster(options.orch, options.work, options.netns)
    with contextlib.ExitStack() as stack:
        stack.callback(cluster.end)
        try:
            run(cluster, options)
        except Exception as error:
            print(f"FAILED, seed {options.seed}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
