//! The least that "durable before the answer leaves" costs whoever answers: a thread that appends what waits to a file, waits for the disk once
//! for all of it, and wakes each. No decision, no facts, no chain, no database.

use std::io::Write as _;
use std::sync::mpsc;

use anyhow::Context as _;
use tokio::sync::oneshot;

/// About as long as a record of a disclosure.
const RECORD: [u8; 400] = [7; 400];

/// The file's thread; it ends with the last of these.
#[derive(Clone)]
pub(crate) struct Floor(mpsc::Sender<oneshot::Sender<()>>);

impl Floor {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut file = tempfile::tempfile()?;
        let (sender, waiting) = mpsc::channel::<oneshot::Sender<()>>();
        let run = move || -> std::io::Result<()> {
            while let Ok(first) = waiting.recv() {
                let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
                file.write_all(&RECORD.repeat(group.len()))?;
                file.sync_data()?;
                for one in group {
                    // A caller that went away needs no answer.
                    let _ = one.send(());
                }
            }
            Ok(())
        };
        // When the disk fails, everybody who waits is told so by the end of the channel.
        std::thread::Builder::new()
            .name("floor".to_owned())
            .spawn(run)?;
        Ok(Self(sender))
    }

    /// Returns when a record is on the disk.
    pub(crate) async fn record(&self) -> anyhow::Result<()> {
        let (reply, answer) = oneshot::channel();
        self.0.send(reply).ok().context("the disk failed")?;
        answer.await.context("the disk failed")
    }
}
