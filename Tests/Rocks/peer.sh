#!/usr/bin/env bash
# Rocks' own code, of 5.4, 6.2 and 7.0, reads the disc, and that of 6.2 and 7.0 runs the roll's verbs and plug-ins: by hand,
# since it is Python 2 and not ours to keep. Fetches what it needs from GitHub and PyPI.
#   peer.sh PYTHON2 DIRECTORY ISO    DIRECTORY keeps what was fetched: 5.4, 6.2, 7.0, python
set -euo pipefail
python=$1 directory=$2 image=$(realpath "$3")
here=$(dirname "$(realpath "$0")")
mkdir -p "$directory"
directory=$(realpath "$directory")

# fetch RELEASE REPOSITORY PATH…: these directories of a release's source.
fetch() {
    local release=$1 repository=$2
    shift 2
    [ ! -d "$directory/$release/src" ] || return 0
    rm -rf "$directory/$release"
    git clone --quiet --depth 1 --filter=blob:none --no-checkout --branch "ROCKS_${release/./_}" \
        "https://github.com/rocksclusters/$repository.git" "$directory/$release"
    git -C "$directory/$release" sparse-checkout set "$@"
    git -C "$directory/$release" checkout --quiet
}

fetch 7.0 core src/rocks-pylib src/sql
fetch 6.2 base src/rocks-pylib src/sql
fetch 5.4 base src/pylib src/command
[ -d "$directory/python/sqlalchemy" ] || "$python" -m pip install --quiet --disable-pip-version-check --no-compile \
    --target "$directory/python" 'SQLAlchemy==1.3.24' 2>&1 | grep -v DEPRECATION || true

failed=0
for release in 5.4 6.2 7.0; do
    echo "== Rocks $release reads the disc"
    "$python" "$here/peer_code.py" "$directory/$release" "$image" || failed=1
done
for release in 6.2 7.0; do
    echo "== Rocks $release runs the verbs and plug-ins"
    PYTHONPATH=$directory/python "$python" "$here/peer_commands.py" "$directory/$release" || failed=1
done
exit $failed
