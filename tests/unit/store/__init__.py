"""Tests of ksrpc.store."""
