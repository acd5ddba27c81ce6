"""A small Ray with the application on it: `python cluster.py FOLDER < files`.

Each line of standard input is a config file, given to the real `serve run`; the end of the input
ends everything.
"""

from __future__ import annotations

import sys

import ray
from ray import serve
from ray.serve.scripts import cli

MIB = 1024 * 1024


def main(folder: str) -> None:
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=80 * MIB,
        namespace="serve",
        log_to_driver=False,
        _temp_dir=folder,
    )
    try:
        for line in sys.stdin:
            cli(["run", "--non-blocking", line.strip()], standalone_mode=False)
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
