"""Tells the room "time" what time it is, every second.

This is what the example time.py of the Python ws-emit did: it publishes with
Flask-SocketIO, on that library's own channel. The argument is the Redis URL.
"""

import sys
import time

import flask_socketio

socketio = flask_socketio.SocketIO(message_queue=sys.argv[1])

while True:
    socketio.emit("update", {"time": int(time.time())}, room="time")
    time.sleep(1)
