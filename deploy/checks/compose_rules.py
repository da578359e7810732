"""What docker-compose.yml must keep to. Each rule returns what breaks it."""

import itertools
import re
import shlex

import tree

# Where other people's images listen.
PORTS = {
    "postgres": {"5432"},
    "redis": {"6379"},
    "nats": {"4222"},
    "mailpit": {"1025", "8025"},
    "prometheus": {"9090"},
    "grafana": {"3000"},
}
INTERPOLATED = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:(:?[-?])((?:[^{}]|\$\{[^{}]*\})*))?\}")


def interpolate(value: object) -> str:
    """The value with nothing set in the environment: defaults take effect."""
    written = "" if value is None else str(value)
    while match := INTERPOLATED.search(written):
        default = match[3] or "" if (match[2] or "").endswith("-") else ""
        written = written[: match.start()] + default + written[match.end() :]
    return written


def program_of(service: dict) -> str | None:
    build = service.get("build")
    return build.get("args", {}).get("BIN") if isinstance(build, dict) else None


def environment_of(service: dict) -> dict:
    environment = service.get("environment") or {}
    if isinstance(environment, list):
        return dict(entry.partition("=")[::2] for entry in environment)
    return environment


def listens(name: str, service: dict) -> set[str]:
    """The ports on which a service listens in its container."""
    if program_of(service) is None:
        return PORTS.get(name, set())
    environment = environment_of(service)
    return {
        interpolate(value).rpartition(":")[2]
        for variable, value in environment.items()
        if variable.endswith("__LISTEN") and value is not None
    }


def one_shots(services: dict) -> set[str]:
    return {name for name, service in services.items() if service.get("restart") == "no"}


def wrong_programs(compose: dict) -> list[str]:
    """Programs, subcommands and options that don't exist."""
    wrong = []
    for name, service in compose["services"].items():
        program = program_of(service)
        if program is None:
            continue
        if program not in tree.binaries():
            wrong.append(f"{name}: BIN is {program}, which is no program of the workspace")
            continue
        lines = [service.get("command")]
        health = service.get("healthcheck", {}).get("test")
        if health is not None:
            if health[:2] != ["CMD", "/program"]:
                wrong.append(f"{name}: the image holds nothing but /program to check its health")
            lines.append(health[2:])
        for line in lines:
            words = shlex.split(line) if isinstance(line, str) else [str(word) for word in line or []]
            subcommands = list(itertools.takewhile(lambda word: not word.startswith("-"), words))
            code, said = tree.run(program, *subcommands, "--help")
            if code != 0:
                wrong.append(f"{name}: {program} has no subcommand {' '.join(subcommands)}")
                continue
            options = [word.partition("=")[0] for word in words if word.startswith("--")]
            wrong += [
                f"{name}: {program} {' '.join(subcommands)} has no option {option}"
                for option in options
                if not re.search(rf"{re.escape(option)}\b", said)
            ]
    return wrong


def wrong_variables(compose: dict) -> list[str]:
    """Variables that a program doesn't know, or that aren't explained."""
    wrong = []
    explained = tree.example()
    passed = {}
    for name, service in compose["services"].items():
        program = program_of(service)
        if program is None:
            continue
        known = tree.variables(program) if program in tree.PREFIXES else frozenset()
        given = set(environment_of(service))
        passed.setdefault(program, set()).update(given)
        wrong += [
            f"{name}: {program} knows no variable {variable}"
            for variable in sorted(given)
            if variable not in known and variable.removesuffix("_FILE") not in known
        ]
    for program, given in passed.items():
        wrong += [
            f"{variable} is in .env.example, but no service passes it to {program}"
            for variable in sorted(set(explained) & tree.variables(program) - given)
        ]
    named = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", tree.yaml.safe_dump(compose, width=9999)))
    wrong += [f"{name} isn't explained in .env.example" for name in sorted(named - set(explained))]
    return wrong


def wrong_addresses(compose: dict) -> list[str]:
    """Addresses of services that don't exist, or ports that nothing listens on."""
    services = compose["services"]
    listening = {name: listens(name, service) for name, service in services.items()}
    wrong = []
    for name, service in services.items():
        for variable, value in environment_of(service).items():
            match = re.match(r"[a-z]+://(?:[^@/]*@)?([a-z0-9.-]+):(\d+)", interpolate(value))
            if match and match[1] not in services:
                wrong.append(f"{name}: {variable} names {match[1]}, which is no service")
            elif match and match[2] not in listening[match[1]]:
                wrong.append(f"{name}: {variable}: {match[1]} doesn't listen on {match[2]}")
        for port in service.get("ports", []):
            host, _, container = interpolate(port).rpartition(":")
            if container not in listening[name]:
                wrong.append(f"{name}: publishes {container}, where nothing listens")
            if not host.startswith("127.0.0.1:") and (name, container) != ("bff", "8080"):
                wrong.append(f"{name}: port {container} is published beyond loopback")
    prometheus = tree.yaml.safe_load(tree.text("deploy/prometheus/prometheus.yml"))
    for job in prometheus["scrape_configs"]:
        path = job.get("metrics_path", "/metrics")
        for target in (t for config in job["static_configs"] for t in config["targets"]):
            host, _, port = target.partition(":")
            if host == "localhost":
                continue
            if port not in listening.get(host, set()):
                wrong.append(f"prometheus.yml: {target}: nothing listens there")
            if path not in tree.routes():
                wrong.append(f"prometheus.yml: {job['job_name']}: there is no {path}")
    return wrong


def wrong_order(compose: dict) -> list[str]:
    """Waits that wouldn't wait, and health that nobody looks at."""
    services = compose["services"]
    wrong = []
    once = one_shots(services)
    awaited = set()
    for name, service in services.items():
        dependencies = service.get("depends_on", {})
        if isinstance(dependencies, list):
            wrong.append(f"{name}: depends_on without conditions waits for nothing")
            continue
        for other, how in dependencies.items():
            wanted = "service_completed_successfully" if other in once else "service_healthy"
            if other not in services:
                wrong.append(f"{name}: depends on {other}, which is no service")
            elif how.get("condition") != wanted:
                wrong.append(f"{name}: depends on {other}: the condition has to be {wanted}")
            elif other in once:
                awaited.add(other)
        if name not in once and "test" not in service.get("healthcheck", {}):
            wrong.append(f"{name}: has no health check")
    # `up --wait` takes the end of any other one for a failure.
    wrong += [f"{name}: runs once, but no service awaits its end" for name in sorted(once - awaited)]
    return wrong


def wrong_hardening(compose: dict) -> list[str]:
    """What the containers may do and use."""
    wrong = []
    for name, service in compose["services"].items():
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        image = interpolate(service.get("image", ""))
        built = service.get("build")
        rules = {
            "read_only isn't set": service.get("read_only") is True,
            "keeps capabilities": service.get("cap_drop") == ["ALL"] and not service.get("cap_add"),
            "may gain privileges": "no-new-privileges:true" in service.get("security_opt", []),
            "has no limit of memory and cpus": {"memory", "cpus"} <= set(limits),
            "runs as root": bool(built) or re.match(r"[1-9]", str(service.get("user", ""))),
            "the image's tag isn't pinned": bool(built) or re.search(r":v?\d+\.\d+", image),
        }
        wrong += [f"{name}: {rule}" for rule, kept in rules.items() if not kept]
        for volume in service.get("volumes", []):
            source, _, rest = volume.partition(":")
            if source.startswith("./"):
                if not (tree.TOP / source).exists():
                    wrong.append(f"{name}: mounts {source}, which doesn't exist")
                if not rest.endswith(":ro"):
                    wrong.append(f"{name}: may write to {source}")
            elif source not in compose.get("volumes", {}):
                wrong.append(f"{name}: the volume {source} isn't declared")
    return wrong
