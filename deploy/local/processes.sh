# shellcheck shell=bash
# The running system: what it consists of, whether it's up, how it ends.
# Sourced, never run.

# shellcheck source=SCRIPTDIR/environment.sh
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

# In the order of their start. Each has a directory under `.local/`, with its
# process in `pid`, and a log.
parts=(postgres redis nats orders bff worker)

# Whether docker compose or this machine runs the system: `docker`, `native` or nothing.
mode() { cat "$local/mode" 2>/dev/null || true; }

docker_answers() {
	type -P docker >/dev/null &&
		docker compose version >/dev/null 2>&1 &&
		timeout 10 docker info >/dev/null 2>&1
}

# Whether all that goes on running in docker-compose.yml does.
docker_runs() {
	local wanted running
	wanted=$(docker compose config --services | grep -vxE 'keys|migrator|seeder' | sort) &&
		running=$(docker compose ps --services --status running | sort) &&
		[[ -z $(comm -23 <(echo "$wanted") <(echo "$running")) ]]
}

# Two `make up` at once would start everything twice.
lock() {
	exec 9>"$local/lock"
	flock --nonblock 9 || die "another make up, down or reset is at work"
}

all_run() {
	local part
	for part in "${parts[@]}"; do is_running "$local/$part" || return 1; done
}

any_runs() {
	local part
	for part in "${parts[@]}"; do ! is_running "$local/$part" || return 0; done
	return 1
}

# Whether a program may take traffic, by what its operations listener says.
is_ready() { curl -fsS -m 5 -o /dev/null "http://$(reachable "$1")/readyz" 2>/dev/null; }

# Ends what runs, in the reverse order of its start.
stop_all() {
	local i part
	for ((i = ${#parts[@]} - 1; i >= 0; i--)); do
		part=${parts[i]}
		is_running "$local/$part" || continue
		say "    stopping $part"
		case $part in
		# To PostgreSQL, TERM means to wait until every client has gone.
		postgres) stop_process "$local/$part" INT 30 ;;
		*) stop_process "$local/$part" TERM 40 ;;
		esac
	done
}

# Where everything is: show_addresses PUBLIC_LISTENER OPERATIONS_LISTENER MAIL SMS
show_addresses() {
	local api ops
	api=http://$(reachable "$1") ops=http://$(reachable "$2")
	cat <<-TEXT

		  API        $api   (try $api/docs)
		  readiness  $ops/readyz   metrics $ops/metrics
		  mail       $3
		  SMS        $4
		  demo user  demo@portico.example   password correct-horse-battery-staple-demo

		  make status   make logs   make down   make reset
	TEXT
}

# The addresses of the last native start, which may not be those of the
# environment by now.
show_native_addresses() (
	# shellcheck source=/dev/null
	. "$local/environment"
	show_addresses "$BFF_HTTP__LISTEN" "$BFF_OPS__LISTEN" "$BFF_MAIL__URL" "$BFF_SMS__URL"
)
