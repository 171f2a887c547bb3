//! A network does what was planned, seen from a client of a tiny echo server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use cairn_testkit::{Direction, Line, NetFault, TcpProxy};
use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// Answers with what it is sent, and counts nothing.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn proxy() -> TcpProxy {
    TcpProxy::start(echo().await, 7).await.unwrap()
}

async fn connect(proxy: &TcpProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// Sends bytes and reads them back.
async fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, bytes);
    Ok(())
}

#[tokio::test]
async fn what_is_not_planned_is_passed_on_and_counted() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    let (mut from, mut to) = stream.split();
    let send = async {
        to.write_all(&bytes).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut answer = Vec::new();
    let (_, read) = futures::future::join(send, from.read_to_end(&mut answer)).await;
    assert_eq!(read.unwrap(), bytes.len());
    assert!(answer == bytes);
    drop(stream);
    exchange(&mut connect(&proxy).await, b"more").await.unwrap();
    assert_eq!(proxy.connections(), 2);
    assert_eq!(proxy.bytes(Direction::Up), 3_000_004);
    assert_eq!(proxy.bytes(Direction::Down), 3_000_004);
}

#[tokio::test(start_paused = true)]
async fn latency_is_added_each_way_and_does_not_slow_a_stream_down() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    let latency = |millis| Line { latency: Duration::from_millis(millis), ..Line::default() };
    proxy.set_line(Direction::Up, latency(30));
    proxy.set_line(Direction::Down, latency(20));
    let begun = Instant::now();
    exchange(&mut stream, b"ping").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(50));
    let begun = Instant::now();
    exchange(&mut stream, &vec![1; 200_000]).await.unwrap();
    // Thirteen pieces at 50 ms each would be 650.
    let took = begun.elapsed();
    assert!((Duration::from_millis(50)..Duration::from_millis(200)).contains(&took), "{took:?}");
    proxy.set_line(Direction::Up, Line::default());
    proxy.set_line(Direction::Down, Line::default());
    let begun = Instant::now();
    exchange(&mut stream, b"ping").await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(20));
}

#[tokio::test(start_paused = true)]
async fn a_drip_takes_its_time() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    let bytes_per_second = NonZeroU64::new(1000);
    proxy.set_line(Direction::Down, Line { bytes_per_second, ..Line::default() });
    let begun = Instant::now();
    exchange(&mut stream, &[1; 5000]).await.unwrap();
    // The last slice is there before its time is over.
    assert!(begun.elapsed() >= Duration::from_millis(4900), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_reset_lets_exactly_so_many_bytes_through() {
    let proxy = proxy().await;
    let fault = proxy.plan(NetFault::reset().after(10));
    let mut stream = connect(&proxy).await;
    stream.write_all(&[1; 64]).await.unwrap();
    let mut answer = Vec::new();
    let error = stream.read_to_end(&mut answer).await.unwrap_err();
    assert_eq!((error.kind(), answer.len()), (ErrorKind::ConnectionReset, 10));
    assert_eq!((fault.hits(), proxy.bytes(Direction::Down)), (1, 10));
    exchange(&mut connect(&proxy).await, b"healed").await.unwrap();
}

#[tokio::test]
async fn a_half_close_ends_the_answer_and_takes_what_is_sent() {
    let proxy = proxy().await;
    proxy.plan(NetFault::half_close().after(3));
    let mut stream = connect(&proxy).await;
    stream.write_all(b"12345").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"123");
    stream.write_all(b"still taken").await.unwrap();
}

#[tokio::test]
async fn a_stall_and_a_black_hole_answer_nothing_and_close_nothing() {
    for fault in [NetFault::stall(), NetFault::black_hole()] {
        let proxy = proxy().await;
        let mut hit = proxy.plan(fault.on(Direction::Up).after(4));
        let mut stream = connect(&proxy).await;
        exchange(&mut stream, b"1234").await.unwrap();
        hit.wait_for_hits(1).await;
        stream.write_all(b"lost").await.unwrap();
        // Another connection is served; when its answer is there, ours could be.
        exchange(&mut connect(&proxy).await, b"other").await.unwrap();
        assert!(stream.read(&mut [0; 8]).now_or_never().is_none());
        assert_eq!(proxy.bytes(Direction::Up), 4 + 5);
    }
}

#[tokio::test]
async fn connections_are_refused_and_accepted_again() {
    let proxy = proxy().await;
    let mut open = connect(&proxy).await;
    exchange(&mut open, b"before").await.unwrap();
    for _ in 0..2 {
        proxy.refuse(true).await;
        let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        exchange(&mut open, b"open ones stay").await.unwrap();
        proxy.refuse(false).await;
        exchange(&mut connect(&proxy).await, b"after").await.unwrap();
    }
}

#[tokio::test]
async fn a_fault_waits_for_a_connection_that_lives_long_enough() {
    let proxy = proxy().await;
    let fault = proxy.plan(NetFault::reset().on(Direction::Up).after(100).nth(2).times(2));
    exchange(&mut connect(&proxy).await, &[1; 200]).await.unwrap();
    // Its end is seen when the proxy passes it on.
    let mut short = connect(&proxy).await;
    exchange(&mut short, b"short").await.unwrap();
    short.shutdown().await.unwrap();
    assert_eq!(short.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(fault.hits(), 0);
    let mut resets = 0;
    while fault.hits() < 2 {
        resets += u32::from(exchange(&mut connect(&proxy).await, &[1; 200]).await.is_err());
    }
    assert_eq!(resets, 2);
    exchange(&mut connect(&proxy).await, &[1; 200]).await.unwrap();
}

#[tokio::test]
async fn random_places_come_from_the_seed() {
    let places = |seed| async move {
        let proxy = TcpProxy::start(echo().await, seed).await.unwrap();
        proxy.plan(NetFault::reset().after_one_of(0..=1000).times(8));
        let mut places = Vec::new();
        for _ in 0..8 {
            let mut stream = connect(&proxy).await;
            let mut answer = Vec::new();
            // A reset at the first byte may come before all is sent.
            let _ = stream.write_all(&[1; 2000]).await;
            let _ = stream.read_to_end(&mut answer).await;
            places.push(answer.len());
        }
        places
    };
    let (first, again, other) = (places(1).await, places(1).await, places(2).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[tokio::test]
async fn a_server_that_is_not_there_resets() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let proxy = TcpProxy::start(address, 0).await.unwrap();
    let mut stream = connect(&proxy).await;
    let error = stream.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
#[should_panic(expected = "planned faults never happened")]
async fn a_fault_that_never_happened_fails_the_test() {
    let proxy = proxy().await;
    proxy.plan(NetFault::stall());
}
