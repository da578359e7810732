# shellcheck shell=bash
# The variables of a running system: what the environment says wins, then the
# file `.env`, then what is set here. Sourced, never run.

# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Where everything lies that `make up` makes.
local=$repository/.local
# shellcheck disable=SC2034 # lib.sh uses it
base=$local
secrets=$local/secrets.env

# Sets a variable that isn't set, nor given as NAME_FILE: default_to NAME VALUE
default_to() {
	local file=${1}_FILE
	[[ -n ${!1+set} || -n ${!file+set} ]] || export "$1=$2"
}

# Reads NAME=VALUE lines, as `docker compose` does from `.env`.
load_file() {
	local line name value
	while IFS= read -r line || [[ -n $line ]]; do
		[[ $line =~ ^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]] || continue
		name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]}
		case $value in
		\"*\" | \'*\') value=${value:1:-1} ;;
		# An unquoted value ends where a comment begins.
		*) value=${value%%[[:space:]]#*} ;;
		esac
		default_to "$name" "$value"
	done <"$1"
}

random_hex() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# Passwords are made once, at the first `make up`, and kept.
load_environment() {
	mkdir -p "$local"
	chmod 711 "$local" # the database server's user passes through it
	[[ ! -f $repository/.env ]] || load_file "$repository/.env"
	(
		umask 077
		touch "$secrets"
		for name in POSTGRES_PASSWORD REDIS_PASSWORD NATS_PASSWORD GRAFANA_PASSWORD \
			MIGRATOR_ACCOUNTS__APP_PASSWORD MIGRATOR_ORDERS__APP_PASSWORD; do
			grep -q "^$name=" "$secrets" || echo "$name=$(random_hex)" >>"$secrets"
		done
		for name in BFF_SECRETS__MASTER_KEY ORDERS_SECRETS__PAGE_TOKEN_KEY; do
			grep -q "^$name=" "$secrets" || echo "$name=$(head -c 32 /dev/urandom | base64)" >>"$secrets"
		done
	)
	load_file "$secrets"
}

# host:port that a program listens on, as others on this machine reach it.
reachable() {
	local address=$1
	address=${address/#0.0.0.0:/127.0.0.1:}
	printf '%s\n' "${address/#\[::\]:/[::1]:}"
}

# Ports and addresses on loopback: default_addresses NAME=PORT… Those that were
# given are taken as they are; of the others each gets its usual port, or a free
# one where that is taken.
default_addresses() {
	local entry name port used=' '
	for entry in "$@"; do
		name=${entry%%=*}
		[[ -n ${!name-} ]] || continue
		port=${!name##*:}
		! port_is_taken "$port" || die "$name: port $port is taken"
		used+="$port "
	done
	for entry in "$@"; do
		name=${entry%%=*} port=${entry#*=}
		[[ -z ${!name-} ]] || continue
		while port_is_taken "$port" || [[ $used == *" $port "* ]]; do port=$(free_port); done
		used+="$port "
		[[ $name == *_PORT ]] || port=127.0.0.1:$port
		export "$name=$port"
	done
}

# file:// and a path, spaces and the like escaped.
file_url() {
	local path=$1 LC_ALL=C i character
	printf 'file://'
	for ((i = 0; i < ${#path}; i++)); do
		character=${path:i:1}
		case $character in
		[A-Za-z0-9/._~-]) printf '%s' "$character" ;;
		*) printf '%%%02X' "'$character" ;;
		esac
	done
}

# What the programs need to find each other and the private servers.
default_programs() {
	default_addresses POSTGRES_PORT=15432 REDIS_PORT=16379 NATS_PORT=14222 \
		BFF_HTTP__LISTEN=8080 BFF_OPS__LISTEN=9090 BFF_WORKER__LISTEN=9092 \
		ORDERS_GRPC__LISTEN=50051 ORDERS_OPS__LISTEN=9091

	local postgres=127.0.0.1:$POSTGRES_PORT store
	for store in accounts orders; do
		default_to "MIGRATOR_${store^^}__URL" "postgres://postgres:${POSTGRES_PASSWORD-}@$postgres/$store"
		default_to "SEEDER_${store^^}__URL" "postgres://postgres:${POSTGRES_PASSWORD-}@$postgres/$store"
	done
	default_to BFF_POSTGRES__URL "postgres://accounts_app:${MIGRATOR_ACCOUNTS__APP_PASSWORD-}@$postgres/accounts"
	default_to ORDERS_POSTGRES__URL "postgres://orders_app:${MIGRATOR_ORDERS__APP_PASSWORD-}@$postgres/orders"
	default_to BFF_REDIS__URL "redis://:${REDIS_PASSWORD-}@127.0.0.1:$REDIS_PORT"
	default_to BFF_NATS__URL "nats://portico:${NATS_PASSWORD-}@127.0.0.1:$NATS_PORT"
	default_to ORDERS_NATS__URL "$BFF_NATS__URL"
	default_to BFF_ORDERS__URL "http://$(reachable "$ORDERS_GRPC__LISTEN")"

	default_to BFF_ENVIRONMENT development
	default_to BFF_TOKENS__KEYS_FILE "$local/keys/signing.json"
	default_to ORDERS_TOKENS__PUBLIC_KEYS_FILE "$local/keys/public.json"
	default_to BFF_MAIL__URL "$(file_url "$local/mail")"
	default_to BFF_MAIL__FROM "Portico <no-reply@portico.example>"
	default_to BFF_SMS__URL "$(file_url "$local/sms")"
	local program
	for program in BFF ORDERS; do
		default_to "${program}_TELEMETRY__LOG_FORMAT" text
	done
	export NO_COLOR=1 # the logs are files
}
