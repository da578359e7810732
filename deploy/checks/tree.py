"""What the checks read: the files that deploy the system, and what the built
programs say about themselves."""

import functools
import json
import os
import pathlib
import re
import subprocess

import yaml

TOP = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("BINARIES", TOP / "target/debug"))

# The prefix of each program's variables.
PREFIXES = {"bff": "BFF_", "orders-service": "ORDERS_", "migrator": "MIGRATOR_", "seeder": "SEEDER_"}


def text(path: str) -> str:
    return (TOP / path).read_text(encoding="utf-8")


def compose() -> dict:
    return yaml.safe_load(text("docker-compose.yml"))


def tracked(*patterns: str) -> list[pathlib.Path]:
    """Files under version control, and those that are about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=TOP, check=True, capture_output=True, text=True).stdout
    return [TOP / name for name in listed.splitlines() if (TOP / name).is_file()]


@functools.cache
def run(program: str, *arguments: str) -> tuple[int, str]:
    """What a built program answers, with no variable of its own set."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(tuple(PREFIXES.values()))
    }
    result = subprocess.run(
        [BINARIES / program, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return result.returncode, result.stdout + result.stderr


@functools.cache
def binaries() -> frozenset[str]:
    """The names of the workspace's programs."""
    command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"]
    metadata = json.loads(
        subprocess.run(command, cwd=TOP, check=True, capture_output=True, text=True).stdout
    )
    targets = [target for package in metadata["packages"] for target in package["targets"]]
    return frozenset(target["name"] for target in targets if "bin" in target["kind"])


@functools.cache
def variables(program: str) -> frozenset[str]:
    """The variables that a program knows."""
    if program in ("bff", "orders-service"):
        code, said = run(program, "check-config", "--variables")
    else:
        # Small programs explain all of theirs in the help; a test of theirs compares.
        code, said = run(program, "--help")
    assert code == 0, f"{program}: {said}"
    names = frozenset(re.findall(rf"\b{PREFIXES[program]}[A-Z0-9_]+\b", said))
    # The file of settings is no setting.
    names -= {f"{PREFIXES[program]}CONFIG"}
    assert names, f"{program} names no variable: {said}"
    return names


def routes() -> frozenset[str]:
    """The paths of the operations listener."""
    return frozenset(re.findall(r'\.route\("(/[^"]*)"', text("platform/src/ops.rs")))


@functools.cache
def example() -> dict[str, str]:
    """The variables of .env.example with the value that each stands with."""
    lines = re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", text(".env.example"), re.MULTILINE)
    return dict(lines)
