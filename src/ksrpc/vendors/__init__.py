"""Server-side modules that ksrpc ships; each file is served like one of the administrator's own."""
