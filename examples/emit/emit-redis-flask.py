# pip install Flask-SocketIO redis
import os

import redis
from flask_socketio import SocketIO

url = os.environ.get("REDIS", "redis://localhost:6379/0")
redis.Redis.from_url(url).ping()  # Flask-SocketIO raises nothing when Redis is away, it only logs that
SocketIO(message_queue=url).emit("update", {"title": "Grüße from Flask-SocketIO"}, to="news")
