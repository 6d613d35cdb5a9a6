"""Publishes through Redis as a backend does; ../doc.go describes the orders.

It runs with several versions of the libraries, each in an environment of its
own. A library that is not there cannot be asked for.
"""

import base64
import json
import sys

import flask_socketio
import redis
import socketio

# Each publisher keeps its default channel: socketio, flask-socketio and
# socket.io.
url = sys.argv[1]


def unpack(value):
    if isinstance(value, list):
        return [unpack(v) for v in value]
    if isinstance(value, dict):
        if "$bin" in value:
            return base64.b64decode(value["$bin"])
        return {k: unpack(v) for k, v in value.items()}
    return value


def one_or_list(values):
    """How Python programs write rooms and sids: None, the one, or a list."""
    return values if len(values) > 1 else next(iter(values), None)


def one_or_tuple(args):
    """How they write the arguments of an event."""
    return args[0] if len(args) == 1 else tuple(args)


class PythonSocketIO:
    """What is no emit takes a server, which need not have clients."""

    def __init__(self):
        self.manager = socketio.RedisManager(url, write_only=True)
        self.server = socketio.Server(client_manager=socketio.RedisManager(url))

    def emit(self, event, args, rooms, skip, namespace):
        self.manager.emit(
            event, one_or_tuple(args), room=one_or_list(rooms), skip_sid=one_or_list(skip), namespace=namespace
        )

    def join(self, sid, room):
        self.server.enter_room(sid, room)

    def leave(self, sid, room):
        self.server.leave_room(sid, room)

    def close(self, room):
        self.server.close_room(room)

    def disconnect(self, sid):
        self.server.disconnect(sid)


class FlaskSocketIO:
    def __init__(self):
        self.socketio = flask_socketio.SocketIO(message_queue=url)

    def emit(self, event, args, rooms, skip, namespace):
        self.socketio.emit(
            event, one_or_tuple(args), to=one_or_list(rooms), skip_sid=one_or_list(skip), namespace=namespace
        )

    def close(self, room):
        self.socketio.close_room(room)


class SocketIOEmitter:
    """The emitter that writes as those of Node did."""

    def __init__(self):
        import socket_io_emitter

        self.emitter = socket_io_emitter.Emitter({"client": redis.Redis.from_url(url)})

    def emit(self, event, args, rooms, skip, namespace):
        if skip:
            raise NotImplementedError
        self.emitter.Of(namespace).To(*rooms).Emit(event, *args)


makers = {"python-socketio": PythonSocketIO, "flask-socketio": FlaskSocketIO, "socket.io-emitter": SocketIOEmitter}
made = {}


def obey(order):
    name = order.pop("with")
    if name not in made:
        made[name] = makers[name]()
    if "args" in order:
        order["args"] = unpack(order["args"])
    getattr(made[name], order.pop("do"))(**order)


for line in sys.stdin:
    order = json.loads(line)
    answer = {"id": order.pop("id")}
    try:
        obey(order)
        answer["result"] = None
    except Exception as err:
        answer["error"] = f"{type(err).__name__}: {err}"
    print(json.dumps(answer), flush=True)
