#!/bin/sh
# Builds the Kubo node that go.mod names into .build/engines/kubo/bin/ipfs, and does nothing where it is there already.
# Ends with 6 where Go is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$here/../.." && pwd)/.build/engines/kubo
wanted=$(cat "$here/go.mod" "$here/go.sum" | cksum)

if [ -x "$out/bin/ipfs" ] && [ "$(cat "$out/built-from" 2>/dev/null)" = "$wanted" ]; then
    echo "Kubo is built: $("$out/bin/ipfs" version)."
    exit 0
fi

if ! command -v go >/dev/null 2>&1; then
    echo "Kubo is built with Go, which is not on the PATH; install Go 1.26 (https://go.dev/dl) and run this again." >&2
    exit 6
fi

echo "Building Kubo; the first time takes a few minutes."
mkdir -p "$out/bin"
cd "$here"
# Under another name first: an interrupted build leaves no half a program behind.
go build -trimpath -o "$out/bin/ipfs.new" github.com/ipfs/kubo/cmd/ipfs
mv "$out/bin/ipfs.new" "$out/bin/ipfs"
echo "$wanted" >"$out/built-from"
echo "Kubo is built: $("$out/bin/ipfs" version)."
