//! Carrying bytes between two sockets.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    faults::{Cut, Direction, Shared, until},
    reset,
};

const CHUNK: usize = 64 << 10;
/// Chunks that may be under way for each direction: 4 MiB, what 100 ms of delay need for 40 MiB/s.
const WINDOW: usize = 64;

struct Parcel {
    data: Vec<u8>,
    due: Instant,
    cut: Option<Cut>,
}

/// Carries both directions until both sides have closed, or one failed, or a fault cut the connection.
pub(super) async fn both_ways(
    client: TcpStream,
    server: TcpStream,
    shared: Arc<Shared>,
    mut cuts: watch::Receiver<Option<Cut>>,
) {
    // The proxy is to add only the delays it was told to.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let carried = async {
        tokio::try_join!(
            one_way(&mut from_client, &mut to_server, &shared, Direction::ToServer),
            one_way(&mut from_server, &mut to_client, &shared, Direction::ToClient),
        )
    };
    let end = tokio::select! {
        end = carried => end.err(),
        _ = cuts.changed() => {
            let how = (*cuts.borrow()).unwrap_or(Cut::Reset);
            Some(End::Cut(how))
        }
    };
    match end {
        // Both sides closed in good order.
        None => return,
        Some(End::Cut(how)) => {
            shared.count(|counters| counters.cuts += 1);
            if how == Cut::Close {
                return;
            }
        }
        Some(End::Broken) => {}
    }
    for half in [to_client, to_server] {
        reset(half.as_ref());
        // Dropping it would send FIN first.
        half.forget();
    }
}

enum End {
    /// By a fault that was set.
    Cut(Cut),
    /// One of the sides failed; the other is to know.
    Broken,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

async fn one_way(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    shared: &Shared,
    direction: Direction,
) -> Result<(), End> {
    let (sender, mut queue) = mpsc::channel::<Parcel>(WINDOW);
    let receive = async move {
        let mut last = Instant::now();
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = from.read(&mut buffer).await?;
            shared.wait_while_black_hole().await;
            if length == 0 {
                return Ok(());
            }
            let mut data = buffer[..length].to_vec();
            let verdict = shared.judge(direction, &mut data);
            last = last.max(verdict.due);
            let parcel = Parcel {
                data,
                due: last,
                cut: verdict.cut,
            };
            if sender.send(parcel).await.is_err() {
                return Ok(());
            }
        }
    };
    let deliver = async move {
        while let Some(parcel) = queue.recv().await {
            until(parcel.due).await;
            shared.wait_while_black_hole().await;
            to.write_all(&parcel.data).await?;
            let bytes = parcel.data.len() as u64;
            shared.count(|counters| match direction {
                Direction::ToServer => counters.to_server += bytes,
                Direction::ToClient => counters.to_client += bytes,
            });
            if let Some(how) = parcel.cut {
                return Err(End::Cut(how));
            }
        }
        to.shutdown().await?;
        Ok(())
    };
    tokio::try_join!(receive, deliver).map(drop)
}
