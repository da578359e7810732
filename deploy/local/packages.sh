# shellcheck shell=bash
# Installs programs that are missing, on Debian and Ubuntu. Sourced after lib.sh.

# The Debian package that brings a program.
package_of() {
	case $1 in
	postgres) echo postgresql ;;
	cc) echo build-essential ;;
	*) echo "$1" ;;
	esac
}

has_program() {
	case $1 in
	# Debian packs the half of venv that makes one usable on its own.
	python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
	*) find_program "$1" >/dev/null ;;
	esac
}

as_root() {
	if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

may_install() {
	type -P apt-get >/dev/null || return 1
	((EUID == 0)) && return
	# Without a terminal nobody can type a password.
	sudo -n true 2>/dev/null || { [[ -t 0 ]] && sudo -v; }
}

# Makes sure that programs are there: ensure_programs PROGRAM…
ensure_programs() {
	local program packages=()
	for program in "$@"; do
		has_program "$program" || packages+=("$(package_of "$program")")
	done
	((${#packages[@]})) || return 0
	may_install || die "these packages are missing: ${packages[*]}
Install them (apt-get install ${packages[*]}), or run this again as root or with sudo on Debian or Ubuntu."
	say "==> installing ${packages[*]}"
	install_packages "${packages[@]}" || die "apt-get couldn't install ${packages[*]}: see above"
	for program in "$@"; do
		has_program "$program" || die "$program is still missing after $(package_of "$program") was installed"
	done
}

# A freshly installed server would be started on its standard port, where
# another one may run already; `policy-rc.d` forbids that while apt works.
install_packages() (
	policy=/usr/sbin/policy-rc.d
	kept=$policy.before-portico
	# shellcheck disable=SC2329 # the trap calls it
	restore() {
		as_root rm -f "$policy"
		[[ ! -e $kept ]] || as_root mv "$kept" "$policy"
	}
	[[ ! -e $policy || -e $kept ]] || as_root mv "$policy" "$kept"
	trap restore EXIT
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
	as_root chmod 755 "$policy"
	apt=(as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
	# An old list is better than none: the installation says what is missing.
	"${apt[@]}" update || warn "apt-get update failed: going on with the lists that are there"
	"${apt[@]}" install --yes --no-install-recommends "$@" || exit 1
	# Nor at the next start of the machine.
	if [[ -d /run/systemd/system ]]; then
		for package in "$@"; do
			case $package in
			postgresql | redis-server | nats-server | nginx)
				as_root systemctl disable --quiet "$package" || true
				;;
			esac
		done
	fi
)
