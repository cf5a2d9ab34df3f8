"""Run a worker process; started by the gateway, never by hand."""

import sys


def _run(argv: list[str]) -> int:
    """Enter the place, then import what serves: numpy alone starts threads, which must be inside."""
    from ksrpc.worker.place.entry import enter, watch  # noqa: PLC0415 - the order is the point

    plan = enter(int(argv[2]))
    if plan is None:
        return 0
    from ksrpc.worker.boot import main  # noqa: PLC0415

    watch(plan)
    return main(argv)


sys.exit(_run(sys.argv))
