#!/bin/sh
# Fetches again what this folder holds of Microsoft's adaptivecards package, and
# checks that it is what README.md says. Needs npm.
set -eu
version=3.0.6
sum=5e7c13f3300ae7b89b34703501e08d709fbb6635f1c6755b92495577a77344f2

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "adaptivecards@$version" >/dev/null
tar -xzf "adaptivecards-$version.tgz"
echo "$sum  package/dist/adaptivecards.min.js" | sha256sum -c -
for file in dist/adaptivecards.min.js dist/adaptivecards.min.js.LICENSE.txt LICENSE; do
	install -m 0644 "package/$file" "$here/"
done
