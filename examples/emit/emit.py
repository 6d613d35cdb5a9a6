import json
import os
import urllib.request

message = {"event": "update", "room": "news", "data": {"title": "Grüße from Python"}}
request = urllib.request.Request(
    os.environ.get("WS_EMIT_URL", "http://localhost:8899/emit"),
    data=json.dumps(message).encode(),
    headers={"Authorization": "Bearer " + os.environ["SECRET"], "Content-Type": "application/json"},
)
urllib.request.urlopen(request, timeout=10).close()  # raises what is not 200
