# pip install python-socketio redis
import os

import redis
import socketio

url = os.environ.get("REDIS", "redis://localhost:6379/0")
redis.Redis.from_url(url).ping()  # python-socketio raises nothing when Redis is away, it only logs that
socketio.RedisManager(url, write_only=True).emit("update", {"title": "Grüße from python-socketio"}, room="news")
