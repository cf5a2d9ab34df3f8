"""The worker program: where a library really runs.

It resolves paths by the policy's gates, runs, encodes. As a child process of the gateway it speaks the call protocol
over an inherited socket pair; it holds no secret but what it is given there.
"""
