"""The programs that ksrpc is compared with, each served by a process of its own."""

from __future__ import annotations

from benchmarks.peer import flight, grpc, gzipped, outofband, pickle, pyro, rpyc, tcp, zerorpc
from benchmarks.peer.kind import ANSWERS, FRAMES, HOST, POW, Kind, Ways
from benchmarks.peer.process import Peer, run_peer

#: In the order of the tables, by the name of the module.
PEERS: dict[str, Kind] = {
    "rpyc": rpyc.KIND,
    "pyro": pyro.KIND,
    "zerorpc": zerorpc.KIND,
    "flight": flight.KIND,
    "grpc": grpc.KIND,
    "pickle": pickle.KIND,
    "outofband": outofband.KIND,
    "gzipped": gzipped.KIND,
    "tcp": tcp.KIND,
}

__all__ = ["ANSWERS", "FRAMES", "HOST", "PEERS", "POW", "Kind", "Peer", "Ways", "run_peer"]
