"""The gateway: who calls, may they, where does it run, what comes back. One module a step."""

from ksrpc.gateway.call import Answer, Arguments, Call, View
from ksrpc.gateway.pipeline import Gateway

__all__ = ["Answer", "Arguments", "Call", "Gateway", "View"]
