"""The ASGI application: routes, negotiation, problem documents, WebSocket sessions."""

from ksrpc.server.app import make_app

__all__ = ["make_app"]
