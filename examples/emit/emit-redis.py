# pip install python-socketio redis
import os

import socketio

redis = socketio.RedisManager(os.environ.get("REDIS", "redis://localhost:6379/0"), write_only=True)
redis.emit("update", {"title": "Grüße from python-socketio"}, room="news")
