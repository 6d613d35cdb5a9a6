"""Drives python-socketio's client by JSON lines; ../doc.go describes them."""

import base64
import json
import os
import sys
import threading

import engineio
import socketio

clients = {}
output = threading.Lock()


def tell(**line):
    # Handlers run on threads of their own.
    with output:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def pack(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$bin": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [pack(v) for v in value]
    if isinstance(value, dict):
        return {k: pack(v) for k, v in value.items()}
    return value


def unpack(value):
    if isinstance(value, list):
        return [unpack(v) for v in value]
    if isinstance(value, dict):
        if "$bin" in value:
            return base64.b64decode(value["$bin"])
        return {k: unpack(v) for k, v in value.items()}
    return value


def watch(sio, name, namespace):
    """Tells what happens to one namespace of a client."""

    def note(kind, **rest):
        tell(client=name, namespace=namespace, note=kind, **rest)

    def on_connect():
        # The library upgrades between the handshake and the first packet of
        # Socket.IO, so this is the transport for good.
        tell(client=name, note="transport", name=sio.transport())
        note("connect", sid=sio.get_sid(namespace))

    def on_connect_error(data=None):
        # A refusal by the server is an object; while the server is away each
        # attempt ends here too, with a text.
        if isinstance(data, dict):
            note("connect_error", message=data.get("message"))

    sio.on("connect", on_connect, namespace=namespace)
    sio.on("connect_error", on_connect_error, namespace=namespace)
    sio.on("disconnect", lambda reason=None: note("disconnect", reason=reason), namespace=namespace)
    sio.on("*", lambda event, *args: note("event", event=event, args=pack(args)), namespace=namespace)


class Engine(engineio.Client):
    """Handles the messages of a connection one after the other. The library
    starts a thread for each of them, which then run in any order: what the
    server's order was could not be told."""

    def start_background_task(self, target, *args, **kwargs):
        if target == self.handlers["message"]:
            return target(*args, **kwargs)
        return super().start_background_task(target, *args, **kwargs)


class Client(socketio.Client):
    def _engineio_client_class(self):
        return Engine


def connect(client, url, path, transports, namespaces):
    # Quick, so that a restart of the server does not cost the tests seconds.
    sio = Client(reconnection_delay=0.05, reconnection_delay_max=0.2)
    clients[client] = sio
    for namespace in namespaces:
        watch(sio, client, namespace)
    sio.connect(url, socketio_path=path, transports=transports, namespaces=namespaces, wait=False)


def emit(client, namespace, event, args):
    clients[client].emit(event, tuple(unpack(args)), namespace=namespace)


def call(client, namespace, event, args):
    """Answers the list of the ack's arguments."""
    answered = threading.Event()
    answer = []

    def callback(*values):
        answer.extend(pack(values))
        answered.set()

    clients[client].emit(event, tuple(unpack(args)), namespace=namespace, callback=callback)
    answered.wait()
    return answer


def disconnect(client, namespace):
    # The library has no call for one namespace: it leaves them all.
    clients[client].disconnect()


orders = {"connect": connect, "emit": emit, "call": call, "disconnect": disconnect}


def obey(id, do, **order):
    try:
        tell(id=id, result=orders[do](**order))
    except Exception as err:
        tell(id=id, error=f"{type(err).__name__}: {err}")


for line in sys.stdin:
    obey(**json.loads(line))
# Not sys.exit: that waits for the threads of the library.
os._exit(0)
