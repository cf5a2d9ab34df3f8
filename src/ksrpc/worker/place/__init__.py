"""The place of a worker process: which files, ports and processes it can reach, whatever code runs in it (gate D).

Source: docs/spec/policy.md "Gate D".
"""

from ksrpc.worker.place.entry import enter
from ksrpc.worker.place.plan import Level, Plan

__all__ = ["Level", "Plan", "enter"]
