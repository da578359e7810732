""".env.example explains every variable there is, with its real default, and no
other."""

import re
import unittest

import tomli

import tree

# Read by docker-compose.yml and deploy/local alone.
OTHERS = re.compile(r"(POSTGRES|REDIS|NATS|GRAFANA|PROMETHEUS|MAILPIT|PORTICO)_")


def wrong_names(example: dict[str, str]) -> list[str]:
    """Variables that are missing or that no program knows."""
    known = set().union(*(tree.variables(program) for program in tree.PREFIXES))
    known |= {f"{prefix}CONFIG" for prefix in tree.PREFIXES.values()}
    missing = [f"{name} isn't in .env.example" for name in sorted(known - set(example))]
    unknown = [
        f"{name} is in .env.example, but no program knows it"
        for name in sorted(set(example) - known)
        if not OTHERS.match(name)
    ]
    scripts = "".join(path.read_text() for path in tree.tracked("docker-compose.yml", "deploy/local"))
    unread = [
        f"{name} is in .env.example, but nothing reads it"
        for name in sorted(example)
        # The scripts put some names together: NAME=…_PORT.
        if OTHERS.match(name) and not re.search(rf"\b{name}\b", scripts)
    ]
    return missing + unknown + unread


def wrong_values(example: dict[str, str], program: str) -> list[str]:
    """Values of .env.example that aren't the program's default."""
    code, said = tree.run(program, "check-config")
    assert code == 0, f"{program}: {said}"

    def walk(path: str, value: object):
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from walk(f"{path}__{name.upper()}" if path else name.upper(), inner)
        else:
            yield path, str(value).lower() if isinstance(value, bool) else str(value)

    return [
        f"{tree.PREFIXES[program]}{path} is {value!r} by default, not {example[name]!r}"
        for path, value in walk("", tomli.loads(said))
        if (name := f"{tree.PREFIXES[program]}{path}") in example and example[name] != value
    ]


def unexplained(content: str) -> list[str]:
    """Variables without a sentence above them, or above the block they stand in."""
    wrong, explained = [], False
    for line in content.splitlines():
        if match := re.match(r"#?([A-Z][A-Z0-9_]*)=", line):
            if not explained:
                wrong.append(f"{match[1]} isn't explained")
        else:
            explained = line.startswith("# ")
    return wrong


class Variables(unittest.TestCase):
    maxDiff = None
    def setUp(self):
        self.example = tree.example()

    def test_each_is_there_and_no_other(self):
        self.assertEqual(wrong_names(self.example), [])
        less = {name: value for name, value in self.example.items() if name != "BFF_HTTP__LISTEN"}
        self.assertIn("BFF_HTTP__LISTEN isn't in .env.example", wrong_names(less))
        more = self.example | {"BFF_NO__SUCH": "", "POSTGRES_FLAVOUR": ""}
        found = "\n".join(wrong_names(more))
        self.assertIn("BFF_NO__SUCH is in .env.example, but no program knows it", found)
        self.assertIn("POSTGRES_FLAVOUR is in .env.example, but nothing reads it", found)

    def test_each_stands_with_its_default(self):
        for program in ("bff", "orders-service"):
            self.assertEqual(wrong_values(self.example, program), [])
        changed = self.example | {"BFF_HTTP__MAX_IN_FLIGHT": "7"}
        self.assertIn("not '7'", "\n".join(wrong_values(changed, "bff")))

    def test_each_is_explained(self):
        self.assertEqual(unexplained(tree.text(".env.example")), [])
        self.assertEqual(unexplained("# Why.\n#A=1\n#B=2\n\n#C=\n"), ["C isn't explained"])


if __name__ == "__main__":
    unittest.main()
