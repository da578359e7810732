# shellcheck shell=bash
# What the scripts of this folder share. Sourced, never run.

set -euo pipefail

# The top of the repository, and where cargo builds.
# shellcheck disable=SC2034 # used by the scripts
{
	repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
	target=${CARGO_TARGET_DIR:-$repository/target}
}

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

# Sets `ticks` to when a process began, in clock ticks since the machine did: with
# its id, this names one process for good, while an id alone is used again.
# Nothing is forked here and below: an interrupt would end that instead.
started_at() {
	local fields
	{ read -r fields <"/proc/$1/stat"; } 2>/dev/null || return 1
	# The second field is a name in parentheses, which may hold anything.
	read -ra fields <<<"${fields##*)}"
	ticks=${fields[19]}
	[[ ${fields[0]} != Z ]]
}

# Notes in DIRECTORY/pid that process $2 is the one of DIRECTORY $1.
record_process() {
	local ticks
	! started_at "$2" || printf '%s %s\n' "$2" "$ticks" >"$1/pid"
}

# Sets `pid` to the id of the process of a directory, if that very one still runs.
running_process() {
	local noted ticks
	{ read -r pid noted <"$1/pid"; } 2>/dev/null && started_at "$pid" && [[ $noted == "$ticks" ]]
}

is_running() {
	local pid
	running_process "$1"
}
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

# Ends the process of a directory, and by force when it takes longer:
# stop_process DIRECTORY SIGNAL SECONDS. Touches no other process, even one that
# has the same id by now.
stop_process() {
	local directory=$1 signal=$2 seconds=$3 pid
	if running_process "$directory"; then
		# A hung process sees no signal but KILL until it continues.
		kill -s "$signal" "$pid" 2>/dev/null || true
		kill -s CONT "$pid" 2>/dev/null || true
		if ! wait_until "$seconds" is_stopped "$directory"; then
			warn "$(basename "$directory") still ran after $seconds s: killed"
			kill -s KILL "$pid" 2>/dev/null || true
			wait_until 5 is_stopped "$directory" || return 1
		fi
	fi
	rm -f "$directory/pid"
}

# Removes a private server's directory, and PostgreSQL's data that may lie
# elsewhere (see `server`).
remove_server() {
	[[ ! -L $1/data ]] || rm -rf "$(readlink -f "$1/data")"
	rm -rf "$1"
}

# The folder of what `start` starts: a script sets it before.
base=
starting='' signalled=''

# From here on a signal ends the script, though never between the start of a
# program and the note of its id: nobody could end that program afterwards.
exit_on_signals() {
	trap 'on_signal 130' INT
	trap 'on_signal 143' TERM HUP
}
on_signal() {
	signalled=$1
	[[ -n $starting ]] || exit "$signalled"
}

# Starts a program in the background, away from this terminal: start NAME COMMAND…
# Its directory is $base/NAME, its log $base/logs/NAME.log.
start() {
	local name=$1 log=$base/logs/$1.log
	shift
	mkdir -p "$base/$name" "$base/logs"
	[[ ! -s $log ]] || mv "$log" "$log.1"
	starting=1
	# Bash lets what it starts in the background ignore INT, with which
	# PostgreSQL is stopped.
	setsid env --default-signal=INT "$@" </dev/null >"$log" 2>&1 9>&- &
	record_process "$base/$name" $!
	disown $! # no report of its end
	starting=
	[[ -z $signalled ]] || exit "$signalled"
}

# Waits until a check of a started program succeeds: await NAME COMMAND…
await() {
	local name=$1 log=$base/logs/$1.log end=$((SECONDS + 60))
	shift
	until "$@"; do
		if is_stopped "$base/$name" || ((SECONDS >= end)); then
			tail -n 20 "$log" >&2
			die "$name isn't ready: these are the last lines of $log"
		fi
		sleep 0.1
	done
}

postgres_answers() { "$(find_program pg_isready)" -q -h 127.0.0.1 -p "$1"; }
redis_answers() { [[ $(first_line "$1" 'PING\r\n') == [+-]* ]]; }
nats_answers() { [[ $(first_line "$1" '') == INFO* ]]; }

# The first line that a server on this machine says, asked something.
first_line() (
	exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
	# shellcheck disable=SC2059 # the format is a literal
	printf "$2" >&3
	read -r -t 2 line <&3
	printf '%s\n' "$line"
) 2>/dev/null
