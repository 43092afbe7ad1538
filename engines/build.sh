#!/bin/sh
# Builds the engine of one folder here, as its go.mod and go.sum lock it, into .build/engines/NAME/bin:
#
#     engines/build.sh kubo|cluster|geth|kaia
#
# What is built already, from the same files, is checked against the checksums noted then, and kept. Ends with 2 for
# another name, with 6 where Go is missing.
set -eu

engines=$(cd "$(dirname "$0")" && pwd)
name=${1:-}
case "$name" in
kubo | cluster | geth | kaia) ;;
*)
    echo "Name the engine to build: kubo, cluster, geth or kaia." >&2
    exit 2
    ;;
esac

out=$(dirname "$engines")/.build/engines/$name
wanted=$(cat "$engines/build.sh" "$engines/$name/go.mod" "$engines/$name/go.sum" | cksum)

if [ "$(cat "$out/built-from" 2>/dev/null)" = "$wanted" ] && (cd "$out/bin" && sha256sum --quiet --check ../SHA256SUMS); then
    echo "$name is built."
    exit 0
fi

if ! command -v go >/dev/null 2>&1; then
    echo "$name is built with Go, which is not on the PATH; install Go 1.26 (https://go.dev/dl) and run this again." >&2
    exit 6
fi

# A dependency of Kaia reaches into Go's runtime by a linkname that Go has forbidden since 1.23.
flags=
if [ "$name" = kaia ]; then
    flags=-ldflags=-checklinkname=0
fi

echo "Building $name; the first time takes some minutes."
# Into another folder first: an interrupted build leaves no half a program behind.
rm -rf "$out/new" "$out/built-from"
mkdir -p "$out/new"
(cd "$engines/$name" && go build -mod=readonly -trimpath $flags -o "$out/new" tool)
rm -rf "$out/bin"
mv "$out/new" "$out/bin"
(cd "$out/bin" && sha256sum -- * >../SHA256SUMS)
echo "$wanted" >"$out/built-from"
echo "$name is built: $(cd "$out/bin" && echo *)."
