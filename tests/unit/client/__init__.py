"""Tests of ksrpc.client."""
