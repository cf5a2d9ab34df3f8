"""Tests of ksrpc.config."""
