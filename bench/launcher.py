"""Run one command and say on standard output what it took: a process of its own, so that it is small.

Linux starts a process's peak memory at that of the one which started it: the harness, with its 100 MB blobs, would be seen
in every figure. Between the two stands this, run with `python -I -S`: about 9 MB, the least that a figure can be.
"""

import json
import os
import sys
import time


def main() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    began = time.perf_counter()
    process = os.posix_spawnp(
        sys.argv[1],
        sys.argv[1:],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, nowhere, 0), (os.POSIX_SPAWN_DUP2, nowhere, 1)],
    )
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - began
    print(
        json.dumps(
            {
                "exit": os.waitstatus_to_exitcode(status),
                "seconds": seconds,
                "peak": usage.ru_maxrss * 1024,
                "processor": usage.ru_utime + usage.ru_stime,
            }
        )
    )


main()
