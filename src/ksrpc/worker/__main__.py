"""Run a worker process; started by the gateway, never by hand."""

import sys

from ksrpc.worker.boot import main

sys.exit(main(sys.argv))
