#!/bin/sh
# Builds the engine of one folder here, as its go.mod and go.sum lock it, into .build/engines/NAME/bin:
#
#     engines/build.sh kubo|cluster|geth|kaia|medusa
#
# What is built already, from the same files, is checked against the checksums noted then, and kept. Ends with 2 for
# another name, with 6 where Go is missing.
set -eu

engines=$(cd "$(dirname "$0")" && pwd)
name=${1:-}
case "$name" in
kubo | cluster | geth | kaia | medusa) ;;
*)
    echo "Name the engine to build: kubo, cluster, geth, kaia or medusa." >&2
    exit 2
    ;;
esac

out=$(dirname "$engines")/.build/engines/$name
wanted=$(cat "$engines/build.sh" "$engines/shift.go" "$engines/$name/go.mod" "$engines/$name/go.sum" | cksum)

if [ "$(cat "$out/built-from" 2>/dev/null)" = "$wanted" ] && (cd "$out/bin" && sha256sum --quiet --check ../SHA256SUMS); then
    echo "$name is built."
    exit 0
fi

if ! command -v go >/dev/null 2>&1; then
    echo "$name is built with Go, which is not on the PATH; install Go 1.26 (https://go.dev/dl) and run this again." >&2
    exit 6
fi

mkdir -p "$out"

# Chains are also tested at other hours than now and with clocks that disagree. Nothing in a chain's program allows that,
# and Go asks the kernel past every library that could be put in between; so Go's own time.Now is built with an addition
# that does nothing unless THERIAC_CLOCK names a file.
overlay=
case "$name" in
geth | kaia)
    time=$(go env GOROOT)/src/time
    sed '/^func Now() Time {$/,/^}$/s/^\tsec, nsec, mono := runtimeNow()$/&\n\tsec += shift()/' "$time/time.go" >"$out/time.go"
    if ! grep -q 'sec += shift()' "$out/time.go"; then
        echo "This Go ($(go version)) reads its clock in another way than 1.26 does; install Go 1.26 and run this again." >&2
        exit 6
    fi
    printf '{"Replace": {"%s": "%s", "%s": "%s"}}\n' \
        "$time/time.go" "$out/time.go" "$time/shift.go" "$engines/shift.go" >"$out/overlay.json"
    overlay=-overlay=$out/overlay.json
    ;;
esac

# A dependency of Kaia reaches into Go's runtime by a linkname that Go has forbidden since 1.23.
flags=
if [ "$name" = kaia ]; then
    flags=-ldflags=-checklinkname=0
fi

echo "Building $name; the first time takes some minutes."
# Into another folder first: an interrupted build leaves no half a program behind.
rm -rf "$out/new" "$out/built-from"
mkdir -p "$out/new"
(cd "$engines/$name" && go build -mod=readonly -trimpath $flags $overlay -o "$out/new" tool)
rm -rf "$out/bin"
mv "$out/new" "$out/bin"
(cd "$out/bin" && sha256sum -- * >../SHA256SUMS)
echo "$wanted" >"$out/built-from"
echo "$name is built: $(cd "$out/bin" && echo *)."
