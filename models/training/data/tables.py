"""Label files: rows of a CSV table or the content of a JSON file, and the error that names file and field."""

import csv
import json
from pathlib import Path


class DataError(Exception):
    """A label file or picture that cannot be used; the text names file and field."""


def read_rows(path, columns):
    """Yields ("file:line", row) of a CSV file; every row has every one of `columns`, and there is at least one."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    reader = csv.DictReader(text.splitlines())
    for column in columns:
        if column not in (reader.fieldnames or ()):
            raise DataError(f"{path}: column '{column}' is missing")
    number = 1
    for number, row in enumerate(reader, start=2):
        for column in columns:
            if row[column] is None:
                raise DataError(f"{path}:{number}: field '{column}' is missing")
        yield f"{path}:{number}", row
    if number == 1:
        raise DataError(f"{path}: holds no row")


def read_json(path):
    """Parses a JSON file; errors name the file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
