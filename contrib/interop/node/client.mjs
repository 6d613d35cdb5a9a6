// Drives a stock socket.io-client by JSON lines; the lines are described in
// ../doc.go. The first argument names the package: socket.io-client or
// socket.io-client-3.
import { createInterface } from "node:readline";

// Version 3 is a CommonJS package whose function is the default export.
const library = await import(process.argv[2]);
const { Manager } = library.Manager ? library : library.default;

const clients = new Map();

function tell(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

// pack and unpack carry bytes through JSON.
function pack(value) {
  if (Buffer.isBuffer(value) || value instanceof Uint8Array) {
    return { $bin: Buffer.from(value).toString("base64") };
  }
  if (value instanceof ArrayBuffer) {
    return { $bin: Buffer.from(value).toString("base64") };
  }
  if (Array.isArray(value)) {
    return value.map(pack);
  }
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, pack(v)]));
  }
  return value;
}

function unpack(value) {
  if (Array.isArray(value)) {
    return value.map(unpack);
  }
  if (value !== null && typeof value === "object") {
    return "$bin" in value
      ? Buffer.from(value.$bin, "base64")
      : Object.fromEntries(Object.entries(value).map(([k, v]) => [k, unpack(v)]));
  }
  return value;
}

// One Manager per client: its namespaces share a connection, as on a page.
function connect({ client, url, path, transports, namespaces }) {
  const manager = new Manager(url, {
    path,
    transports,
    autoConnect: false,
    // Quick, so that a restart of the server does not cost the tests seconds.
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
  });
  const transport = (name) => tell({ client, note: "transport", name });
  manager.on("open", () => {
    transport(manager.engine.transport.name);
    manager.engine.on("upgrade", (t) => transport(t.name));
  });

  const sockets = new Map();
  clients.set(client, { manager, sockets });
  for (const namespace of namespaces) {
    const socket = manager.socket(namespace);
    sockets.set(namespace, socket);
    const note = (kind, rest) => tell({ client, namespace, note: kind, ...rest });
    socket.on("connect", () => note("connect", { sid: socket.id }));
    socket.on("disconnect", (reason) => note("disconnect", { reason }));
    // While the server is away each attempt ends here too; only an answer of
    // the server is of interest, and that one carries no transport error.
    socket.on("connect_error", (err) => {
      if (err.type !== "TransportError") {
        note("connect_error", { message: err.message });
      }
    });
    socket.onAny((event, ...args) => note("event", { event, args: pack(args) }));
    socket.connect();
  }
}

const orders = {
  connect,
  emit({ client, namespace, event, args }) {
    clients.get(client).sockets.get(namespace).emit(event, ...unpack(args));
  },
  // The answer is the list of the ack's arguments.
  call({ client, namespace, event, args }) {
    const socket = clients.get(client).sockets.get(namespace);
    return new Promise((resolve) => {
      socket.emit(event, ...unpack(args), (...answer) => resolve(pack(answer)));
    });
  },
  disconnect({ client, namespace }) {
    clients.get(client).sockets.get(namespace).disconnect();
  },
};

const lines = createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  const order = JSON.parse(line);
  try {
    tell({ id: order.id, result: (await orders[order.do](order)) ?? null });
  } catch (err) {
    tell({ id: order.id, error: String(err) });
  }
});
lines.on("close", () => process.exit(0));
