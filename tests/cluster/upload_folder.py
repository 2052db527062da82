"""Put a folder's files below an S3 prefix, those only that are not there yet; needs obstore and the AWS_* variables.

Usage: upload_folder.py FOLDER BUCKET PREFIX. Run by cluster.py with the Python of the cache's virtual environment.
"""

import os
import sys
from pathlib import Path

from obstore.store import S3Store


def upload(store: S3Store, folder: Path, prefix: str) -> int:
    """Upload what is missing below `prefix` and return how many files that were; hidden files stay behind."""
    present = {entry["path"]: entry["size"] for page in store.list(prefix) for entry in page}
    sent = 0
    for path in sorted(folder.rglob("*")):
        key = f"{prefix}/{path.relative_to(folder)}"
        if path.is_file() and not path.name.startswith(".") and present.get(key) != path.stat().st_size:
            store.put(key, path)
            sent += 1
    return sent


def main(folder: str, bucket: str, prefix: str) -> None:
    """Upload one folder to the store that the environment names."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    store = S3Store(
        bucket,
        endpoint=endpoint or None,
        region=os.environ.get("AWS_REGION", "us-east-1"),
        client_options={"allow_http": endpoint.startswith("http://")},
    )
    upload(store, Path(folder), prefix)


if __name__ == "__main__":
    main(*sys.argv[1:4])
