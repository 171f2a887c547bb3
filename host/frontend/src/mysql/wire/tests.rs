use tokio::io::DuplexStream;

use super::*;

const STALL: Duration = Duration::from_secs(60);

fn pair(buffer: usize) -> (Wire, DuplexStream) {
    let (near, far) = tokio::io::duplex(buffer);
    (Wire::new(Box::new(near), STALL), far)
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = payload.len().to_le_bytes()[..3].to_vec();
    bytes.push(sequence);
    bytes.extend_from_slice(payload);
    bytes
}

#[tokio::test]
async fn packets_are_read_in_their_order() {
    let (mut wire, mut far) = pair(1024);
    far.write_all(&packet(0, b"one")).await.unwrap();
    far.write_all(&packet(1, b"")).await.unwrap();
    far.write_all(&packet(0, b"three")).await.unwrap();
    far.write_all(&packet(7, b"four")).await.unwrap();
    assert_eq!(wire.read(1024).await.unwrap(), b"one");
    assert_eq!(wire.read(1024).await.unwrap(), b"");
    assert_eq!(wire.read_command(1024).await.unwrap(), b"three");
    let error = wire.read(1024).await.unwrap_err();
    assert_eq!(error.to_string(), "packet 7 came where packet 1 was due");
}

#[tokio::test]
async fn an_end_between_packets_is_told_from_one_inside() {
    let (mut wire, far) = pair(1024);
    drop(far);
    assert!(matches!(wire.read(1024).await, Err(WireError::Closed)));
    for cut in [1, 3, 4, 6] {
        let (mut wire, mut far) = pair(1024);
        far.write_all(&packet(0, b"one")[..cut]).await.unwrap();
        drop(far);
        assert!(matches!(wire.read(1024).await, Err(WireError::CutOff)), "after {cut} bytes");
    }
}

#[tokio::test]
async fn long_payloads_take_several_packets_both_ways() {
    for length in [MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 5, 2 * MAX_PAYLOAD] {
        let (mut sender, receiver) = pair(1 << 20);
        let payload = vec![7; length];
        let reading = tokio::spawn(async move {
            let mut wire = Wire::new(Box::new(receiver), STALL);
            (wire.read(usize::MAX).await, wire.sequence)
        });
        sender.write(|out| out.extend_from_slice(&payload));
        sender.flush().await.unwrap();
        let (read, sequence) = reading.await.unwrap();
        assert!(read.unwrap() == payload, "{length}");
        assert_eq!(usize::from(sequence), length / MAX_PAYLOAD + 1);
    }
}

#[tokio::test]
async fn a_payload_that_is_too_large_is_dropped_and_the_next_one_read() {
    let (mut wire, mut far) = pair(1 << 20);
    let writing = tokio::spawn(async move {
        far.write_all(&packet(0, &vec![0; MAX_PAYLOAD])).await.unwrap();
        far.write_all(&packet(1, b"the rest")).await.unwrap();
        far.write_all(&packet(0, b"next")).await.unwrap();
        far
    });
    assert!(matches!(wire.read(1000).await, Err(WireError::TooLarge { limit: 1000 })));
    assert_eq!(wire.read_command(1000).await.unwrap(), b"next");
    writing.await.unwrap();
}

#[tokio::test]
async fn a_failed_packet_leaves_nothing() {
    let (mut wire, mut far) = pair(1024);
    wire.write(|out| out.extend_from_slice(b"one"));
    let failed: Result<(), &str> = wire.try_write(|out| {
        out.extend_from_slice(b"half");
        Err("no")
    });
    assert_eq!(failed, Err("no"));
    wire.write(|out| out.extend_from_slice(b"two"));
    wire.flush().await.unwrap();
    let mut sent = [0; 14];
    far.read_exact(&mut sent).await.unwrap();
    assert_eq!(sent.as_slice(), [packet(0, b"one"), packet(1, b"two")].concat());
}

#[tokio::test]
async fn watching_keeps_what_the_client_says() {
    let (mut wire, mut far) = pair(1 << 20);
    far.write_all(&packet(0, b"one")).await.unwrap();
    far.write_all(&packet(0, &vec![2; 10_000])).await.unwrap();
    tokio::select! {
        () = wire.gone() => panic!("the client is there"),
        () = tokio::task::yield_now() => {}
    }
    assert!(!wire.ahead.is_empty());
    assert_eq!(wire.read_command(1 << 20).await.unwrap(), b"one");
    assert_eq!(wire.read_command(1 << 20).await.unwrap(), vec![2; 10_000]);
    drop(far);
    wire.gone().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_given_up() {
    let (mut wire, _far) = pair(1000);
    wire.write(|out| out.resize(5000, 0));
    assert!(matches!(wire.flush().await, Err(WireError::Stalled(STALL))));
}

#[tokio::test]
async fn an_idle_wire_holds_no_memory() {
    let (mut wire, mut far) = pair(1 << 20);
    wire.write(|out| out.resize(SEND_FROM, 0));
    wire.flush_if_full().await.unwrap();
    far.write_all(&packet(0, b"one")).await.unwrap();
    wire.read_command(100).await.unwrap();
    wire.rest();
    assert_eq!((wire.out.capacity(), wire.ahead.capacity()), (0, 0));
}
