"""Serve as one of the peers until killed: `python -m benchmarks.peer rpyc`."""

import sys
from importlib import import_module

import_module(f"benchmarks.peer.{sys.argv[1]}").serve()
