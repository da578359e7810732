"""The scripts are sound and ask the API only for what it has."""

import re
import subprocess
import unittest

import tree

PATHS = re.compile(r"\$(?:\{?api\}?|\{?ops\}?|\(reachable \"\$1\"\))(/[a-z0-9/.-]+)")


def scripts() -> list:
    files = tree.tracked("deploy/local", "deploy/nginx", ".ci")
    return [f for f in files if f.suffix == ".sh" or f.read_text().startswith("#!/usr/bin/env bash")]


def shellcheck(*arguments: str, content: str | None = None) -> str:
    command = ["shellcheck", "--external-sources", *arguments]
    result = subprocess.run(command, cwd=tree.TOP, input=content, capture_output=True, text=True)
    return result.stdout + result.stderr


def wrong_paths(content: str, served: frozenset[str]) -> list[str]:
    return [path for path in PATHS.findall(content) if path not in served]


class Scripts(unittest.TestCase):
    maxDiff = None

    def test_shellcheck_has_nothing_to_say(self):
        files = [str(file.relative_to(tree.TOP)) for file in scripts()]
        self.assertGreater(len(files), 5)
        self.assertEqual(shellcheck(*files), "")
        self.assertIn("SC2086", shellcheck("-", content="#!/bin/bash\nrm $1\n"))

    def test_the_paths_they_ask_for_exist(self):
        served = tree.api() | tree.routes()
        asked = "".join(file.read_text() for file in scripts())
        self.assertGreaterEqual(len(set(PATHS.findall(asked))), 4)
        self.assertEqual(wrong_paths(asked, served), [])
        self.assertEqual(wrong_paths('"$api/v1/auth/log-in"', served), ["/v1/auth/log-in"])

    def test_ci_runs_the_tests(self):
        workflow = tree.yaml.safe_load(tree.text(".github/workflows/ci.yml"))
        steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
        self.assertIn(".ci/run", [step.get("run") for step in steps])
        self.assertIn("make test", tree.text(".ci/run"))
        targets = re.findall(r"^([a-z ]+):", tree.text("Makefile"), re.MULTILINE)
        for verb in "up down status logs reset test".split():
            self.assertIn(verb, " ".join(targets).split())
            self.assertTrue((tree.TOP / "deploy/local" / verb).is_file(), verb)


if __name__ == "__main__":
    unittest.main()
