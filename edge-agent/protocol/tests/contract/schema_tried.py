"""Tries edge.schema.json on real messages: JSON {"schema", "samples": [[rule, message], ...]} in, one complaint a line out.

Each message must fit, and must fit no longer when any value in it is of another type.
"""

import json
import sys

from jsonschema import Draft202012Validator


def values(message):
    """Every place with a plain value: its container, its key, and its path for people."""
    found = []

    def look(container, key, path):
        value = container[key]
        if isinstance(value, dict):
            for name in value:
                look(value, name, f"{path}/{name}")
        elif isinstance(value, list):
            for number in range(len(value)):
                look(value, number, f"{path}/{number}")
        else:
            found.append((container, key, path))

    for name in message:
        look(message, name, f"/{name}")
    return found


def tried(validator, rule, message):
    """What is wrong with the schema by this message."""
    for error in validator.iter_errors(message):
        yield f"{rule}: {error.json_path}: {error.message}"
    for container, key, path in values(message):
        was = container[key]
        container[key] = [] if isinstance(was, str) else "another type"
        if validator.is_valid(message):
            yield f"{rule}: {path}: {was!r} may be {container[key]!r}"
        container[key] = was


def main():
    given = json.load(sys.stdin)
    for rule, message in given["samples"]:
        schema = {"$ref": f"#/$defs/{rule}", "$defs": given["schema"]["$defs"]}
        Draft202012Validator.check_schema(schema)
        for complaint in tried(Draft202012Validator(schema), rule, message):
            print(complaint)


main()
