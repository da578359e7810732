"""Alerts and dashboards use only metrics, labels and data sources that exist."""

import json
import re
import unittest

import promql_parser

import tree

# Added by Prometheus to whatever it scrapes, and its own.
ITS_OWN_LABELS = {"job", "instance", "le"}
ITS_OWN_METRICS = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity"}}
MACRO = re.compile(r'\b(counter|gauge|histogram)!\(\s*"([a-z0-9_]+)"')


def arguments(source: str, start: int) -> str:
    """What stands between the parenthesis before `start` and its partner."""
    depth = 1
    for end in range(start, len(source)):
        depth += {"(": 1, ")": -1}.get(source[end], 0)
        if depth == 0:
            return source[start:end]
    raise ValueError("an unclosed parenthesis")


def labels_of(call: str, source: str) -> set[str]:
    """The labels of a macro call: written in it, or in a list that it names."""
    labels = set(re.findall(r'"([a-z_]+)"\s*=>', call))
    for name in re.findall(r"&([a-z_]+)", call):
        given = re.search(rf"let {name} = \[(.*?)\];", source, re.DOTALL)
        if given:
            labels |= set(re.findall(r'\("([a-z_]+)"', given[1]))
    return labels


def metrics_in(sources: list[str]) -> dict[str, set[str]]:
    """The series that these sources make, with their labels."""
    series: dict[str, set[str]] = {}
    for source in sources:
        for match in MACRO.finditer(source):
            kind, name = match.groups()
            labels = labels_of(arguments(source, match.start(2) - 1), source)
            names = [name]
            if kind == "histogram":
                # platform::telemetry sets buckets for durations; anything else
                # comes out as a summary.
                ends = ["_sum", "_count"] + (["_bucket"] if name.endswith("_seconds") else [])
                names = [name + end for end in ends]
            for each in names:
                series.setdefault(each, set()).update(labels)
    return series


def code() -> dict[str, set[str]]:
    files = tree.tracked("bff/src/*.rs", "orders-service/src/*.rs", "platform/src/*.rs")
    return metrics_in([file.read_text(encoding="utf-8") for file in files]) | ITS_OWN_METRICS


def wrong_expression(expression: str, series: dict[str, set[str]]) -> list[str]:
    """What an expression names that nothing makes."""
    # Grafana's variables stand for durations and label values.
    plain = re.sub(r"\$__\w+", "5m", expression)
    plain = re.sub(r"\$\w+", ".+", plain)
    try:
        parsed = promql_parser.parse(plain)
    except ValueError as error:
        return [f"{expression}: {error}"]
    wrong = []

    def visit(node) -> set[str]:
        """Returns the labels that the node's result may have."""
        match type(node).__name__:
            case "VectorSelector":
                if node.name not in series:
                    wrong.append(f"{expression}: no code makes the metric {node.name}")
                    return set()
                labels = series[node.name] | ITS_OWN_LABELS
                for matcher in node.matchers.matchers if node.matchers else []:
                    if matcher.name not in labels:
                        wrong.append(f"{expression}: {node.name} has no label {matcher.name}")
                return labels
            case "MatrixSelector":
                return visit(node.vector_selector)
            case "AggregateExpr":
                labels = visit(node.expr)
                kept = set(node.modifier.labels) if node.modifier else set()
                wrong.extend(f"{expression}: no label {label}" for label in sorted(kept - labels))
                return labels
            case "Call":
                return set().union(*(visit(argument) for argument in node.args))
            case "BinaryExpr":
                return visit(node.lhs) | visit(node.rhs)
            case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
                return visit(node.expr)
            case _:
                return set()

    visit(parsed)
    return wrong


def wrong_rules(rules: dict, series: dict[str, set[str]]) -> list[str]:
    wrong = []
    for group in rules["groups"]:
        for rule in group["rules"]:
            wrong += wrong_expression(rule["expr"], series)
            for part in ("summary", "description"):
                if part not in rule.get("annotations", {}):
                    wrong.append(f"{rule['alert']}: has no {part}")
            if rule.get("labels", {}).get("severity") not in ("page", "ticket"):
                wrong.append(f"{rule['alert']}: severity is neither page nor ticket")
            if rule["alert"] not in tree.text("docs/operations.md"):
                wrong.append(f"{rule['alert']}: docs/operations.md doesn't say what to do")
    return wrong


def wrong_dashboard(board: dict, series: dict[str, set[str]], sources: set[str]) -> list[str]:
    wrong = []
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    for panel in panels:
        targets = panel.get("targets", [])
        if not targets:
            wrong.append(f"{panel['title']}: shows nothing")
        for target in targets:
            found = wrong_expression(target["expr"], series)
            wrong += [f"{panel['title']}: {reason}" for reason in found]
            if target["datasource"]["uid"] not in sources:
                wrong.append(f"{panel['title']}: no such data source")
    numbers = [panel["id"] for panel in board["panels"]]
    if len(numbers) != len(set(numbers)):
        wrong.append("two panels have one id")
    return wrong


class Metrics(unittest.TestCase):
    maxDiff = None
    def setUp(self):
        self.series = code()

    def test_the_code_is_read_as_it_is_written(self):
        source = """
            let labels = [("route", route.to_owned()), ("method", method)];
            metrics::counter!("requests_total", &labels).increment(1);
            metrics::histogram!(
                "took_seconds",
                "part" => part(name),
            ).record(1.0);
            metrics::histogram!("size_bytes").record(1.0);
        """
        self.assertEqual(
            metrics_in([source]),
            {
                "requests_total": {"route", "method"},
                "took_seconds_sum": {"part"},
                "took_seconds_count": {"part"},
                "took_seconds_bucket": {"part"},
                "size_bytes_sum": set(),
                "size_bytes_count": set(),
            },
        )
        self.assertIn("route", self.series["http_requests_total"])

    def test_an_expression_that_names_nothing_is_found(self):
        for expected, expression in [
            ("no code makes the metric http_request_total", "rate(http_request_total[5m])"),
            ("has no label path", 'http_requests_total{path="/"}'),
            ("no label path", "sum by (path) (rate(http_requests_total[$__rate_interval]))"),
            ("unclosed", "sum(rate(http_requests_total[5m])"),
            ("outbox_unpublished_bucket", "sum(outbox_unpublished_bucket)"),
        ]:
            with self.subTest(expression):
                self.assertIn(expected, "\n".join(wrong_expression(expression, self.series)))

    def test_alerts_watch_what_is_there(self):
        rules = tree.yaml.safe_load(tree.text("deploy/prometheus/rules.yml"))
        self.assertEqual(wrong_rules(rules, self.series), [])
        broken = {"alert": "NoSuchAlert", "expr": "nothing_total > 0"}
        found = "\n".join(wrong_rules({"groups": [{"rules": [broken]}]}, self.series))
        for expected in ["no code makes", "has no summary", "severity", "docs/operations.md"]:
            self.assertIn(expected, found)

    def test_dashboards_show_what_is_there(self):
        provisioned = tree.yaml.safe_load(
            tree.text("deploy/grafana/provisioning/datasources/prometheus.yml")
        )
        sources = {source["uid"] for source in provisioned["datasources"]}
        boards = sorted((tree.TOP / "deploy/grafana/dashboards").glob("*.json"))
        self.assertTrue(boards)
        for path in boards:
            board = json.loads(path.read_text(encoding="utf-8"))
            self.assertEqual(wrong_dashboard(board, self.series, sources), [], path.name)
            panel = next(panel for panel in board["panels"] if panel["type"] != "row")
            panel["targets"][0] |= {"expr": "nothing_total", "datasource": {"uid": "elsewhere"}}
            found = "\n".join(wrong_dashboard(board, self.series, sources))
            self.assertIn("no code makes the metric nothing_total", found)
            self.assertIn("no such data source", found)


if __name__ == "__main__":
    unittest.main()
