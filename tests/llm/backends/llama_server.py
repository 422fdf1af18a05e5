"""Run llama.cpp's own HTTP server on a free port of 127.0.0.1: ``python llama_server.py WEIGHTS SECONDS [KEY]``.

It prints its address as one line and stops when standard input closes, or after SECONDS at the latest.
"""

from __future__ import annotations

import select
import sys

import xllamacpp


def main(weights: str, seconds: str, key: str = "") -> None:
    settings = xllamacpp.CommonParams()
    settings.model.path = weights
    settings.model_alias = {"tiny"}
    settings.n_ctx = 1024
    settings.n_parallel = 1
    settings.cpuparams.n_threads = 1
    settings.cpuparams_batch.n_threads = 1
    settings.cache_ram_mib = 16
    settings.verbosity = 0
    settings.api_keys = [key] if key else []
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)
    select.select([sys.stdin], [], [], float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
