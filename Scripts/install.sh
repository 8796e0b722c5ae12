#!/bin/sh
# Puts built programs and what belongs to them into a tree: `make install` calls it, and so do the packages.
#   PROGRAMS=directory of mallee, mallee-node, mallee-roll   DESTDIR=root of the tree   PREFIX=/usr/local
#   SYSCONFDIR=/etc LOCALSTATEDIR=/var                       COMPONENTS=all|node        DEBUGINFO=0|1
#   XEN_HELPER=mallee-xl, if it was made for the Xen of the hosts that get it (make xen-helper)
# Nothing that is configured is replaced: *.conf are installed where there are none. It makes no user and starts nothing.
set -eu
cd "$(dirname "$0")/.."
: "${PROGRAMS:?directory of the programs}"
DESTDIR=${DESTDIR:-}
PREFIX=${PREFIX:-/usr/local}
SYSCONFDIR=${SYSCONFDIR:-/etc}
LOCALSTATEDIR=${LOCALSTATEDIR:-/var}
COMPONENTS=${COMPONENTS:-all}
DEBUGINFO=${DEBUGINFO:-0}
XEN_HELPER=${XEN_HELPER:-}
bin=$PREFIX/bin
sbin=$PREFIX/sbin
data=$PREFIX/share
umask 022

case $COMPONENTS in
all) services="cloud walrus cluster node" programs="mallee mallee-node mallee-roll" ;;
node) services="node" programs="mallee-node" ;;
*) echo "COMPONENTS is $COMPONENTS; it may be all or node" >&2; exit 2 ;;
esac
for program in $programs; do
    if [ ! -x "$PROGRAMS/$program" ]; then
        echo "$PROGRAMS/$program is not there; make it first: make static CONFIGURATION=release" >&2
        exit 1
    fi
done

# mode, source, directory, name
put() {
    mkdir -p "$DESTDIR$3"
    install -m "$1" "$2" "$DESTDIR$3/$4"
}
# The same for texts that name places.
fill() {
    mkdir -p "$DESTDIR$3"
    sed -e "s|@BINDIR@|$bin|g" -e "s|@SBINDIR@|$sbin|g" -e "s|@SYSCONFDIR@|$SYSCONFDIR|g" -e "s|@DATADIR@|$data|g" \
        -e "s|@LOCALSTATEDIR@|$LOCALSTATEDIR|g" "$2" > "$DESTDIR$3/$4"
    chmod "$1" "$DESTDIR$3/$4"
}
# A program, and its debug information where a debugger looks for it.
program() {
    put 0755 "$PROGRAMS/$1" "$2" "$1"
    if [ "$DEBUGINFO" = 1 ]; then put 0644 "$PROGRAMS/$1.debug" "/usr/lib/debug$2" "$1.debug"; fi
}

for service in $services; do
    if [ ! -e "$DESTDIR$SYSCONFDIR/mallee/$service.conf" ]; then
        put 0640 "rpmspec/conf/$service.conf" "$SYSCONFDIR/mallee" "$service.conf"
    fi
    fill 0644 "rpmspec/systemd/mallee-$service.service" "$PREFIX/lib/systemd/system" "mallee-$service.service"
    fill 0755 "rpmspec/init.d/mallee-$service" "$data/mallee/init.d" "mallee-$service"
    mkdir -p "$DESTDIR$LOCALSTATEDIR/lib/mallee/$service"
done
put 0644 rpmspec/init.d/functions "$data/mallee/init.d" functions
put 0644 rpmspec/tmpfiles/mallee.conf "$PREFIX/lib/tmpfiles.d" mallee.conf
mkdir -p "$DESTDIR$LOCALSTATEDIR/log/mallee"

program mallee-node "$sbin"
if [ -n "$XEN_HELPER" ]; then put 0755 "$XEN_HELPER" "$sbin" mallee-xl; fi
fill 0644 rpmspec/logrotate/mallee-node "$SYSCONFDIR/logrotate.d" mallee-node
fill 0644 rpmspec/man/mallee-node.8 "$data/man/man8" mallee-node.8
if [ "$COMPONENTS" = node ]; then
    gzip -9 -n -f "$DESTDIR$data/man/man8/mallee-node.8"
    exit 0
fi

program mallee "$bin"
program mallee-roll "$bin"
for directory in admin identity authority; do mkdir -p "$DESTDIR$LOCALSTATEDIR/lib/mallee/$directory"; done
# Modes as they are in the source.
mkdir -p "$DESTDIR$data/mallee/rocks"
cp -R roll/frontend/. "$DESTDIR$data/mallee/rocks"
find "$DESTDIR$data/mallee/rocks" -name __pycache__ -prune -exec rm -rf {} +

# What the programs say of themselves.
mkdir -p "$DESTDIR$data/man/man1" "$DESTDIR$data/bash-completion/completions" "$DESTDIR$data/zsh/site-functions" \
    "$DESTDIR$data/fish/vendor_completions.d"
for command in mallee mallee-roll; do
    "$PROGRAMS/$command" --experimental-dump-help | python3 Scripts/manual.py "$DESTDIR$data/man/man1"
    # Read by a shell, not run.
    "$PROGRAMS/$command" --generate-completion-script bash | sed '1{/^#!/d;}' > "$DESTDIR$data/bash-completion/completions/$command"
    "$PROGRAMS/$command" --generate-completion-script zsh > "$DESTDIR$data/zsh/site-functions/_$command"
    "$PROGRAMS/$command" --generate-completion-script fish > "$DESTDIR$data/fish/vendor_completions.d/$command.fish"
done
gzip -9 -n -f "$DESTDIR$data"/man/man1/mallee*.1 "$DESTDIR$data/man/man8/mallee-node.8"
