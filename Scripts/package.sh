#!/usr/bin/env bash
# Makes source tarball and packages from programs that are built already; compiles nothing.
#   package.sh dist                   .build/dist/mallee-VERSION.tar.gz
#   package.sh rpm debug|release      .build/rpm/RPMS, .build/rpm/SRPMS, .build/rpm/debuginfo (release only)
#   package.sh rpm-i386               .build/rpm-i386/RPMS: mallee-node, from Scripts/embedded-node.sh
#   package.sh roll debug|release     the disc in iso/out, from .build/rpm/RPMS
#   package.sh qemu-sources DIRECTORY the sources of what mallee-qemu is made of
#
# RELEASE (1) is the packages' release; PACKAGES another directory than .build/rpm; PROGRAMS another one than
# .build/static/CONFIGURATION; MALLEE_QEMU a tree that qemu-bundle.sh has made, instead of .build/qemu. The same source and
# compiler give the same bytes: times are SOURCE_DATE_EPOCH, by default the time of the last commit.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^ *public static let version = "\(.*\)"$/\1/p' Sources/Posix/MalleeRelease.swift)
: "${version:?Sources/Posix/MalleeRelease.swift does not say the version}"
release=${RELEASE:-1}
if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
    # An unpacked tarball has the time in its files.
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Makefile)
fi
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
distribution=$PWD/.build/dist
tarball=$distribution/mallee-$version.tar.gz

# A spec with the version filled in: file.
spec() {
    sed -e "s/@VERSION@/$version/g" -e "s/@CHANGELOG_DATE@/$(date -u -d "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')/g" "$1"
}

# The files of the source, in whatever state they are, and the specs, so that `rpmbuild -ta` works.
dist() {
    local work files
    mkdir -p "$distribution"
    work=$(mktemp -d "$distribution/work.XXXXXX")
    mkdir "$work/mallee-$version"
    if git rev-parse --git-dir >/dev/null 2>&1; then
        mapfile -d '' -t files < <(git ls-files -z)
        # Versions of the packages that were built with.
        files+=(Package.resolved)
    else
        mapfile -d '' -t files < <(find . -type f -not -path './.build*' -not -path './iso/out/*' -not -path './iso/sources/*' -not -path './state/*' \
            -not -name __pycache__ -printf '%P\0')
    fi
    for file in "${files[@]}"; do [[ ! -e $file ]] || printf '%s\0' "$file"; done \
        | tar -c --null -T - | tar -x -C "$work/mallee-$version"
    spec rpmspec/mallee.spec.in >"$work/mallee-$version/mallee.spec"
    tar -c -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
        --mode=u+rwX,go+rX,go-w --format=gnu "mallee-$version" | gzip -9 -n >"$work/tarball"
    mv "$work/tarball" "$tarball"
    rm -rf "$work"
    echo "$tarball: $(stat -c %s "$tarball") bytes"
}

# rpmbuild, in a directory of its own: output directory, spec, options.
build() {
    local output=$1 template=$2 top
    shift 2
    mkdir -p "$output/RPMS" "$output/SRPMS"
    top=$(mktemp -d "$output/work.XXXXXX")
    mkdir "$top/SPECS"
    spec "$template" >"$top/SPECS/$(basename "$template" .in)"
    if ! rpmbuild --quiet "$@" --define "_topdir $top" --define "_sourcedir $distribution" \
        --define "mallee_release $release" "$top/SPECS/$(basename "$template" .in)" >"$top/log" 2>&1; then
        cat "$top/log" >&2
        rm -rf "$top"
        exit 1
    fi
    grep -i '^warning' "$top/log" >&2 || true
    find "$top/RPMS" -name '*.rpm' -exec mv -t "$output/RPMS" {} +
    [[ ! -d $top/SRPMS ]] || find "$top/SRPMS" -name '*.rpm' -exec mv -t "$output/SRPMS" {} +
    rm -rf "$top"
}

# Files in one order and with one time, so that disc images are the same too.
finish() {
    find "$1" -name '*.rpm' -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
    find "$1" -name '*.rpm' -printf '%s bytes  %p\n' | sort -k 3
}

rpms() {
    local configuration=$1 output=${PACKAGES:-.build/rpm} programs options
    programs=$(realpath "${PROGRAMS:-.build/static/$1}")
    mkdir -p "$output"
    output=$(realpath "$output")
    rm -rf "$output/RPMS" "$output/SRPMS" "$output/debuginfo"
    dist
    # Debug builds are for tests: packed fast, and without debug information in a package.
    options=()
    [[ $configuration = release ]] || options=(--without debuginfo --define "mallee_payload w1.gzdio")
    MALLEE_PROGRAMS=$programs build "$output" rpmspec/mallee.spec.in -ba --target x86_64 "${options[@]}"
    # Debian's, whatever the configuration; one tree for all runs.
    local qemu=$PWD/.build/qemu
    [[ -n ${MALLEE_QEMU:-} ]] && qemu=$(realpath "$MALLEE_QEMU") || Scripts/qemu-bundle.sh tree "$qemu"
    MALLEE_QEMU=$qemu build "$output" rpmspec/mallee-qemu.spec.in -bb --target x86_64 "${options[@]}"
    build "$output" rpmspec/roll-mallee-kickstart.spec.in -bb --target noarch
    build "$output" rpmspec/roll-mallee-usersguide.spec.in -bb --target noarch
    if [[ $configuration = release ]]; then
        # Not for the disc.
        mkdir "$output/debuginfo"
        mv "$output"/RPMS/*-debuginfo-*.rpm "$output/debuginfo"
    fi
    finish "$output"
}

rpms_i386() {
    local output=${PACKAGES:-.build/rpm-i386} programs
    mkdir -p "$output"
    output=$(realpath "$output")
    rm -rf "$output/RPMS"
    dist
    programs=$(mktemp -d "$output/programs.XXXXXX")
    objcopy --strip-all "${MALLEE_I386:-.build-i386}/mallee-node" "$programs/mallee-node"
    MALLEE_PROGRAMS=$programs build "$output" rpmspec/mallee.spec.in -bb --target i386 --without debuginfo
    rm -rf "$programs"
    finish "$output"
}

roll() {
    local output=${PACKAGES:-.build/rpm} described
    described=$(sed -n 's/.*<info version="\([^"]*\)".*/\1/p' roll/roll-mallee.xml)
    if [[ $described != "$version" ]]; then
        echo "roll/roll-mallee.xml says version $described, but this is $version" >&2
        exit 1
    fi
    mkdir -p iso/out
    # The release is that of the packages.
    sed "s/\(<info [^>]*release=\)\"[^\"]*\"/\1\"${RELEASE:-1}\"/" roll/roll-mallee.xml > "$output/roll-mallee.xml"
    "${PROGRAMS:-.build/static/$1}/mallee-roll" create --roll "$output/roll-mallee.xml" --rpms "$output/RPMS" \
        --output iso/out
}

case ${1:-} in
dist) dist ;;
rpm) rpms "${2:?debug or release}" ;;
rpm-i386) rpms_i386 ;;
roll) roll "${2:?debug or release}" ;;
qemu-sources)
    # Of the QEMU that was packed here, rather than of an update that was installed since.
    list=${MALLEE_QEMU:-.build/qemu}/usr/share/doc/mallee-qemu/SOURCES
    [[ -e $list ]] || list=
    Scripts/qemu-bundle.sh sources "${2:?directory}" ${list:+"$list"}
    ;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
