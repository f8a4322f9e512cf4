//! A link between two machines that are far from each other: what goes through it arrives later, in each direction, and
//! no slower. One connection after the other and several at once; it ends with the test.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

pub struct SlowLink {
    pub port: u16,
    sent: Arc<AtomicU64>,
}

impl SlowLink {
    /// To a port of this machine, with `round_trip` more than there is already.
    pub fn to(port: u16, round_trip: Duration) -> SlowLink {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = SlowLink { port: listener.local_addr().unwrap().port(), sent: Arc::default() };
        let (sent, received) = (Arc::clone(&link.sent), Arc::default());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for stream in [&near, &far] {
                    stream.set_nodelay(true).unwrap();
                }
                // A connection costs a round trip before the first byte: here the first bytes wait for it.
                let opened = Instant::now() + round_trip;
                carry(near.try_clone().unwrap(), far.try_clone().unwrap(), round_trip / 2, opened, &sent);
                carry(far, near, round_trip / 2, opened, &received);
            }
        });
        link
    }

    /// Bytes that went to the other side so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// Brings bytes from one side to the other, each `later` than it came and none before `opened`.
fn carry(mut from: TcpStream, mut to: TcpStream, later: Duration, opened: Instant, count: &Arc<AtomicU64>) {
    let carried = Arc::clone(count);
    let (under_way, arriving) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut buffer = [0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            carried.fetch_add(count as u64, Ordering::Relaxed);
            let due = opened.max(Instant::now()) + later;
            if under_way.send((due, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, bytes) in arriving {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _gone = to.shutdown(Shutdown::Write);
    });
}
