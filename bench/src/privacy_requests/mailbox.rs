//! A mail server that takes every mail and keeps none, on a thread of its own so that its cost can be left out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The server; it runs as long as the program.
pub(crate) struct Mailbox {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    /// Its thread's id.
    pub(crate) thread: u32,
    taken: Arc<AtomicU64>,
}

impl Mailbox {
    /// Starts it on a free port.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let (tell, told) = std::sync::mpsc::channel();
        let taken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&taken);
        std::thread::Builder::new()
            .name("mailbox".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_io()
                    .build();
                runtime.map(|runtime| runtime.block_on(listen(&tell, count)))
            })?;
        let (port, thread) = told.recv().context("the mail server did not start")?;
        Ok(Self {
            port,
            thread,
            taken,
        })
    }

    /// How many mails it took so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

async fn listen(
    tell: &std::sync::mpsc::Sender<(u16, u32)>,
    taken: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let thread = std::fs::read_link("/proc/thread-self")?;
    let thread = thread
        .file_name()
        .and_then(|name| name.to_str())
        .context("no thread id in /proc")?
        .parse()?;
    tell.send((listener.local_addr()?.port(), thread))?;
    loop {
        let (stream, _) = listener.accept().await?;
        let taken = Arc::clone(&taken);
        tokio::spawn(async move { converse(stream, &taken).await });
    }
}

async fn converse(stream: TcpStream, taken: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 bench\r\n").await?;
    let mut in_mail = false;
    while let Some(line) = lines.next_line().await? {
        let word = line.get(..4).unwrap_or_default();
        let answer: &[u8] = match word {
            _ if in_mail && line == "." => {
                in_mail = false;
                taken.fetch_add(1, Ordering::Relaxed);
                b"250 taken\r\n"
            }
            _ if in_mail => continue,
            "EHLO" => b"250-bench\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            "DATA" => {
                in_mail = true;
                b"354 go on\r\n"
            }
            "QUIT" => return write.write_all(b"221 bye\r\n").await,
            _ => b"250 ok\r\n",
        };
        write.write_all(answer).await?;
    }
    Ok(())
}
