#!/usr/bin/env bash
# Makes mallee-xl, which drives Xen by libxenlight (x86_64 only).
#   xen-helper.sh DIRECTORY
# It is bound to the version of libxenlight that this host has (Debian: libxen-dev; RHEL: xen-devel; 4.14 or later), and
# is for hosts of the same version; on others the node controller does without it, and says so. That is why no package
# carries it. On a Xen host itself: xen-helper.sh /usr/libexec/mallee
set -euo pipefail
cd "$(dirname "$0")/.."
output=${1:?usage: xen-helper.sh DIRECTORY}
mkdir -p "$output"
gcc -O2 -Wall -Wextra -Werror -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Wl,-z,relro,-z,now \
    -ffile-prefix-map="$PWD=." -o "$output/mallee-xl.new" Sources/mallee-xl/main.c -lxenlight -lxentoollog
mv "$output/mallee-xl.new" "$output/mallee-xl"
