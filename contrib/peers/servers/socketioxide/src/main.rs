//! A server with socketioxide and axum, as their documentation has it, with
//! their defaults: a client joins a room by an event that is acknowledged, and
//! POST /emit sends to a room.
//!
//!     socketioxide-peer ADDRESS

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use socketioxide::{
    SocketIo,
    extract::{AckSender, Data, SocketRef},
};

#[derive(Deserialize)]
struct Join {
    room: String,
}

#[derive(Serialize)]
struct Joined {
    ok: bool,
}

#[derive(Deserialize)]
struct Emit {
    event: String,
    room: String,
    data: Value,
}

async fn connected(socket: SocketRef) {
    socket.on(
        "join",
        async |socket: SocketRef, Data::<Join>(join), ack: AckSender| {
            socket.join(join.room);
            ack.send(&Joined { ok: true }).ok();
        },
    );
}

async fn emit(State(io): State<SocketIo>, Json(emit): Json<Emit>) -> Result<&'static str, StatusCode> {
    // An error means that a client gets it not, as its queue is full or it has
    // gone; the others do.
    io.to(emit.room).emit(emit.event, &emit.data).await.ok();
    Ok("OK\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("give the address to listen at")?;
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let app = Router::new().route("/emit", post(emit)).with_state(io).layer(layer);
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
