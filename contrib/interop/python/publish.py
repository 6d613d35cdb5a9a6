"""Publishes through Redis as a backend does, by JSON lines (../doc.go).

An order names the publisher and the arguments of its emit call; "args" is the
list of the event's arguments:
    {"id":1,"do":"emit","with":"python-socketio","event":"e","args":[...],
     "options":{"room":...,"namespace":...,"skip_sid":...}}
"""

import base64
import json
import sys

import flask_socketio
import socketio

# The Redis URL is the program's argument. Each publisher keeps its default
# channel: socketio, and flask-socketio.
url = sys.argv[1]
manager = socketio.RedisManager(url, write_only=True)
flask = flask_socketio.SocketIO(message_queue=url)


def unpack(value):
    if isinstance(value, list):
        return [unpack(v) for v in value]
    if isinstance(value, dict):
        if "$bin" in value:
            return base64.b64decode(value["$bin"])
        return {k: unpack(v) for k, v in value.items()}
    return value


def emit(publisher, event, args, options):
    # One argument stands for itself, several are a tuple.
    data = args[0] if len(args) == 1 else tuple(args)
    publisher.emit(event, data, **options)


publishers = {"python-socketio": manager, "flask-socketio": flask}

for line in sys.stdin:
    order = json.loads(line)
    try:
        emit(publishers[order["with"]], order["event"], unpack(order["args"]), order["options"])
        answer = {"id": order["id"], "result": None}
    except Exception as err:
        answer = {"id": order["id"], "error": f"{type(err).__name__}: {err}"}
    print(json.dumps(answer), flush=True)
