#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# alone.sh INCLUDE_FOLDER LANGUAGE STANDARD COMPILER...
# Each public header compiles alone, twice in one file, without a warning.
include=$1 language=$2 standard=$3
shift 3
n=0 failed=0
echo "1..$(ls "$include"/openassistant/*.h | wc -l)"
for header in "$include"/openassistant/*.h; do
    name=openassistant/$(basename "$header") n=$((n + 1))
    if out=$(printf '#include <%s>\n#include <%s>\ntypedef int used;\n' "$name" "$name" |
        "$@" -x "$language" -std="$standard" -Wall -Wextra -Wpedantic -Wundef -Wshadow -Werror \
            -fsyntax-only -I"$include" - 2>&1); then
        echo "ok $n - $name as $standard"
    else
        echo "not ok $n - $name as $standard"
        echo "$out" | sed 's/^/# /'
        failed=1
    fi
done
exit $failed
