#!/usr/bin/env bash
# Links the programs of an existing build once more, statically: nothing is compiled again.
#   static-link.sh debug|release [OUTPUT]
# OUTPUT (default .build/static/CONFIGURATION) gets, for each program, PROGRAM without debug information, and
# PROGRAM.debug with it, bound by the build id. MALLEE_BUILD names another build directory than .build.
#
# The programs need a Linux kernel of 3.2 or later and no file of the host: no loader, no library, no NSS module
# (rpmspec/static/names.c). What is linked are the objects that SwiftPM listed for its own, dynamic link.
set -euo pipefail
cd "$(dirname "$0")/.."
configuration=${1:?usage: static-link.sh debug|release [OUTPUT]}
output=${2:-.build/static/$configuration}
build=$(realpath "${MALLEE_BUILD:-.build}")/$configuration
programs=(mallee mallee-node mallee-roll)

# Dependencies that SwiftPM's list leaves to the shared libraries. An archive gives only what is missing, so all
# programs may name all of them.
libraries=(
    Foundation FoundationInternationalization FoundationEssentials _FoundationICU CoreFoundation
    _FoundationCShims _FoundationCollections swiftSynchronization swiftDispatch dispatch BlocksRuntime
    sqlite3 archive nettle acl attr lzma zstd lz4 bz2 z xml2 icui18n icuuc icudata ssl crypto stdc++ m
)
flags=(
    -target x86_64-unknown-linux-gnu -static-stdlib -static-executable -use-ld=lld
    -Xlinker --build-id=sha1 -Xlinker --no-warnings -Xlinker --fatal-warnings
)
# Debug objects have no section for each function, so that there is little to leave out.
[[ $configuration = debug ]] || flags+=(-Xlinker --gc-sections -Xlinker -z -Xlinker nostart-stop-gc)
flags+=(-Xlinker --start-group)
for library in "${libraries[@]}"; do flags+=("-l$library"); done
flags+=(-Xlinker --end-group)

mkdir -p "$output"
# Two links into one directory would mix their files.
exec 9>"$output/.lock"
flock 9

gcc -O2 -Wall -Wextra -Werror -ffile-prefix-map="$PWD=." -c rpmspec/static/names.c -o "$output/names.o"

for program in "${programs[@]}"; do
    list=$build/$program.product/Objects.LinkFileList
    if [[ ! -f $list ]]; then
        echo "$list is not there; build first: swift build -c $configuration --product $program" >&2
        exit 1
    fi
    # Linked since the objects last changed: nothing to do.
    stamp=$( (echo "${flags[*]}"; cat "$0" rpmspec/static/names.c; stat -c '%n %s %y' "$build/$program"; cat "$list") \
        | sha256sum | cut -d' ' -f1)
    if [[ -f $output/$program && $(cat "$output/$program.stamp" 2>/dev/null) = "$stamp" ]]; then continue; fi
    rm -f "$output/$program.stamp"

    # SwiftPM calls a program's main by the name of its module.
    swiftc -o "$output/$program.whole" -module-name "${program//-/_}" -emit-executable \
        -Xlinker --defsym -Xlinker "main=${program//-/_}_main" "@$list" "$output/names.o" "${flags[@]}"
    objcopy --only-keep-debug --compress-debug-sections "$output/$program.whole" "$output/$program.debug"
    objcopy --strip-all --add-gnu-debuglink="$output/$program.debug" "$output/$program.whole" "$output/$program"
    rm "$output/$program.whole"

    kind=$(file -b "$output/$program")
    case $kind in
    "ELF 64-bit LSB executable, x86-64"*"statically linked"*"for GNU/Linux 3.2.0"*", stripped") ;;
    *) echo "$output/$program is not what it must be: $kind" >&2; exit 1 ;;
    esac
    if readelf --program-headers "$output/$program" | grep -qw INTERP; then
        echo "$output/$program asks for a dynamic loader" >&2
        exit 1
    fi
    echo "$output/$program: $(stat -c %s "$output/$program") bytes"
    echo "$stamp" >"$output/$program.stamp"
done
