//! Hands: they touch the world and know no plan. A hand does not know why it was asked.

pub mod console;
pub mod host;
pub mod http;
pub mod interrupt;
pub mod local;
pub mod process;
pub mod random;
