"""Bytes that nobody would send, made by programs: `make fuzz`, and a short run among the tests."""
