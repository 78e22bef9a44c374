use super::*;

const SOON: Duration = Duration::from_secs(20);

/// A target that sends back what it gets.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut copy = stream.try_clone().unwrap();
                drop(std::io::copy(&mut stream, &mut copy));
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

#[test]
fn bytes_pass_both_ways() {
    let proxy = Proxy::to(echo());
    let mut stream = connect(&proxy);
    stream.write_all(b"there and back").unwrap();
    let mut back = [0; 14];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"there and back");
}

#[test]
fn a_planned_cut_delivers_exactly_the_drawn_number_of_bytes() {
    let proxy = Proxy::to(echo());
    proxy.plan_cuts(Cuts { seed: 1, direction: Direction::FromTarget, bytes: 7..=7, count: 1 });
    let mut stream = connect(&proxy);
    stream.write_all(&[1; 100]).unwrap();
    let mut got = Vec::new();
    // The end may arrive as a close or as a reset; what was delivered before counts.
    drop(stream.read_to_end(&mut got));
    assert_eq!((got.len(), proxy.cuts_made()), (7, 1));
    assert_eq!(proxy.carried(Direction::FromTarget), 7);
    let mut whole = connect(&proxy);
    whole.write_all(&[1; 100]).unwrap();
    whole.read_exact(&mut [0; 100]).unwrap();
}

#[test]
fn a_held_link_keeps_the_connection_and_delivers_after_it_opens() {
    let proxy = Proxy::to(echo());
    let mut stream = connect(&proxy);
    proxy.set(Link::Held);
    stream.write_all(b"late").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(stream.read(&mut [0; 4]).is_err(), "nothing passes a held link");
    stream.set_read_timeout(Some(SOON)).unwrap();
    proxy.set(Link::Open);
    let mut back = [0; 4];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"late");
}

#[test]
fn a_refusing_link_ends_old_and_new_connections() {
    let proxy = Proxy::to(echo());
    let mut old = connect(&proxy);
    old.write_all(b"x").unwrap();
    old.read_exact(&mut [0]).unwrap();
    proxy.set(Link::Refusing);
    assert!(matches!(old.read(&mut [0]), Ok(0) | Err(_)));
    let mut new = connect(&proxy);
    assert!(matches!(new.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn the_same_seed_draws_the_same_bytes() {
    let (mut one, mut two) = (Draw::new(42), Draw::new(42));
    assert_eq!([one.next(), one.next()], [two.next(), two.next()]);
}
