"""docker-compose.yml names nothing that the code doesn't have, and keeps the
rules of how the system is run."""

import copy
import unittest

import tree
from compose_rules import (
    wrong_programs,
    wrong_variables,
    wrong_addresses,
    wrong_order,
    wrong_hardening,
)


class Compose(unittest.TestCase):
    """Each rule holds for the file, and is broken by the file that breaks it."""

    maxDiff = None

    def setUp(self):
        self.compose = tree.compose()

    def changed(self, change) -> dict:
        compose = copy.deepcopy(self.compose)
        change(compose["services"])
        return compose

    def assert_kept(self, rule, breakers: dict):
        self.assertEqual(rule(self.compose), [])
        for expected, change in breakers.items():
            with self.subTest(expected):
                self.assertIn(expected, "\n".join(rule(self.changed(change))))

    def test_programs_and_their_options_exist(self):
        self.assert_kept(
            wrong_programs,
            {
                "bff: BIN is front": lambda s: s["bff"]["build"]["args"].update(BIN="front"),
                "bff has no subcommand run": lambda s: s["bff"].update(command=["run"]),
                "has no option --fill": lambda s: s["keys"].update(
                    command=["keys", "generate", "--fill", "/keys"]
                ),
                "nothing but /program": lambda s: s["bff"]["healthcheck"].update(
                    test=["CMD", "curl", "http://127.0.0.1:9090/readyz"]
                ),
                "has no subcommand reddy": lambda s: s["orders"]["healthcheck"].update(
                    test=["CMD", "/program", "reddy"]
                ),
            },
        )

    def test_variables_exist_and_are_explained(self):
        self.assert_kept(
            wrong_variables,
            {
                "knows no variable BFF_HTTP__LISTENS": lambda s: s["bff"]["environment"].update(
                    BFF_HTTP__LISTENS="x"
                ),
                "knows no variable BFF_OPS__LISTEN": lambda s: s["orders"]["environment"].update(
                    BFF_OPS__LISTEN="x"
                ),
                "PORTICO_NEW isn't explained": lambda s: s["redis"].update(
                    command="redis-server ${PORTICO_NEW:-}"
                ),
                "no service passes it to migrator": lambda s: s["migrator"].update(
                    environment={}
                ),
            },
        )

    def test_addresses_lead_somewhere(self):
        self.assert_kept(
            wrong_addresses,
            {
                "which is no service": lambda s: s["bff"]["environment"].update(
                    BFF_REDIS__URL="redis://cache:6379"
                ),
                "orders doesn't listen on 50052": lambda s: s["bff"]["environment"].update(
                    BFF_ORDERS__URL="http://orders:50052"
                ),
                "publishes 8081": lambda s: s["bff"].update(ports=["127.0.0.1:80:8081"]),
                "redis: port 6379 is published": lambda s: s["redis"].update(ports=["6379:6379"]),
                "orders:9091: nothing listens": lambda s: s["orders"]["environment"].update(
                    ORDERS_OPS__LISTEN="0.0.0.0:9999"
                ),
            },
        )

    def test_the_start_waits_for_what_it_needs(self):
        condition = lambda s: s["bff"]["depends_on"]["redis"]  # noqa: E731
        self.assert_kept(
            wrong_order,
            {
                "has to be service_healthy": lambda s: condition(s).update(
                    condition="service_started"
                ),
                "waits for nothing": lambda s: s["bff"].update(depends_on=["redis"]),
                "bff: has no health check": lambda s: s["bff"].pop("healthcheck"),
                "no service awaits its end": lambda s: [
                    service.get("depends_on", {}).pop("seeder", None) for service in s.values()
                ],
            },
        )

    def test_containers_may_do_little(self):
        self.assert_kept(
            wrong_hardening,
            {
                "bff: read_only": lambda s: s["bff"].pop("read_only"),
                "redis: runs as root": lambda s: s["redis"].update(user="root"),
                "grafana: the image's tag": lambda s: s["grafana"].update(image="grafana/grafana"),
                "bff: has no limit": lambda s: s["bff"].pop("deploy"),
                "keeps capabilities": lambda s: s["nats"].update(cap_add=["NET_ADMIN"]),
                "may write to": lambda s: s["prometheus"].update(volumes=["./deploy:/x"]),
                "isn't declared": lambda s: s["redis"].update(volumes=["elsewhere:/data"]),
            },
        )


if __name__ == "__main__":
    unittest.main()
