"""Storms: what many sockets, slow senders, tiny frames and swollen messages do to everybody else."""
