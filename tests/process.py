"""A program that a test starts, whose log is read as it comes; any line of it can be waited for."""

import signal
import subprocess
import threading
import time


def want(condition, *about):
    if not condition:
        raise AssertionError(" ".join(str(each) for each in about))


def eventually(question, seconds=20):
    """Asks until the answer is yes; for what nobody tells."""
    end = time.monotonic() + seconds
    while not question():
        want(time.monotonic() < end, "not within", seconds, "s:", question.__name__)
        threading.Event().wait(0.05)


class Process:
    def __init__(self, path, command):
        """`path`.log gets what it says."""
        self.lines, self.more = [], threading.Condition()
        self.log = open(f"{path}.log", "a")
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.log.write(line)
            self.log.flush()
            with self.more:
                self.lines.append(line)
                self.more.notify_all()
        with self.more:
            self.lines.append("")  # The end.
            self.more.notify_all()

    def wait_for(self, text, seconds=20, after=0):
        """The number of lines up to the first that has the text."""
        def place():
            for at in range(after, len(self.lines)):
                if text in self.lines[at]:
                    return at + 1
            return None
        with self.more:
            self.more.wait_for(lambda: place() or "" in self.lines, seconds)
            want(place(), f"no {text!r} in:\n" + "".join(self.lines[-20:]))
            return place()

    def lives(self):
        return self.process.poll() is None

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        if self.lives():
            self.process.send_signal(number)
            self.process.wait(20)
        self.reader.join(5)
        self.log.close()
