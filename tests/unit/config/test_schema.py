"""The JSON Schema against the files that the loader's tests use: editors must accept what loads and
see the mistakes that a schema can see."""
import json
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """YAML 1.2's core: on, off and yes are texts, as editors have it."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", __import__("re").compile("^(true|false)$"), list("tf"))

schema_file, directory = sys.argv[1:]
with open(schema_file) as f:
    schema = json.load(f)
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)


def errors(text):
    return [list(e.absolute_path) for e in validator.iter_errors(yaml.load(text, Loader))]


def read(name):
    with open(f"{directory}/{name}") as f:
        return f.read()


def around(rest):
    return "listeners: [127.0.0.1:0]\nroutes:\n- uri: http://127.0.0.1:1\n" + rest


ACCEPTED = [
    read("example.yaml"),
    read("full.yaml"),
    around("  predicates:\n  - name: Path\n    args: {patterns.0: /a, matchTrailingSlash: false}\n"),
    around("  predicates: [Path=/a]\n  filters: [PreserveHostHeader, {name: StripPrefix}]\n"),
    "spring: {cloud: {gateway: {routes: []}}}\nmanagement: {}\n",
    "$schema: x\nx-any: 1\n" + around("  predicates: [Path=/a]\n"),
]
REFUSED = [
    around(""),
    around("  predicates: []\n"),
    around("  predicates: [path=/a]\n"),
    around("  predicates: [Path]\n"),
    around("  predicates: [{name: Path, args: {pattern: /a}}]\n"),
    around("  predicates: [Path=/a]\n  filters: [Frobnicate]\n"),
    around("  predicates: [Path=/a]\n  oder: 1\n"),
    around("  predicates: [Path=/a]\nworkers: 2000\n"),
    around("  predicates: [Path=/a]\nlimits: {header_size: 16KiBi}\n"),
    around("  predicates: [Path=/a]\nclient: {header_timeout: never}\n"),
    around("  predicates: [Path=/a]\nclient: {idle_timeout: 5}\n"),
]

for text in ACCEPTED:
    assert errors(text) == [], (errors(text), text)
for text in REFUSED:
    assert errors(text) != [], text
found = errors(read("ten_mistakes.yaml"))
for path in (["workers"], ["upstreams", 0], ["upstreams", 0, "balance"], ["routes", 0, "predicates", 0]):
    assert path in found, (path, found)
