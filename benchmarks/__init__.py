"""Measure ksrpc beside its peers: `make bench`."""
