"""What clients of several servers saw, and whether one server could have shown it to them.

Every write that happened has a revision of its own, so the order of all is known, and there is no
searching for one: the clients' answers and the watches' events are put together to one timeline of
revisions, and each thing that a client saw must have a place in it that fits

- what it says: the state of the keys is the timeline's at that place;
- when it was: not before what was answered before it began, not after what began after its end.

An operation whose answer nobody got may have happened once, at any time since it began, or never.

The answer to a deletion bears no revision. Where no watch has told it either, because all servers
were killed at once and what they remembered is gone, it gets one that nobody saw used.
"""

import bisect
import dataclasses
import math

DELETED = None  # The value of a key that isn't there.


@dataclasses.dataclass(slots=True)
class Op:
    kind: str  # create, update, delete, get, list
    begin: float
    end: float = math.inf
    client: str = ""
    server: int = 0
    key: str = ""
    value: str = ""    # What is written: another one with every write. What a get has found.
    expected: int = 0  # The revision that an update or delete wants to find.
    outcome: str = "unknown"  # ok, absent, exists, conflict; for writes also unknown.
    revision: int = 0  # Of a write that is answered, of what a get found, of a list as a whole.
    items: dict = None  # What a list has: key → (revision, value).

    def __str__(self):
        return (f"{self.client}'s {self.kind} {self.key} through server {self.server} at "
                f"{self.begin:.3f} to {self.end:.3f} s ({self.outcome}, revision {self.revision}"
                f"{f', of {self.expected}' if self.expected else ''})")


@dataclasses.dataclass(slots=True)
class Stream:
    """The events of one watch, over all its connections, from one list on."""
    name: str
    start: int
    seen: int = 0  # It has told all up to here.
    events: list = dataclasses.field(default_factory=list)  # (type, revision, key, value)

    def last(self):
        return max([self.seen, *(event[1] for event in self.events)])


class Checker:
    def __init__(self, ops, streams, last=0):
        """The last stream of each watch must have seen the revision `last`."""
        self.ops, self.streams, self.last = ops, streams, last
        self.wrong = []
        self.entries = {}  # revision → (key, value)
        self.chains = {}   # key → ([revision], [value])
        self.causes = {}   # revision → the write

    def check(self):
        """What is wrong, a text for each."""
        self.gather()
        self.place_deletions()
        self.check_writes()
        self.check_times()
        self.check_streams()
        return self.wrong

    def say(self, *words):
        self.wrong.append(" ".join(str(word) for word in words))

    # --- The timeline.

    def note(self, revision, key, value, source):
        known = self.entries.setdefault(revision, (key, value))
        if known != (key, value):
            self.say(f"revision {revision} is {known}, and {(key, value)} to", source)

    def gather(self):
        for stream in self.streams:
            for type, revision, key, value in stream.events:
                self.note(revision, key, DELETED if type == "DELETED" else value, stream.name)
        for op in self.ops:
            if op.outcome != "ok":
                continue
            if op.kind in ("create", "update", "get"):
                self.note(op.revision, op.key, op.value, op)
            for key, (revision, value) in (op.items or {}).items():
                self.note(revision, key, value, op)
        self.chain()

    def chain(self):
        self.chains = {}
        for revision in sorted(self.entries):
            key, value = self.entries[revision]
            revisions, values = self.chains.setdefault(key, ([], []))
            revisions.append(revision)
            values.append(value)

    def place_deletions(self):
        lists = [op for op in self.ops if op.kind == "list" and op.outcome == "ok"]
        creates = {op.value for op in self.ops if op.kind == "create"}
        asked, found = {}, {}
        for op in self.ops:
            if op.kind == "delete" and op.outcome in ("ok", "unknown"):
                asked.setdefault((op.key, op.expected), []).append(op)
            elif op.kind == "get" and op.outcome == "ok":
                found.setdefault((op.key, op.revision), []).append(op)
        for (key, revision), ops in sorted(asked.items(), key=lambda pair: pair[1][0].begin):
            revisions, values = self.chains.get(key, ([], []))
            after = bisect.bisect_right(revisions, revision)
            end, value = ((revisions[after], values[after]) if after < len(revisions)
                          else (math.inf, ""))
            if revision not in self.entries or value is DELETED:
                continue
            seen = [op for op in lists if revision <= op.revision < end]
            ops.sort(key=lambda op: op.outcome)  # An answered one first.
            if (ops[0].outcome == "ok" or value in creates
                    or any(key not in op.items for op in seen)):
                self.witness()
                low = max([revision, *(op.revision for op in seen if key in op.items),
                           *(self.low(op) for op in found.get((key, revision), [])),
                           min(self.low(op) for op in ops if op.outcome == ops[0].outcome)])
                self.place_deletion(key, low, end, ops[0])
        self.chain()

    def place_deletion(self, key, low, end, op):
        """At the first revision that nobody can know of."""
        revision = low + 1
        while revision in self.entries or any(
                stream.start < revision <= stream.last() for stream in self.streams):
            revision += 1
        if revision < end:
            self.entries[revision] = (key, DELETED)
            op.revision = revision

    # --- Each write that happened is one that was asked for, upon what it wanted to find.

    def check_writes(self):
        writes, deletions, done = {}, {}, {}
        for op in self.ops:
            if op.kind in ("create", "update"):
                writes[op.value] = op
            elif op.kind == "delete" and op.outcome in ("ok", "unknown"):
                deletions.setdefault((op.key, op.expected), []).append(op)
        for key, (revisions, values) in self.chains.items():
            before, value_before = 0, DELETED
            for revision, value in zip(revisions, values):
                if value is DELETED:
                    self.check_deletion(revision, key, before if value_before else 0, deletions)
                else:
                    self.check_write(revision, before if value_before else 0, writes.get(value),
                                     done.setdefault(value, revision))
                before, value_before = revision, value
        for ops in deletions.values():
            for op in ops:
                if op.outcome == "ok" and op.revision == 0:
                    self.say("nothing was deleted by", op)

    def check_write(self, revision, before, op, first):
        if op is None:
            return self.say(f"revision {revision} is nobody's: {self.entries[revision]}")
        self.causes[revision] = op
        if op.outcome not in ("ok", "unknown"):
            self.say(f"it was refused and became revision {revision}:", op)
        elif first != revision or (op.outcome == "ok" and op.revision != revision):
            self.say(f"it became revisions {min(first, op.revision or first)} and {revision}:", op)
        elif op.kind == "create" and before:
            self.say(f"it replaced revision {before}:", op)
        elif op.kind == "update" and before != op.expected:
            self.say(f"it replaced revision {before or 'none'}:", op)

    def check_deletion(self, revision, key, before, deletions):
        ops = deletions.get((key, before), [])
        if not before or not ops:
            return self.say(f"nobody deleted {key} of revision {before} with {revision}")
        answered = [op for op in ops if op.outcome == "ok"]
        if len(answered) > 1:
            self.say("one deletion was acknowledged twice:", *answered)
        for op in answered:
            op.revision = revision
        self.causes[revision] = answered[0] if answered else None

    # --- Each answer has its place in the timeline.

    def check_times(self):
        self.witness()
        # What can have been written only from when on.
        begun = sorted((op.begin, revision) for revision, op in self.causes.items() if op)
        begins, lowest, bottom = [begin for begin, _ in begun], [], math.inf
        for _, revision in reversed(begun):
            bottom = min(bottom, revision)
            lowest.append(bottom)
        lowest.reverse()
        for op in self.ops:
            if op.outcome == "unknown":
                continue
            place = bisect.bisect_right(begins, op.end)
            high = lowest[place] - 1 if place < len(lowest) else math.inf
            self.check_place(op, self.low(op), high)

    def witness(self):
        """What was answered until when."""
        self.ends, self.highest, top = [], [], 0
        for end, revision in sorted((op.end, op.revision) for op in self.ops
                                    if op.outcome == "ok" and op.revision):
            top = max(top, revision)
            self.ends.append(end)
            self.highest.append(top)

    def low(self, op):
        """The highest revision that was answered before it began."""
        place = bisect.bisect_left(self.ends, op.begin)
        return self.highest[place - 1] if place else 0

    def check_place(self, op, low, high):
        if op.kind == "list":
            if not low <= op.revision <= high:
                self.say(f"{low} to {high} were possible for", op)
            self.check_list(op)
        elif op.outcome == "ok" and op.kind != "get":
            if not low < op.revision <= high:
                self.say(f"more than {low}, at most {high} was possible for", op)
        elif not any(self.fits(op, *state) for state in self.states(op.key, low, high)):
            self.say(f"nothing from {low} to {high} fits", op)

    @staticmethod
    def fits(op, revision, value):
        if op.outcome == "ok":
            return (revision, value) == (op.revision, op.value)
        if op.outcome == "absent":
            return value is DELETED
        if op.outcome == "exists":
            return value is not DELETED
        return value is DELETED or revision != op.expected  # A conflict.

    def states(self, key, low, high):
        """What the key was from one revision of the whole to another."""
        revisions, values = self.chains.get(key, ([], []))
        place = bisect.bisect_right(revisions, low) - 1
        yield (revisions[place], values[place]) if place >= 0 else (0, DELETED)
        while (place := place + 1) < len(revisions) and revisions[place] <= high:
            yield revisions[place], values[place]

    def check_list(self, op):
        for key in self.chains:
            revision, value = next(self.states(key, op.revision, op.revision))
            wanted = (revision, value) if value is not DELETED else None
            if op.items.get(key) != wanted:
                self.say(f"{key} was {wanted}, and {op.items.get(key)} to", op)

    # --- Each watch has told all of it, once, in order.

    def check_streams(self):
        types = {}
        for revisions, values in self.chains.values():
            before = DELETED
            for revision, value in zip(revisions, values):
                types[revision] = ("DELETED" if value is DELETED else
                                   "ADDED" if before is DELETED else "MODIFIED")
                before = value
        order = sorted(self.entries)
        newest = {}
        for stream in self.streams:
            newest[stream.name.split()[0]] = stream
            seen = stream.last()
            begin, end = bisect.bisect_right(order, stream.start), bisect.bisect_right(order, seen)
            wanted = [(types[revision], revision) for revision in order[begin:end]]
            got = [event[:2] for event in stream.events]
            if got != wanted:
                place = next((i for i, pair in enumerate(zip(got, wanted)) if pair[0] != pair[1]),
                             min(len(got), len(wanted)))
                self.say(f"{stream.name} from {stream.start} told {got[place:place + 3]} where "
                         f"{wanted[place:place + 3]} was")
        for stream in newest.values():
            if stream.last() < self.last:
                self.say(f"{stream.name} ends at {stream.last()}, before {self.last}")
