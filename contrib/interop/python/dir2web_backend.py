"""Serves a folder, and tells its pages what changes in it.

This is what the example dir2web.py of the Python ws-emit did: it publishes
with Flask-SocketIO, on that library's own channel, and puts the secret of the
room-space "dir" into Redis. That one put it under a key which its own server no
longer read; this one under the key that is read.

    dir2web_backend.py REDIS-URL PORT FOLDER
"""

import os
import secrets
import sys
import threading
import time

import flask
import flask_socketio
import redis

url, port, folder = sys.argv[1], int(sys.argv[2]), os.path.abspath(sys.argv[3])
secret = secrets.token_hex(16)
app = flask.Flask(__name__)
socketio = flask_socketio.SocketIO(message_queue=url)


@app.route("/_secret")
def tell_secret():
    return secret, {"Content-Type": "text/plain"}


@app.route("/_list")
def tell_list():
    return flask.jsonify(sorted(look()))


@app.route("/<file>")
def tell_file(file):
    return flask.send_from_directory(folder, file)


def look():
    """What tells one version of a file from another, by its name."""
    seen = {}
    for entry in os.scandir(folder):
        try:
            about = entry.stat()
        except FileNotFoundError:
            continue  # it has just gone
        seen[entry.name] = (about.st_mtime_ns, about.st_size, about.st_ino)
    return seen


def watch(before):
    while True:
        time.sleep(0.05)
        now = look()
        if now.keys() != before.keys():
            socketio.emit("rescan", {"data": "modified"}, room="dir::_rescan")
        for file in now.keys() & before.keys():
            if now[file] != before[file]:
                socketio.emit("update", {"file": file, "data": "modified"}, room="dir::" + file)
        before = now


redis.Redis.from_url(url).set("ws-emit::secret::dir", secret)
threading.Thread(target=watch, args=(look(),), daemon=True).start()
app.run(host="127.0.0.1", port=port, threaded=True)
