//! What runs containers on a host: docker compose.

pub mod compose;
