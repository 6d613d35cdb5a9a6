// The Socket.IO server of Node, as its documentation has it: a client joins a
// room by an event that is acknowledged, and POST /emit sends to a room.
//
//   NODE_ENV=production node server.mjs PORT
import { createServer } from "node:http";
import { Server } from "socket.io";

const port = Number(process.argv[2]);

const http = createServer((request, response) => {
  if (request.method !== "POST" || request.url !== "/emit") {
    response.writeHead(404).end();
    return;
  }
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    try {
      const { event, room, data } = JSON.parse(Buffer.concat(chunks));
      io.to(room).emit(event, data);
    } catch {
      response.writeHead(400).end();
      return;
    }
    response.end("OK\n");
  });
});

const io = new Server(http);
// "Memory usage": the first request of a session would be kept for as long as
// the session lasts.
io.engine.on("connection", (session) => {
  session.request = null;
});
io.on("connection", (socket) => {
  socket.on("join", async ({ room }, ack) => {
    await socket.join(room);
    ack?.({ ok: true });
  });
});

http.listen(port, "127.0.0.1");
