"""Enter a place, try to break out of it by system calls alone, and tell what was stopped, as JSON.

`ksrpc doctor` runs this in a process of its own: what the kernel promises and what it does may be two things.
"""

import json
import sys

from ksrpc.worker.place.trial import try_place

print(json.dumps(try_place(sys.argv[1])))
