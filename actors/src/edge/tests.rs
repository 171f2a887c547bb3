use std::sync::Barrier;
use std::thread;

use super::*;

#[derive(Debug, PartialEq)]
struct Load(u64);

impl Weigh for Load {
    fn weight(&self) -> u64 {
        self.0
    }
}

const LIMITS: EdgeLimits = EdgeLimits { items: 4, bytes: 100 };

fn make(limits: EdgeLimits) -> (Outlet<Load>, Inlet<Load>, CancelToken) {
    let cancel = CancelToken::new();
    let (outlet, inlet) = edge(EdgeId::SnapshotChunker, limits, &cancel);
    (outlet, inlet, cancel)
}

#[test]
fn items_arrive_in_order_and_then_the_end() {
    let (outlet, inlet, _cancel) = make(LIMITS);
    outlet.send(Load(1)).unwrap();
    outlet.send(Load(2)).unwrap();
    outlet.end();
    assert_eq!(inlet.recv(), Ok(Some(Load(1))));
    assert_eq!(inlet.recv(), Ok(Some(Load(2))));
    assert_eq!(inlet.recv(), Ok(None));
    assert_eq!(inlet.recv(), Ok(None));
}

#[test]
fn a_dropped_outlet_is_a_loss_and_no_end() {
    let (outlet, inlet, _cancel) = make(LIMITS);
    let other = outlet.clone();
    outlet.send(Load(1)).unwrap();
    outlet.end();
    drop(other);
    assert_eq!(inlet.recv(), Ok(Some(Load(1))));
    assert_eq!(inlet.recv(), Err(RecvError::UpstreamLost));
}

#[test]
fn every_inlet_sees_the_end() {
    let (outlet, inlet, _cancel) = make(EdgeLimits { items: 64, bytes: u64::MAX });
    let inlets: Vec<_> = (0..4).map(|_| inlet.clone()).collect();
    drop(inlet);
    let workers: Vec<_> = inlets
        .into_iter()
        .map(|inlet| {
            thread::spawn(move || {
                let mut seen = 0;
                while let Some(Load(load)) = inlet.recv().unwrap() {
                    seen += load;
                }
                seen
            })
        })
        .collect();
    for _ in 0..1000 {
        outlet.send(Load(3)).unwrap();
    }
    outlet.end();
    let total: u64 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    assert_eq!(total, 3000);
}

#[test]
fn a_gone_inlet_is_downstream_closed() {
    let (outlet, inlet, _cancel) = make(LIMITS);
    drop(inlet);
    assert_eq!(outlet.send(Load(1)), Err(SendError::DownstreamClosed));
}

#[test]
fn cancel_wakes_a_sender_that_waits_for_items_or_bytes_and_a_receiver() {
    for weight in [0, 100] {
        let (outlet, inlet, cancel) = make(EdgeLimits { items: 1, bytes: 100 });
        outlet.send(Load(weight)).unwrap();
        let sender = thread::spawn(move || outlet.send(Load(weight)));
        cancel.cancel();
        assert_eq!(sender.join().unwrap(), Err(SendError::Cancelled));
        drop(inlet);
    }
    let (_outlet, inlet, cancel) = make(LIMITS);
    let receiver = thread::spawn(move || inlet.recv());
    cancel.cancel();
    assert_eq!(receiver.join().unwrap(), Err(RecvError::Cancelled));
}

#[test]
fn bytes_are_bounded_and_an_oversized_item_passes_alone() {
    let (outlet, inlet, _cancel) = make(EdgeLimits { items: 100, bytes: 100 });
    outlet.send(Load(1_000)).unwrap();
    assert!(!outlet.shared.try_reserve(1), "the edge is over its limit");
    assert_eq!(inlet.recv(), Ok(Some(Load(1_000))));
    outlet.send(Load(60)).unwrap();
    assert!(!outlet.shared.try_reserve(41));
    outlet.send(Load(40)).unwrap();
    assert_eq!(outlet.shared.flow.queued_bytes.load(Ordering::SeqCst), 100);
}

/// Many senders that wait for bytes all get through: no signal is lost.
#[test]
fn no_sender_is_forgotten() {
    let (outlet, inlet, _cancel) = make(EdgeLimits { items: 1000, bytes: 10 });
    let start = Arc::new(Barrier::new(9));
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let (outlet, start) = (outlet.clone(), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                for turn in 0..500 {
                    outlet.send(Load((turn + sender) % 11)).unwrap();
                }
                outlet.end();
            })
        })
        .collect();
    outlet.end();
    start.wait();
    let mut received = 0;
    while inlet.recv().unwrap().is_some() {
        received += 1;
    }
    assert_eq!(received, 4000);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
}

#[test]
fn the_other_channel_has_priority_and_its_disconnect_is_silence() {
    let (outlet, inlet, _cancel) = make(LIMITS);
    let (results, other) = bounded(1);
    outlet.send(Load(1)).unwrap();
    results.send("done").unwrap();
    assert!(matches!(inlet.recv_or(&other), Ok(Received::Other("done"))));
    drop(results);
    assert!(matches!(inlet.recv_or(&other), Ok(Received::Item(Load(1)))));
    outlet.end();
    assert!(matches!(inlet.recv_or(&other), Ok(Received::End)));
}
