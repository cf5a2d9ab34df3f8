"""Tests of the shells that touch sockets, against servers that misbehave."""
