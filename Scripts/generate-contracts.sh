#!/usr/bin/env bash
# Makes Sources/Contracts/Generated from the WSDL files in Sources/Contracts/wsdl.
#
#   Scripts/generate-contracts.sh [--check]
#
# --check changes nothing and fails if the committed files are not what the generator makes. The generator needs only
# the XML module, so it is compiled by itself and the contracts need not compile.
set -euo pipefail
cd "$(dirname "$0")/.."
generated=Sources/Contracts/Generated

case ${1:-} in
"" | --check) ;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-swift-version 6 -enable-upcoming-feature ExistentialAny -enable-upcoming-feature MemberImportVisibility
    -enable-upcoming-feature InternalImportsByDefault)
swiftc "${flags[@]}" -parse-as-library -module-name XML -emit-module -emit-module-path "$work/XML.swiftmodule" \
    -static -emit-library -o "$work/libXML.a" Sources/XML/*.swift
swiftc "${flags[@]}" -parse-as-library -I "$work" -L "$work" -lXML -o "$work/wsdl2swift" Sources/wsdl2swift/*.swift

"$work/wsdl2swift" --output "$work/Generated" Sources/Contracts/wsdl/{node,cluster,cloud,enrolment}.wsdl
swift format -i --configuration .swift-format "$work"/Generated/*.swift

if [[ ${1:-} = --check ]]; then
    if ! diff -ru "$generated" "$work/Generated"; then
        echo "$generated is stale: run Scripts/generate-contracts.sh and commit the result" >&2
        exit 1
    fi
    exit 0
fi
mkdir -p "$generated"
rm -f "$generated"/*.swift
cp "$work"/Generated/*.swift "$generated/"
