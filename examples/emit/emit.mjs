const answer = await fetch(process.env.WS_EMIT_URL ?? "http://localhost:8899/emit", {
  method: "POST",
  headers: { Authorization: `Bearer ${process.env.SECRET}`, "Content-Type": "application/json" },
  body: JSON.stringify({ event: "update", room: "news", data: { title: "Grüße from Node" } }),
  redirect: "manual", // following one would make a GET of it
});
if (!answer.ok) {
  throw new Error(`${answer.status} ${await answer.text()}`);
}
