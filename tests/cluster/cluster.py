"""Command line of the local cluster: `python3 tests/cluster/cluster.py up|down|env|status|images|logs`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from localcluster.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
