"""What the page says beside its tables."""

from __future__ import annotations

HEAD = """# Benchmarks

Written by `make bench`; do not edit. One run on the loopback interface: every group is measured round by
round, its contenders in turn, so that a disturbance meets them all. Times are medians over the rounds. A
ratio divides a median by that of the first line, the peer; its range holds the middle half of the rounds.
Lower is faster, save for what is counted per second. Each contender's result was compared with the right one before
anything was timed. Every server is a process of its own; all clients are in one Python process, on asyncio's own
event loop where calls are awaited. *inline* is a function that the gateway runs itself, *process* one that it runs in
its worker processes. A peer that cannot do what a table measures has a line that says why.

All figures are in [results.json](results.json).
"""

#: Pictures, and how the title of the first group that each shows begins.
PICTURES = {"ratios.svg": "Small call", "cached.svg": "First answer"}

#: How titles begin of what has to do with the cache.
KEPT = ("First answer", "Cached", "Hit")

NOTES = {
    "Small call, awaited beside blocking": "Each line is divided by the blocking one of the same kind: "
    "one task that awaits one call after the other.",
    "Codec alone: frame of 80 MB": "To segments and back, in one process. What is received over a socket is in memory "
    "of its own, which the frame then uses; a body that cannot be written to is copied once.",
    "Nested dicts and lists, 1 MB of JSON": "Reports of 600 companies: text, numbers, lists of numbers, None.",
    "10 000 records (a list of dicts)": "Text, numbers and a bool in each. The first table of Arrow Flight was "
    "made beforehand; the others pack the list for each call.",
    "Frame of 1 000 000 × 10 float64 (80 MB)": "Arrow's frames were converted beforehand, but for the second line; "
    "ksrpc's and pickle's are packed for each call, as what a library answers has to be. The bare socket has bytes "
    "ready and reads them into the same memory each time.",
    "First answer and hit: frame of 8 kB": "*not kept* takes no part in the cache, *first time* asks another question "
    "each time, whose answer is put on disk, *hit* asks again. Ratios are to the first of the same transport.",
    "First answer and hit: frame of 80 MB": "As above.",
    "Callers at the same time: math.pow(2, 3)": "Calls per second of threads, or of tasks on one event loop, that call "
    "in a loop: all of them on one connection unless *connection each* is said, all in one client process, which has "
    "one core. Where client and gateway are at work all the time with one caller already, more callers gain what a "
    "second core gives and no more: a target is set for WebSocket only.",
    "Callers at the same time: math.pow(2, 3) in worker processes": "The same through four worker processes, on as "
    "many cores as the machine has left: on two cores, whose time one caller uses already, there is little to gain.",
    "Callers at the same time: a call that waits 5 ms": "What a gateway does most of the time: the function waits as "
    "for a vendor. ksrpc runs as many at the same time as the module may have processes, four here: more "
    "callers than that queue.",
    "Growth with size: frames of 10 columns of float64": "One call after the other, from one row to a million.",
    "Memory for one frame of 80 MB": "By how much the resident memory of each process, shared pages too, rises while a "
    "client fetches its first large frame. The frame itself is 76.3 MiB.",
}
