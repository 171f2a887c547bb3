//! Edges: items a second from one and from four senders to one receiver, each on a thread of its own.

use std::time::Duration;

use cairn_actors::cancel::CancelToken;
use cairn_actors::edge::{EdgeLimits, Weigh, edge};
use cairn_actors::metrics::EdgeId;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// An item that is counted by number, and by bytes unless it is weightless.
#[derive(Debug, Clone, Copy)]
struct Item {
    bytes: u64,
}

impl Weigh for Item {
    fn weight(&self) -> u64 {
        self.bytes
    }
}

/// Enough that starting the threads does not count.
const ITEMS: u64 = 100_000;

fn edges(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("edge");
    group.throughput(Throughput::Elements(ITEMS));
    for senders in [1, 4] {
        for (name, bytes) in [("weightless", 0), ("1 MiB of 16", 1 << 20)] {
            let name = format!("{senders} to 1, {name}");
            group.bench_function(name, |bencher| {
                bencher.iter(|| assert_eq!(carry(senders, Item { bytes }), ITEMS));
            });
        }
    }
}

/// Sends all items through a new edge, and counts what arrives.
fn carry(senders: u64, item: Item) -> u64 {
    let limits = EdgeLimits { items: 64, bytes: 16 << 20 };
    let (outlet, inlet) = edge(EdgeId::ChunkerChecksum, limits, &CancelToken::new());
    let outlets: Vec<_> = (1..senders).map(|_| outlet.clone()).chain([outlet.clone()]).collect();
    outlet.end();
    std::thread::scope(|scope| {
        for outlet in outlets {
            scope.spawn(move || {
                for _ in 0..ITEMS / senders {
                    if outlet.send(item).is_err() {
                        return;
                    }
                }
                outlet.end();
            });
        }
        let mut received = 0;
        while let Ok(Some(_)) = inlet.recv() {
            received += 1;
        }
        received
    })
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = stages;
    config = short();
    targets = edges
}
criterion_main!(stages);
