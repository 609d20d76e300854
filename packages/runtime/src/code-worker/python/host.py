"""The program of a Python worker: `python host.py`, with the stream to its replica as descriptor 3."""

import os
import sys

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sdk = os.path.normpath(os.path.join(here, "..", "..", "..", "..", "sdk", "src", "python"))
    sys.path[0:1] = [here, sdk]
    from corral_host.worker import serve

    # What the author imports must not be found here by accident; `corral` itself is imported by now.
    sys.path[0:2] = []
    serve(3, cuda_on_cpu="--cuda-on-cpu" in sys.argv[1:])
