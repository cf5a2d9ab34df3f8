"""The only floor that touches sockets: shells that drive the sans-I/O sessions over real carriers."""
