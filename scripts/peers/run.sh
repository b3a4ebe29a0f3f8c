#!/bin/sh
# Does every sentence-transformers load what we save? One environment each under .peers/ (made once), then the tests.
# usage: scripts/peers/run.sh            PYTHON=path/to/python overrides the interpreter (it must have torch)
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python}

# sentence-transformers, and the newest transformers each was released against (numpy 2 and Python 3.11 allowing)
while read -r peer transformers hub; do
    env=.peers/st-$peer
    [ -f "$env/ready" ] && continue
    echo "making $env"
    rm -rf "$env"
    "$PYTHON" -m venv "$env"
    # torch is large and the same for all: link the one we have, with its record so that pip counts it as installed
    "$PYTHON" scripts/peers/link_torch.py "$env"
    "$env/bin/pip" install --quiet --disable-pip-version-check \
        "sentence-transformers==$peer" "transformers==$transformers" "huggingface_hub$hub"
    touch "$env/ready"
done <<VERSIONS
2.7.0 4.44.2 <1
3.4.1 4.48.3 <1
5.1.2 4.57.1 <1
6.2.0 5.* >=1
VERSIONS

exec "$PYTHON" -m pytest -m peer tests/encoders "$@"
