# pip install Flask-SocketIO redis
import os

from flask_socketio import SocketIO

socketio = SocketIO(message_queue=os.environ.get("REDIS", "redis://localhost:6379/0"))
socketio.emit("update", {"title": "Grüße from Flask-SocketIO"}, to="news")
