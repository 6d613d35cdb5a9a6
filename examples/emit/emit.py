import json
import os
import urllib.request


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Following one would make a GET of the POST, and emit nothing."""

    def redirect_request(self, *args):
        return None


message = {"event": "update", "room": "news", "data": {"title": "Grüße from Python"}}
request = urllib.request.Request(
    os.environ.get("WS_EMIT_URL", "http://localhost:8899/emit"),
    data=json.dumps(message).encode(),
    headers={"Authorization": "Bearer " + os.environ["SECRET"], "Content-Type": "application/json"},
)
urllib.request.build_opener(NoRedirect).open(request, timeout=10).close()  # raises what is not 200
