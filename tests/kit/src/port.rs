//! Ports that nobody listens on at present.

use std::net::{Ipv4Addr, TcpListener};

/// A port of the loopback interface that is free. It is known only by taking it, so another program may be faster.
pub fn free() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a free port");
    listener.local_addr().expect("address of a free port").port()
}
