//! A link between two machines that are far from each other: what goes through it arrives later, in each direction, and
//! no slower. One connection after the other and several at once; it ends with the test.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::remote_site::Site;
use crate::server::Server;

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

/// The round trips that commands wait for, the connection's own included: what each takes longer over a slow link. A very
/// slow one, so that they are told from what a busy machine takes longer now and then; it may be tried again for those.
pub fn a_deploy_waits_for_few_round_trips(server: &Server, site: &mut Site) {
    const ROUND_TRIP: Duration = Duration::from_millis(300);
    let link = SlowLink::to(server.ssh_port(), ROUND_TRIP);
    for (arguments, most) in [(["status", "--json"].as_slice(), 14.0), (&["deploy", "--skip-tests"], 25.0)] {
        let mut shortest = [Duration::MAX; 2];
        let mut round_trips = f64::MAX;
        for _ in 0..3 {
            for (shortest, port) in shortest.iter_mut().zip([server.ssh_port(), link.port]) {
                site.set("PROD_SSH_PORT", &port.to_string());
                site.new_version("over a slow link, or not");
                let begun = Instant::now();
                site.xtask(arguments).must_end_with(0);
                *shortest = begun.elapsed().min(*shortest);
            }
            round_trips = (shortest[1].as_secs_f64() - shortest[0].as_secs_f64()) / ROUND_TRIP.as_secs_f64();
            if round_trips <= most {
                break;
            }
        }
        let [near, far] = shortest.map(|time| time.as_secs_f64());
        assert!(link.sent() > 1_000);
        println!(
            "{} over a link with 300 ms: {far:.2} s, without {near:.2} s: {round_trips:.1} round trips",
            arguments[0]
        );
        assert!(round_trips <= most, "{} waits for more than {most} round trips", arguments[0]);
    }
    site.set("PROD_SSH_PORT", &server.ssh_port().to_string());
    site.status();
}
