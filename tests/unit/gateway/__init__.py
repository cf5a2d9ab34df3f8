"""Tests of ksrpc.gateway."""
