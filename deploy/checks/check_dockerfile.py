"""The Dockerfile is sound, and builds what is there."""

import io
import re
import subprocess
import tomli
import unittest

import dockerfile_parse

import tree

PATH = "deploy/docker/Dockerfile"


def hadolint(content: str) -> str:
    """What hadolint objects to."""
    result = subprocess.run(["hadolint", "-"], input=content, capture_output=True, text=True)
    return result.stdout + result.stderr


def wrong(content: str, ignore: str) -> list[str]:
    """What the Dockerfile names that the workspace doesn't have."""
    parser = dockerfile_parse.DockerfileParser(fileobj=io.BytesIO(content.encode()))
    manifest = tomli.loads(tree.text("Cargo.toml"))
    sent = {line[1:] for line in ignore.splitlines() if line.startswith("!")}
    found, stages, user, copied = [], [], "", set()
    for step in parser.structure:
        instruction, value = step["instruction"], step["value"]
        if instruction == "FROM":
            words = [word for word in value.split() if not word.startswith("--")]
            stages.append(words[-1])
            user = ""
            if not re.search(r":(v?\d|nonroot)", words[0]):
                found.append(f"{words[0]}: the tag isn't pinned")
        elif instruction == "USER":
            user = value
        elif instruction == "COPY":
            words = value.split()
            origin = next((w.partition("=")[2] for w in words if w.startswith("--from=")), None)
            sources = [word for word in words if not word.startswith("--")][:-1]
            if origin is not None:
                found += [] if origin in stages else [f"COPY --from={origin}: there is no such stage"]
                continue
            copied.update(sources)
            for source in sources:
                if not (tree.TOP / source).exists():
                    found.append(f"COPY {source}: there is no such file")
                if source not in sent:
                    found.append(f"COPY {source}: Dockerfile.dockerignore keeps it away")
        elif instruction == "RUN":
            for profile, name in re.findall(r"target/([a-z]+)/([a-z-]+)", value):
                if profile not in manifest["profile"]:
                    found.append(f"target/{profile}: Cargo.toml has no such profile")
                if name not in tree.binaries():
                    found.append(f"target/{profile}/{name}: no such program")
    found += [f"{member} isn't copied" for member in manifest["workspace"]["members"] if member not in copied]
    if not re.match(r"[1-9]", user):
        found.append("the last stage runs as root")
    return found


def wrong_targets(content: str, compose: dict) -> list[str]:
    """Builds of docker-compose.yml that this file has no stage for."""
    stages = re.findall(r"^FROM .* AS (\S+)$", content, re.MULTILINE)
    found = []
    for name, service in compose["services"].items():
        build = service.get("build")
        if build is None:
            continue
        if build.get("dockerfile") != PATH:
            found.append(f"{name}: is built from another Dockerfile")
        if build.get("target") not in stages:
            found.append(f"{name}: there is no stage {build.get('target')}")
    return found


class Dockerfile(unittest.TestCase):
    maxDiff = None
    def setUp(self):
        self.content = tree.text(PATH)
        self.ignore = tree.text(f"{PATH}.dockerignore")

    def test_hadolint_has_nothing_to_say(self):
        self.assertEqual(hadolint(self.content), "")
        self.assertIn("DL3006", hadolint("FROM debian\n"))

    def test_it_builds_what_is_there(self):
        self.assertEqual(wrong(self.content, self.ignore), [])
        for expected, old, new in [
            ("no such stage", "--from=build", "--from=make"),
            ("COPY front: there is no such file", "COPY bff bff", "COPY front front"),
            ("no such program", "target/dist/seeder", "target/dist/seed"),
            ("no such profile", "target/dist/bff", "target/tiny/bff"),
            ("platform isn't copied", "COPY platform platform\n", ""),
            ("runs as root", "USER 65532:65532", "USER root"),
            ("tag isn't pinned", "nats:2.11.16-alpine", "nats:latest"),
        ]:
            with self.subTest(expected):
                self.assertIn(old, self.content)
                broken = self.content.replace(old, new)
                self.assertIn(expected, "\n".join(wrong(broken, self.ignore)))
        self.assertIn("keeps it away", "\n".join(wrong(self.content, self.ignore.replace("!proto", ""))))

    def test_compose_builds_its_stages(self):
        compose = tree.compose()
        self.assertEqual(wrong_targets(self.content, compose), [])
        compose["services"]["bff"]["build"]["target"] = "final"
        self.assertIn("bff: there is no stage final", wrong_targets(self.content, compose))


if __name__ == "__main__":
    unittest.main()
