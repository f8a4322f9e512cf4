//! A link between two machines that are far from each other: what goes through it arrives later, in each direction, and
//! no slower. One connection after the other and several at once; it ends with the test.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::remote_site::Site;
use crate::server::Server;

pub struct SlowLink {
    pub port: u16,
}

impl SlowLink {
    /// To a port of this machine, with `round_trip` more than there is already.
    pub fn to(port: u16, round_trip: Duration) -> SlowLink {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = SlowLink { port: listener.local_addr().unwrap().port() };
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for stream in [&near, &far] {
                    stream.set_nodelay(true).unwrap();
                }
                // A connection costs a round trip before the first byte: here the first bytes wait for it.
                let opened = Instant::now() + round_trip;
                carry(near.try_clone().unwrap(), far.try_clone().unwrap(), round_trip / 2, opened);
                carry(far, near, round_trip / 2, opened);
            }
        });
        link
    }
}

/// Brings bytes from one side to the other, each `later` than it came and none before `opened`.
fn carry(mut from: TcpStream, mut to: TcpStream, later: Duration, opened: Instant) {
    let (under_way, arriving) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut buffer = [0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
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

/// The round trips a deploy waits for, the connection's own included: what it takes longer over a slow link. A very slow
/// one, so that they are told from what a busy machine takes longer now and then; the shortest of some counts.
pub fn a_deploy_pays_for_few_round_trips(server: &Server, site: &mut Site) {
    const ROUND_TRIP: Duration = Duration::from_millis(300);
    let link = SlowLink::to(server.ssh_port(), ROUND_TRIP);
    let mut shortest = [[Duration::MAX; 2]; 2];
    for _ in 0..2 {
        for (over_the_link, port) in [server.ssh_port(), link.port].into_iter().enumerate() {
            site.set("PROD_SSH_PORT", &port.to_string());
            for (what, arguments) in
                [["status", "--json"].as_slice(), &["deploy", "--skip-tests"]].into_iter().enumerate()
            {
                site.new_version("over a slow link, or not");
                let begun = Instant::now();
                site.xtask(arguments).must_end_with(0);
                shortest[what][over_the_link] = shortest[what][over_the_link].min(begun.elapsed());
            }
        }
    }
    site.set("PROD_SSH_PORT", &server.ssh_port().to_string());
    for (what, most, [near, far]) in [("status", 14.0, shortest[0]), ("deploy", 25.0, shortest[1])] {
        let round_trips = far.saturating_sub(near).as_secs_f64() / ROUND_TRIP.as_secs_f64();
        println!(
            "{what} over a link with 300 ms: {:.2} s, without {:.2} s: {round_trips:.1} round trips",
            far.as_secs_f64(),
            near.as_secs_f64()
        );
        assert!(round_trips <= most, "{what} waits for more than {most} round trips");
    }
}
