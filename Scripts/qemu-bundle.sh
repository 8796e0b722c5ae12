#!/usr/bin/env bash
# Puts Debian's QEMU, with everything that it needs but a kernel, into a tree: what the package mallee-qemu is made of.
#   qemu-bundle.sh tree DIRECTORY             usr/lib/mallee/qemu and usr/share/doc/mallee-qemu below DIRECTORY
#   qemu-bundle.sh sources DIRECTORY [LIST]   downloads the source packages of all that is in there (some 300 MB), and checks
#   qemu-bundle.sh check DIRECTORY [LIST]     whether all of them are in DIRECTORY and whole, by the SHA-256 in their .dsc
#
# LIST is the file SOURCES of a mallee-qemu that is given to others; without one, the packages installed here are meant.
#
# Programs, libraries and firmware are those of the Debian packages that are installed here, unchanged but for the names of
# the loader and of the library directory in the two programs. QEMU looks for firmware and modules where it would have
# been installed, seen from its own place, so that the tree has Debian's structure.
set -euo pipefail
action=${1:-} directory=${2:-} list=${3:-}
[[ $action = tree || $action = sources || $action = check ]] && [[ -n $directory ]] \
    || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }

home=/usr/lib/mallee/qemu
debian=/usr/lib/x86_64-linux-gnu
programs=(/usr/bin/qemu-system-x86_64 /usr/bin/qemu-img)
# Emulation; displays for a console over VNC. Sound, SPICE, USB of the host and the like are left out.
modules=(accel-tcg-x86_64 hw-display-virtio-gpu hw-display-virtio-gpu-pci hw-display-virtio-vga)
# What -kernel, KVM and the firmware's menu need. No network boot: the driver gives network cards no option ROM.
firmware=(
    /usr/share/seabios/bios{,-256k}.bin
    /usr/share/seabios/vgabios{,-stdvga,-virtio,-cirrus,-bochs-display}.bin
    /usr/share/qemu/{kvmvapic,linuxboot,linuxboot_dma,multiboot,multiboot_dma,pvh}.bin
    /usr/share/qemu/keymaps
)

modulefiles=()
for module in "${modules[@]}"; do modulefiles+=("$debian/qemu/$module.so"); done

# Sets libraries, by the name that they are loaded under, with the loader; and described: package, version, source package
# and source version of all that is taken.
describe() {
    local file real packages package
    for file in "${programs[@]}" "${modulefiles[@]}" "${firmware[@]}"; do
        [[ -e $file ]] || { echo "$file is missing: apt-get install qemu-system-x86 qemu-utils" >&2; exit 1; }
    done
    libraries=$(for file in "${programs[@]}" "${modulefiles[@]}"; do ldd "$file"; done \
        | sed -n -e 's/^\t\(\S*\) => \(\/\S*\) .*/\2/p' -e 's/^\t\(\/lib64\/\S*\) .*/\1/p' | sort -u)
    # What ldd calls /lib/… packages may call /usr/lib/…, and the other way round.
    packages=$(for file in "${programs[@]}" "${modulefiles[@]}" "${firmware[@]}" $libraries; do
        real=$(readlink -f "$file")
        printf '%s\n' "$file" "$real" "/usr$real" "${real#/usr}"
    done | sort -u | { xargs dpkg-query -S 2>/dev/null || true; } | sed 's/:.*//' | sort -u)
    described=$(for package in $packages; do
        dpkg-query -W -f '${Package} ${Version} ${source:Package} ${source:Version}\n' "$package"
    done)
}

# What must be there: source package and version, one a line.
wanted_sources() {
    awk 'found && NF == 4 { print $3, $4 } /^PACKAGE VERSION SOURCE SOURCE-VERSION$/ { found = 1 }' "$1" | sort -u
}

# Says what is missing or damaged of the sources in $directory; fails if anything is.
check_sources() {
    local source version dsc sum name status=0
    while read -r source version; do
        # No epoch in names of files.
        dsc=$directory/${source}_${version#*:}.dsc
        if [[ ! -s $dsc ]]; then
            echo "$source $version is missing: https://snapshot.debian.org/package/$source/$version/ has it" >&2
            status=1
            continue
        fi
        while read -r sum name; do
            if [[ ! -f $directory/$name ]]; then
                echo "$source $version: $name is missing: https://snapshot.debian.org/package/$source/$version/ has it" >&2
                status=1
            elif [[ $(sha256sum <"$directory/$name") != "$sum  -" ]]; then
                echo "$source $version: $name is not what $(basename "$dsc") says: remove it and fetch it again" >&2
                status=1
            fi
        done < <(awk '/^[^ ]/ { inside = /^Checksums-Sha256:/; next } inside && NF == 3 { print $1, $3 }' "$dsc")
        if ! grep -q '^Checksums-Sha256:' "$dsc"; then
            echo "$source $version: $(basename "$dsc") names no files: remove it and fetch it again" >&2
            status=1
        fi
    done <<<"$1"
    if [[ $status = 0 ]]; then echo "$directory has the sources of $(wc -l <<<"$1") packages, whole"; fi
    return $status
}

if [[ $action != tree ]]; then
    if [[ -n $list ]]; then
        wanted=$(wanted_sources "$list")
        [[ -n $wanted ]] || { echo "$list is no SOURCES of mallee-qemu" >&2; exit 2; }
    else
        describe
        wanted=$(awk '{ print $3, $4 }' <<<"$described" | sort -u)
    fi
    if [[ $action = sources ]]; then
        mkdir -p "$directory"
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        mkdir -p "$work/lists/partial"
        # Debian's own lists, in their own place: the host's may have no sources, or be of another release.
        release=${DEBIAN_RELEASE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
        for suite in "$release" "$release-updates"; do
            echo "deb-src http://deb.debian.org/debian $suite main"
        done >"$work/sources.list"
        echo "deb-src http://deb.debian.org/debian-security $release-security main" >>"$work/sources.list"
        options=(-o "Dir::State::lists=$work/lists" -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=-
            -o APT::Sandbox::User=root -o APT::Get::List-Cleanup=0 -o Acquire::Retries=3)
        apt-get "${options[@]}" update -qq
        # apt checks signatures and sums. What is there already, and whole, it does not fetch again. What an update has
        # replaced since it was installed here cannot be had this way; the check names it.
        while read -r source version; do
            (cd "$directory" && apt-get "${options[@]}" source -qq --download-only --only-source "$source=$version") \
                2>"$work/errors" || sed "s/^/$source: /" "$work/errors" >&2
        done <<<"$wanted"
    fi
    check_sources "$wanted"
    exit
fi

describe
# Nothing to do if the same was made before.
stamp=$( (cat "$0"; echo "$described"; stat -L -c '%n %s %Y' "${programs[@]}" "${modulefiles[@]}" $libraries) \
    | sha256sum | cut -d' ' -f1)
mkdir -p "$directory"
exec 9>"$directory/.lock"
flock 9
if [[ $(cat "$directory/.stamp" 2>/dev/null) = "$stamp" ]]; then exit; fi
rm -rf "$directory/usr" "$directory/.stamp"

top=$directory$home
mkdir -p "$top/bin" "$top/lib/x86_64-linux-gnu/qemu" "$top/share/qemu" "$top/share/seabios"
for library in $libraries; do install -m 0755 "$library" "$top/lib"; done
install -m 0644 "${modulefiles[@]}" "$top/lib/x86_64-linux-gnu/qemu"
for file in "${firmware[@]}"; do cp -R -L "$file" "$top/share/$(basename "$(dirname "$file")")"; done
find "$top/share" -type f -exec chmod 0644 {} +
for program in "${programs[@]}"; do
    install -m 0755 "$program" "$top/bin"
    # As RPATH and not RUNPATH: libraries look there for those that they need.
    patchelf --set-interpreter "$home/lib/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$home/lib" \
        "$top/bin/$(basename "$program")"
done

documents=$directory/usr/share/doc/mallee-qemu
mkdir -p "$documents/copyright" "$documents/common-licenses"
for package in $(awk '{ print $1 }' <<<"$described"); do
    install -m 0644 "/usr/share/doc/$package/copyright" "$documents/copyright/$package"
done
for licence in $(grep -rhoE '/usr/share/common-licenses/[A-Za-z0-9.-]*[A-Za-z0-9]' "$documents/copyright" | sort -u); do
    [[ ! -e $licence ]] || install -m 0644 "$licence" "$documents/common-licenses/$(basename "$licence")"
done
{
    cat <<'TEXT'
mallee-qemu: where it comes from

Programs, libraries and firmware in /usr/lib/mallee/qemu are those of the Debian packages below, unchanged, except that in
bin/qemu-system-x86_64 and bin/qemu-img the names of the loader and of the library directory were set by patchelf
--set-interpreter and --force-rpath --set-rpath. copyright/ has the licences of each package, common-licenses/ the texts
that they refer to.

The complete source of each is the Debian source package named, in the version named: by `apt-get source
SOURCE=VERSION` with deb-src lines for https://deb.debian.org/debian and https://deb.debian.org/debian-security, or, once
Debian has replaced it there, from https://snapshot.debian.org/package/SOURCE/VERSION/. Whoever gives these discs to
others can have the sources to go with them by `make qemu-sources` in Mallee's source tree, which fetches them into
iso/sources and says if one is missing or damaged.

PACKAGE VERSION SOURCE SOURCE-VERSION
TEXT
    echo "$described"
} >"$documents/SOURCES"
chmod 0644 "$documents/SOURCES"
echo "$stamp" >"$directory/.stamp"
