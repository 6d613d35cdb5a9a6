// Publishes through Redis as a backend does; ../doc.go describes the orders.
// The first argument is the URL of Redis.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { createAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { Emitter as Emitter4 } from "redis-emitter-4";
import { Server } from "socket.io";

const require = createRequire(import.meta.url);
const url = process.argv[2];

// Bytes and dates stand in an order as {"$bin": base64} and {"$date": ms}.
function unpack(value) {
  if (Array.isArray(value)) {
    return value.map(unpack);
  }
  if (value !== null && typeof value === "object") {
    if ("$bin" in value) {
      return Buffer.from(value.$bin, "base64");
    }
    if ("$date" in value) {
      return new Date(value.$date);
    }
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, unpack(v)]));
  }
  return value;
}

async function connected() {
  return createClient({ url }).connect();
}

// A Node of a cluster, whose clients are all on other nodes.
async function cluster() {
  const [pub, sub] = await Promise.all([connected(), connected()]);
  return new Server({ adapter: createAdapter(pub, sub) });
}

// Each has of, to, except and emit; those of old lack except, and connect
// themselves.
const makers = {
  "redis-emitter-5": async () => new Emitter(await connected()),
  "redis-emitter-5-json": async () => new Emitter(await connected(), { parser: { encode: JSON.stringify } }),
  "redis-emitter-4": async () => new Emitter4(await connected()),
  "socket.io-emitter-3": () => require("socket.io-emitter-3")(url),
  "socket.io-emitter-2": () => require("socket.io-emitter-2")(url),
  "socket.io-emitter-1": () => require("socket.io-emitter-1")(url),
  "redis-adapter-8": cluster,
};
const made = {};

// chosen narrows an emitter down to the receivers.
function chosen(emitter, { namespace, rooms, skip }) {
  let to = emitter.of(namespace);
  for (const room of rooms) {
    to = to.to(room);
  }
  for (const room of skip) {
    to = to.except(room);
  }
  return to;
}

// A sid is a room that holds nobody else.
const orders = {
  emit: (emitter, order) => chosen(emitter, order).emit(order.event, ...unpack(order.args)),
  join: (emitter, { sid, room }) => emitter.in(sid).socketsJoin(room),
  leave: (emitter, { sid, room }) => emitter.in(sid).socketsLeave(room),
  close: (emitter, { room }) => emitter.in(room).socketsLeave(room),
  disconnect: (emitter, { sid }) => emitter.in(sid).disconnectSockets(true),
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  const answer = { id: order.id };
  try {
    made[order.with] ??= await makers[order.with]();
    orders[order.do](made[order.with], order);
    answer.result = null;
  } catch (err) {
    answer.error = String(err);
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
