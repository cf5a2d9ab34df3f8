"""Tests of ksrpc. A package, so that tests share `tests.helpers`."""
