"""Tests of the call protocol: no socket, no clock."""
