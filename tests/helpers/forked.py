"""Run `python -m ksrpc …` for a shell: `python forked.py SOCKET -m ksrpc …` asks the fork server at SOCKET for it.

An interpreter that imports little is there in no time. The child has the streams, the folder and the environment of
this process, which ends as the child does.
"""

import json
import os
import socket
import sys


def main() -> None:
    """Ask for the child and wait for its end."""
    told, tell = os.pipe()
    request = {"words": sys.argv[2:], "cwd": os.getcwd(), "env": dict(os.environ), "session": False}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.connect(sys.argv[1])
        socket.send_fds(control, [json.dumps(request).encode()], [0, 1, 2, tell])
    os.close(tell)
    with open(told) as lines:
        _, ending = lines.read().split()
    code = os.waitstatus_to_exitcode(int(ending))
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
