"""The original way, after its HTTP contract: a Flask route that drops a call file into Asterisk's spool.

Environment: SPOOL (Asterisk's spool folder), API_KEY.
"""

import os
import tempfile

from flask import Flask, jsonify, request

app = Flask(__name__)
SPOOL = os.environ["SPOOL"]
OUTGOING = os.path.join(SPOOL, "outgoing")
API_KEY = os.environ["API_KEY"]


@app.post("/api/conf")
def conf():
    fields = request.get_json()
    if "api_key" not in fields:
        return jsonify(error="Authentication required", message="Please specify api key"), 401
    if fields["api_key"] != API_KEY:
        return jsonify(error="Authentication failure", message="Wrong api key"), 401
    if any(name not in fields for name in ("phone_number", "room_name", "caller_id")):
        return jsonify(error="not all parameters are specified"), 400
    number = fields["phone_number"].lstrip("+")
    if any(name.startswith(number) for name in os.listdir(OUTGOING)):
        return jsonify(message="error", text="call already in progress")
    # Written elsewhere on the same file system and moved: Asterisk must not see half a file.
    handle, path = tempfile.mkstemp(dir=SPOOL)
    with os.fdopen(handle, "w") as file:
        file.write(
            f"Channel: Local/{number}@telegram-out\n"
            f"CallerID: <{fields['caller_id']}>\n"
            "MaxRetries: 0\n"
            "WaitTime: 30\n"
            "Context: conf-in\n"
            f"Extension: {fields['room_name']}\n"
            "Priority: 1\n"
            f"Setvar: LANG={fields.get('lang', 'ru')}\n"
        )
    os.rename(path, os.path.join(OUTGOING, f"{number}.call"))
    return jsonify(message="ok")


if __name__ == "__main__":
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]), threaded=True)
