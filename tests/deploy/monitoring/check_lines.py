"""Run where jsonschema is: checks lines of logs against the documented schema.

Arguments: the schema, then files of lines; prints how many lines there were.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator, FormatChecker


def main() -> None:
    schema = json.loads(Path(sys.argv[1]).read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    count = 0
    for path in sys.argv[2:]:
        for line in Path(path).read_text().splitlines():
            try:
                problems = [e.message for e in validator.iter_errors(json.loads(line))]
            except ValueError as e:
                problems = [str(e)]
            if problems:
                sys.exit(f"{path}: {problems[0]}: {line[:500]}")
            count += 1
    print(count)


if __name__ == "__main__":
    main()
