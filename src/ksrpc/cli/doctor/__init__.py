"""`ksrpc doctor`: look for what will go wrong, and say what cures it. Changes nothing.

Source: docs/reference/cli.md "ksrpc doctor".
"""
