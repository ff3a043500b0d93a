#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target of the module for TIME (default 10s), one after the other, and fails if one does.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s} go=${GO:-go} failed=()

while IFS=: read -r file line; do
	target=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/' <<<"$line")
	echo "== ./$(dirname "$file") $target"
	"$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$(dirname "$file")" || failed+=("$file $target")
done < <(grep -rHE --include='*_test.go' '^func Fuzz' . | sed 's|^\./||' | sort)

if [ ${#failed[@]} -gt 0 ]; then
	printf 'failed: %s\n' "${failed[@]}"
	exit 1
fi
