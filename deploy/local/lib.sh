# shellcheck shell=bash
# What the scripts of this folder share. Sourced, never run.

set -euo pipefail

# The top of the repository.
# shellcheck disable=SC2034 # used by the scripts
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() {
	warn "error: $*"
	exit 1
}

# The path of a program: from PATH, or from where Debian and Ubuntu keep
# servers; of several PostgreSQL versions the newest.
find_program() {
	local name=$1 found
	type -P "$name" && return
	found=$(printf '%s\n' /usr/lib/postgresql/*/bin/"$name" {/usr/local/sbin,/usr/sbin,/sbin}/"$name" |
		while read -r path; do [[ -x $path ]] && printf '%s\n' "$path"; done | sort -V | tail -n 1)
	[[ -n $found ]] && printf '%s\n' "$found"
}

# Whether anything on this machine listens on a TCP port, whatever its address.
port_is_taken() {
	local tables=(/proc/net/tcp)
	[[ -r /proc/net/tcp6 ]] && tables+=(/proc/net/tcp6)
	grep -qiE "^ *[0-9]+: [0-9A-F]+:$(printf '%04X' "$1") [0-9A-F]+:0000 0A " "${tables[@]}"
}

# A port that nothing listens on, below those that the kernel hands out to
# outgoing connections: one of these could take it before the server does.
free_port() {
	local port tries
	for tries in {1..200}; do
		port=$((20000 + RANDOM % 12000))
		port_is_taken "$port" || {
			printf '%s\n' "$port"
			return
		}
	done
	die "found no free port in $tries tries"
}

# When a process began, in clock ticks since the machine did: with its id, this
# names one process for good, while an id alone is used again.
started_at() {
	local stat
	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
	# The second field is a name in parentheses, which may hold anything.
	read -ra stat <<<"${stat##*)}"
	[[ ${stat[0]} != Z ]] && printf '%s\n' "${stat[19]}"
}

# Notes process $2 in the file $1, for `is_running` and `stop_process`.
record_process() {
	printf '%s %s\n' "$2" "$(started_at "$2")" >"$1"
}

# The id of the process that the file $1 names, if that very process runs.
running_process() {
	local pid ticks
	{ read -r pid ticks <"$1"; } 2>/dev/null || return 1
	[[ $(started_at "$pid") == "$ticks" ]] && printf '%s\n' "$pid"
}

is_running() { running_process "$1" >/dev/null; }
is_stopped() { ! is_running "$1"; }

# Waits until a command succeeds: wait_until SECONDS COMMAND…
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# Ends the process that the file $1 names, by signal $2 and, when it still runs
# after $3 seconds, by force. No process, or another one: nothing to do.
stop_process() {
	local file=$1 signal=$2 seconds=$3 pid
	if pid=$(running_process "$file"); then
		# A stopped process sees no signal but KILL until it continues.
		kill -s "$signal" "$pid" 2>/dev/null && kill -s CONT "$pid" 2>/dev/null
		if ! wait_until "$seconds" is_stopped "$file"; then
			warn "$(basename "$file" .pid): still there after ${seconds} s: killed"
			kill -s KILL "$pid" 2>/dev/null || true
			wait_until 5 is_stopped "$file" || return 1
		fi
	fi
	rm -f "$file"
}
