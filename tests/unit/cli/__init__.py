"""Tests of ksrpc.cli."""
