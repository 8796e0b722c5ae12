#!/usr/bin/env bash
# The node for i386: compiles the portable modules as Embedded Swift for i686-unknown-none-elf (there is no Swift
# runtime for i386) and links them with gcc -m32 against static glibc and OpenSSL.
#
#   Scripts/embedded-node.sh [--check | --smoke] [MODULE…]
#
# Without arguments builds .build-i386/mallee-node. --check compiles only. Naming modules compiles those and what
# they import, and does not link. --smoke builds and runs Tests/EmbeddedSmoke, which tries Posix, TLS and BlockingHTTP
# on i386 (any x86_64 kernel runs it). MALLEE_I386 names another directory than .build-i386.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${MALLEE_I386:-$PWD/.build-i386}
sources=$PWD/Sources

all=(XML JSON Contracts Posix TLS BlockingHTTP Hypervisor NodeController mallee-node)
declare -A imports=(
    [XML]="" [JSON]="" [Contracts]="XML" [Posix]="" [TLS]="Posix" [BlockingHTTP]="Posix TLS"
    [Hypervisor]="JSON Posix Contracts"
    [NodeController]="BlockingHTTP Contracts Hypervisor JSON Posix TLS XML"
    [mallee-node]="BlockingHTTP Contracts Hypervisor JSON NodeController Posix TLS"
)

link=true
smoke=false
wanted=()
for argument in "$@"; do
    case $argument in
    --check) link=false ;;
    --smoke) smoke=true link=false wanted+=(BlockingHTTP) ;;
    --*) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    *)
        [[ -v imports[$argument] ]] || { echo "no portable module $argument; there are: ${all[*]}" >&2; exit 2; }
        wanted+=("$argument") link=false ;;
    esac
done
[[ ${#wanted[@]} -gt 0 ]] || wanted=("${all[@]}")
declare -A needed=()
need() {
    local module
    for module in "$@"; do
        [[ -v needed[$module] ]] && continue
        needed[$module]=1
        need ${imports[$module]}
    done
}
need "${wanted[@]}"

mkdir -p "$out/modules" "$out/objects" "$out/include"
# One build at a time in one directory: two would mix their objects.
exec 9>"$out/lock"
flock 9

# --- what the host needs
if ! echo 'int main(void) { return 0; }' | gcc -m32 -static -x c -o "$out/probe" - 2>/dev/null; then
    if [[ $(id -u) != 0 ]]; then
        echo "gcc cannot make static 32-bit programs; install gcc-multilib" >&2
        exit 1
    fi
    apt-get update -qq && apt-get install -y -qq gcc-multilib >/dev/null
fi

command -v file >/dev/null || { [[ $(id -u) = 0 ]] && apt-get install -y -qq file >/dev/null; }

# --- OpenSSL for i386: unpacked, not installed, since apt insists on the same version as amd64's
library=$out/sysroot/usr/lib/i386-linux-gnu
if [[ ! -f $library/libssl.a ]]; then
    if ! dpkg --print-foreign-architectures | grep -qx i386; then
        if [[ $(id -u) != 0 ]]; then
            echo "run as root once, or: dpkg --add-architecture i386 && apt-get update" >&2
            exit 1
        fi
        dpkg --add-architecture i386
    fi
    mkdir -p "$out/download"
    fetch() { (cd "$out/download" && rm -f -- *.deb && apt-get download -qq libssl-dev:i386 >/dev/null 2>&1); }
    if ! fetch; then
        # Unreachable extra sources are no reason to stop: what counts is whether the package can be had then.
        apt-get update -qq || true
        fetch || { echo "cannot download libssl-dev:i386; is main of the distribution's archive reachable?" >&2; exit 1; }
    fi
    rm -rf "$out/sysroot"
    dpkg -x "$out"/download/libssl-dev_*_i386.deb "$out/sysroot"
fi

# --- the C shims
for shim in CPosix COpenSSL; do
    # The module map lies beside a link to the headers, so that Sources need none.
    mkdir -p "$out/include/$shim"
    printf 'module %s { header "%s/%s/include/%s.h" export * }\n' "$shim" "$sources" "$shim" "$shim" \
        >"$out/include/$shim/module.modulemap"
    if [[ $shim = COpenSSL && ! -v needed[TLS] ]]; then continue; fi
    gcc -m32 -march=i686 -O2 -std=gnu11 -Wall -Wextra -Werror -DMALLEE_EMBEDDED -ffunction-sections -fdata-sections \
        -I "$sources/$shim/include" -I "$out/sysroot/usr/include" -I "$out/sysroot/usr/include/i386-linux-gnu" \
        -c "$sources/$shim/$shim.c" -o "$out/objects/$shim.o"
done

# Names come from files and DNS, whatever NSS modules the running system has.
gcc -m32 -march=i686 -O2 -std=gnu11 -Wall -Wextra -Werror -c rpmspec/static/names.c -o "$out/objects/names.o"

# --- the Swift modules
swiftc=$(command -v swiftc) || { echo "swiftc is not in PATH" >&2; exit 1; }
flags=(
    -target i686-unknown-none-elf -Xcc -ffreestanding -Xcc -march=i686
    -enable-experimental-feature Embedded -swift-version 6 -wmo -parse-as-library -Osize
    -enable-upcoming-feature ExistentialAny -enable-upcoming-feature MemberImportVisibility
    -enable-upcoming-feature InternalImportsByDefault -warnings-as-errors
    -Xfrontend -function-sections
    -I "$out/modules" -I "$out/include/CPosix" -I "$out/include/COpenSSL"
)
# The instruction set is part of the code generator's options, not of the importer's.
flags+=(-target-cpu i686)
compile() {  # module, directory
    local module=$1 directory=$2 name files stamp import
    mapfile -t files < <(find "$directory" -name '*.swift' | LC_ALL=C sort)
    [[ ${#files[@]} -gt 0 ]] || return 0
    name=${module//-/_}
    # Unchanged since the last time, and all it imports too: nothing to do.
    stamp=$( (printf '%s\n' "${flags[@]}"; "$swiftc" --version 2>/dev/null; cat "${files[@]}" \
        "$sources"/C{Posix,OpenSSL}/include/*.h
        for import in ${imports[$module]-BlockingHTTP}; do cat "$out/modules/${import//-/_}.stamp" 2>/dev/null || true; done) \
        | sha256sum | cut -d' ' -f1)
    if [[ -f $out/objects/$name.o && $(cat "$out/modules/$name.stamp" 2>/dev/null) = "$stamp" ]]; then return 0; fi
    rm -f "$out/modules/$name.stamp"
    echo "i386: $module" >&2
    "$swiftc" "${flags[@]}" -module-name "$name" -emit-module -emit-module-path "$out/modules/$name.swiftmodule" \
        -c "${files[@]}" -o "$out/objects/$name.o"
    echo "$stamp" >"$out/modules/$name.stamp"
}
for module in "${all[@]}"; do
    if [[ -v needed[$module] ]]; then compile "$module" "$sources/$module"; fi
done

# --- the program
unicode=$(dirname "$(readlink -f "$swiftc")")/../lib/swift/embedded/i686-unknown-none-elf/libswiftUnicodeDataTables.a
# Program, then the modules in it.
link_program() {
    local program=$1 objects=() module
    shift
    for module in "$@"; do
        if [[ -f $out/objects/${module//-/_}.o ]]; then objects+=("$out/objects/${module//-/_}.o"); fi
    done
    # glibc warns that names are resolved with the running system's NSS modules; names.c sees to it that they are not.
    gcc -m32 -static -Wl,--gc-sections -o "$program" "${objects[@]}" "$out/objects/CPosix.o" \
        "$out/objects/names.o" "$out/objects/COpenSSL.o" "$unicode" "$library/libssl.a" "$library/libcrypto.a" -lpthread -ldl -lm \
        2> >(grep -v -e 'statically linked applications requires' -e 'in function' >&2)
    local kind
    kind=$(file -b "$program")
    case $kind in
    "ELF 32-bit LSB executable, Intel 80386"*"statically linked"*) ;;
    *) echo "not a static i386 program: $kind" >&2; exit 1 ;;
    esac
    echo "$program: $(stat -c %s "$program") bytes, $kind" >&2
}
if $smoke; then
    compile EmbeddedSmoke Tests/EmbeddedSmoke
    link_program "$out/smoke" Posix TLS BlockingHTTP EmbeddedSmoke
    "$out/smoke"
    echo "i386: files, processes, threads, TLS and HTTP work" >&2
fi
if $link; then link_program "$out/mallee-node" "${all[@]}"; fi
