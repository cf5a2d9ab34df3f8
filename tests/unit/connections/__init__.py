"""Tests of ksrpc.connections."""
