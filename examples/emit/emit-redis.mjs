// npm install @socket.io/redis-emitter redis
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";

const redis = await createClient({ url: process.env.REDIS ?? "redis://localhost:6379/0" }).connect();
new Emitter(redis).to("news").emit("update", { title: "Grüße from redis-emitter" });
await redis.quit(); // once everything is sent
