"""Connections of the Python client: HTTP and WebSocket, with one interface."""
