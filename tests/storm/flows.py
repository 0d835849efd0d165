"""Whether a pod's connections went on: what it logged of them, in the form of the CRI.

Each line is the number that came back through the Service, the one after the line before.
"""

import datetime


def at(stamp):
    """Seconds."""
    whole, fraction = stamp.rstrip("Z").split(".")
    return datetime.datetime.fromisoformat(whole).timestamp() + float("0." + fraction)


def check(name, lines, bound):
    """How many came back, the longest pause in seconds, and what is wrong."""
    wrong, longest, before, expected = [], 0.0, None, None
    for line in lines:
        stamp, _, _, said = line.split(maxsplit=3)
        now, said = at(stamp), said.strip()
        if before is not None:
            longest = max(longest, now - before)
            if now - before > bound:
                wrong.append(f"{name} stood still for {now - before:.1f} s until {stamp}")
        if expected is not None and said != str(expected):
            wrong.append(f"{name}: {said} after {expected - 1} at {stamp}")
        before = now
        expected = int(said) + 1 if said.isdigit() else (expected or 0) + 1
    if before is None:
        wrong.append(f"{name}: nothing came back")
    return len(lines), longest, wrong
