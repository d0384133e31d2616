"""Read a variant's state from a new process, run by the interpreter that served it.

    python -c "…this text…" VARIANT FILE READS

READS is a JSON object, from the name of each read to its route. Writes a line of JSON for each
request to FILE: the name, the status, and the body.
"""

import json
import sys

from variants.app import create_app

if __name__ == "__main__":
    client = create_app(sys.argv[1]).test_client()
    with open(sys.argv[2], "w") as answers:  # noqa: PTH123
        for op, path in json.loads(sys.argv[3]).items():
            reply = client.get(path)
            print(json.dumps([op, reply.status_code, reply.get_data(as_text=True)]), file=answers)
