#!/usr/bin/env python3
"""The checkers of the storm: they find nothing in what is right, and each wrong thing planted."""

import copy
import random
import unittest

import flows
from history import Checker, Op, Stream


def right():
    """A history without fault: a is made, changed, read, deleted; b is made; nobody knows of c."""
    ops = {
        "made": Op("create", 0, 1, key="a", value="a1", outcome="ok", revision=11),
        "changed": Op("update", 2, 3, key="a", value="a2", expected=11, outcome="ok", revision=12),
        "late": Op("update", 2, 4, key="a", value="a3", expected=11, outcome="conflict"),
        "read": Op("get", 5, 6, key="a", value="a2", outcome="ok", revision=12),
        "again": Op("create", 5, 6, key="a", value="a4", outcome="exists"),
        "other": Op("create", 5, 7, key="b", value="b1", outcome="ok", revision=14),
        "listed": Op("list", 8, 9, outcome="ok", revision=15, items={"a": (12, "a2"),
                                                                     "b": (14, "b1")}),
        "cut off": Op("create", 8, key="c", value="c1"),
        "removed": Op("delete", 10, 11, key="a", expected=12, outcome="ok"),
        "missed": Op("get", 12, 13, key="a", outcome="absent"),
        "end": Op("list", 14, 15, outcome="ok", revision=20, items={"b": (14, "b1"),
                                                                    "c": (17, "c1")}),
    }
    events = [("ADDED", 11, "a", "a1"), ("MODIFIED", 12, "a", "a2"), ("ADDED", 14, "b", "b1"),
              ("ADDED", 17, "c", "c1"), ("DELETED", 18, "a", "a2")]
    return ops, [Stream("watch-1", 10, events=list(events)),
                 Stream("watch-2", 12, 20, events=events[2:])]


class Planted(unittest.TestCase):
    def setUp(self):
        self.ops, self.streams = right()

    def finds(self, text=None, last=18):
        wrong = Checker(list(self.ops.values()), self.streams, last).check()
        if text is None:
            self.assertEqual(wrong, [])
        else:
            self.assertTrue(any(text in each for each in wrong), (text, wrong))

    def test_nothing(self):
        self.finds()

    def test_a_stale_read(self):
        self.ops["read"].value, self.ops["read"].revision = "a1", 11
        self.finds("nothing from 12 to 16 fits 's get a")

    def test_a_read_from_the_future(self):
        self.ops["early"] = Op("get", 0, 0.5, key="b", value="b1", outcome="ok", revision=14)
        self.finds("fits 's get b")

    def test_a_read_of_what_was_deleted(self):
        self.ops["missed"] = Op("get", 12, 13, key="a", value="a2", outcome="ok", revision=12)
        self.finds("fits 's get a")

    def test_an_absence_that_never_was(self):
        self.ops["read"] = Op("get", 5, 6, key="a", outcome="absent")
        self.finds("fits 's get a")

    def test_a_refusal_without_reason(self):
        self.ops["refused"] = Op("update", 5, 6, key="a", value="a9", expected=12,
                                 outcome="conflict")
        self.finds("fits 's update a")

    def test_a_lost_write(self):
        del self.ops["end"].items["b"]
        self.finds("b was (14, 'b1'), and None to")

    def test_a_lost_write_that_no_watch_told(self):
        self.ops["lost"] = Op("create", 12, 13, key="d", value="d1", outcome="ok", revision=19)
        self.finds("d was (19, 'd1'), and None to")

    def test_an_update_that_ran_over_another(self):
        self.ops["late"].outcome, self.ops["late"].revision = "ok", 13
        self.finds("it replaced revision 12")

    def test_a_write_that_was_refused_and_happened(self):
        self.ops["other"].outcome = "exists"
        self.finds("it was refused and became revision 14")

    def test_a_write_that_happened_twice(self):
        for stream in self.streams:
            stream.events.append(("MODIFIED", 19, "c", "c1"))
        self.finds("it became revisions 17 and 19")

    def test_a_write_of_nobody(self):
        for stream in self.streams:
            stream.events.append(("ADDED", 19, "d", "d1"))
        self.finds("revision 19 is nobody's")

    def test_a_deletion_of_nobody(self):
        self.ops["removed"].outcome = "conflict"
        self.finds("nobody deleted a of revision 12")

    def test_a_deletion_that_did_nothing(self):
        self.ops["removed again"] = Op("delete", 10, 11, key="b", expected=14, outcome="ok")
        self.finds("21 to inf were possible for")

    def test_a_deletion_acknowledged_twice(self):
        self.ops["removed again"] = copy.copy(self.ops["removed"])
        self.finds("one deletion was acknowledged twice")

    def test_two_servers_that_differ(self):
        self.streams[1].events[0] = ("ADDED", 14, "b", "b2")
        self.finds("revision 14 is ('b', 'b1'), and ('b', 'b2') to watch-2")

    def test_one_revision_given_twice(self):
        self.ops["other"].revision = 12
        self.finds("revision 12 is")

    def test_a_revision_that_went_back(self):
        self.ops["later"] = Op("create", 12, 13, key="d", value="d1", outcome="ok", revision=16)
        self.finds("more than 18, at most")

    def test_a_list_older_than_an_answer(self):
        self.ops["end"].revision = 17
        self.finds("18 to inf were possible")

    def test_a_list_that_is_no_snapshot(self):
        self.ops["listed"].items["a"] = (11, "a1")
        self.finds("a was (12, 'a2'), and (11, 'a1') to")

    def test_a_watch_with_a_gap(self):
        del self.streams[0].events[1]
        self.finds("watch-1 from 10 told [('ADDED', 14)")

    def test_a_watch_that_repeats(self):
        self.streams[0].events.insert(2, self.streams[0].events[1])
        self.finds("watch-1 from 10 told [('MODIFIED', 12)")

    def test_a_watch_out_of_order(self):
        events = self.streams[0].events
        events[2], events[3] = events[3], events[2]
        self.finds("watch-1 from 10 told [('ADDED', 17)")

    def test_a_watch_that_fell_silent(self):
        del self.streams[0].events[3:]
        self.finds("watch-1 ends at 14, before 18")

    def test_a_bookmark_that_skipped_an_event(self):
        del self.streams[1].events[-1]
        self.finds("watch-2 from 12 told [] where [('DELETED', 18)]")


    def forget(self):
        """All servers were killed, with what they remembered: the watches begin anew at 20."""
        del self.streams[0].events[3:]
        self.streams[1:] = [Stream("watch-1 anew", 20, events=[("ADDED", 21, "d", "d1")])]
        self.ops["later"] = Op("create", 16, 17, key="d", value="d1", outcome="ok", revision=21)

    def test_a_deletion_that_no_watch_told(self):
        self.forget()
        self.finds(last=0)

    def test_a_deletion_that_no_watch_told_and_nobody_heard_of(self):
        self.forget()
        self.ops["removed"].outcome = "unknown"
        self.finds(last=0)

    def test_a_deletion_that_no_watch_told_and_that_was_lost(self):
        self.forget()
        del self.ops["missed"]
        self.ops["end"].items["a"] = (12, "a2")
        self.finds("at most 20 was possible for 's delete a", last=0)


class Store:
    """A right store, of which clients hear late: what comes of it must be found right."""

    def __init__(self, seed, unanswered=("create", "update", "delete")):
        self.unanswered = unanswered  # Now and then.
        self.random = random.Random(seed)
        self.revision, self.now, self.state = 100, 0.0, {}
        self.ops, self.stream = [], Stream("watch-1", 100)

    def step(self):
        self.now += self.random.random()
        begin, end = self.now - self.random.random() * 3, self.now + self.random.random() * 3
        self.revision += self.random.randrange(1, 4)  # Others write, too.
        key = self.random.choice("abc")
        kind = self.random.choice(("create", "update", "delete", "get", "list"))
        op = Op(kind, begin, end, key=key, value=f"{key}{len(self.ops)}", outcome="ok")
        there = self.state.get(key)
        if kind == "list":
            op.key, op.revision, op.items = "", self.revision, dict(self.state)
        elif kind == "get":
            op.outcome = "ok" if there else "absent"
            op.revision, op.value = there or (0, "")
        elif kind == "create":
            op.outcome = "exists" if there else "ok"
        else:
            op.expected = there[0] if there and self.random.random() < 0.7 else 7
            op.outcome = "absent" if not there else "ok" if op.expected != 7 else "conflict"
        if op.outcome == "ok" and kind in ("create", "update", "delete"):
            self.write(op, there)
        self.ops.append(op)

    def write(self, op, there):
        type = "DELETED" if op.kind == "delete" else "MODIFIED" if there else "ADDED"
        self.stream.events.append((type, self.revision, op.key, op.value))
        if op.kind == "delete":
            del self.state[op.key]
        else:
            self.state[op.key] = (op.revision, _) = (self.revision, op.value)
        if op.kind in self.unanswered and self.random.random() < 0.1:
            op.outcome, op.revision = "unknown", 0


class Random(unittest.TestCase):
    def test_what_a_right_store_answers_is_right(self):
        for seed in range(200):
            store = Store(seed)
            for _ in range(200):
                store.step()
            self.assertEqual(Checker(store.ops, [store.stream]).check(), [], f"seed {seed}")

    def test_what_watches_have_missed_is_right(self):
        for seed in range(200):
            store = Store(seed, ["delete"])  # Clients read what they change: no other is missed.
            for _ in range(200):
                store.step()
            lists = [op for op in store.ops if op.kind == "list"]
            first, again = lists[len(lists) // 3].revision, lists[len(lists) // 2].revision
            streams = [Stream("watch-1 0", 100, first), Stream("watch-1 1", again, store.revision)]
            for stream in streams:
                stream.events = [event for event in store.stream.events
                                 if stream.start < event[1] <= stream.seen]
            self.assertEqual(Checker(store.ops, streams).check(), [], f"seed {seed}")

    def test_reads_that_are_older_than_answers_are_found(self):
        found = 0
        for seed in range(50):
            store = Store(seed)
            for _ in range(200):
                store.step()
            lists = [op for op in store.ops if op.kind == "list"]
            lists[-1].revision, lists[-1].items = lists[0].revision, lists[0].items
            found += bool(Checker(store.ops, [store.stream]).check())
        self.assertEqual(found, 50)


class Flows(unittest.TestCase):
    LINES = [f"2026-01-01T00:00:0{i // 2}.{i % 2 * 5}00000000Z stdout F {i + 1}\n"
             for i in range(8)]

    def finds(self, lines, text=None):
        _, _, wrong = flows.check("stream", lines, 1.0)
        self.assertEqual(wrong, []) if text is None else self.assertIn(text, str(wrong))

    def test_a_flow(self):
        self.finds(self.LINES)

    def test_one_that_stalled(self):
        self.finds([line.replace("00:00:03", "00:00:05") for line in self.LINES], "stood still")

    def test_one_that_lost_something(self):
        self.finds(self.LINES[:3] + self.LINES[4:], "5 after 3")

    def test_one_that_failed(self):
        self.finds(self.LINES[:3] + [self.LINES[3].replace("F 4", "F failed")], "failed after 3")

    def test_one_that_never_was(self):
        self.finds([], "nothing")


if __name__ == "__main__":
    unittest.main()
