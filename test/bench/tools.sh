# The load tools and the binary for a bench script, which sets $here, its own folder, and sources this. BENCH_TOOLS is the folder
# of the tools, POSTHOUSE the binary.
top=$(cd "$here/../.." && pwd)
BENCH_TOOLS=${BENCH_TOOLS:-$top/../shared/bench}
POSTHOUSE=${POSTHOUSE:-$top/bin/posthouse}
if [ ! -f "$BENCH_TOOLS/lib.sh" ]; then
	echo "bench: no load tools in $BENCH_TOOLS: set BENCH_TOOLS" >&2
	exit 1
fi
. "$BENCH_TOOLS/lib.sh"
