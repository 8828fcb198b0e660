//! Lines to the mail server: one is opened when a letter has none, and kept a while for the next letter.
//!
//! Lettre's pool asks an idle line by NOOP whether it still holds. And lettre writes a letter and the dot that ends it apart, with
//! Nagle's algorithm on: the dot waited for the other side's delayed acknowledgement, some 40 ms a letter.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use tokio::net::TcpStream;
use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::{MailError, broken, refusal, too_late};

/// How long an idle line may be taken again. Servers wait for five minutes at least (RFC 5321, 4.5.3.2.7).
const KEPT: Duration = Duration::from_secs(30);
/// How many idle lines are kept.
const MOST: usize = 10;
/// How long one address of the server may take to answer.
const DIALING: Duration = Duration::from_secs(10);
/// How long a server may take to say goodbye.
const PARTING: Duration = Duration::from_secs(1);

/// Where the mail server is, and how it is spoken to.
pub(super) struct Server {
    /// Its name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    /// With what we sign in, if we do.
    pub(super) credentials: Option<Credentials>,
}

/// What protects a line.
pub(super) enum Security {
    /// STARTTLS; a server that doesn't offer it gets no letter.
    Starttls(TlsParameters),
    /// TLS from the first byte.
    Tls(TlsParameters),
    /// Nothing.
    Clear,
}

/// The lines to one mail server.
pub(super) struct Lines {
    server: Server,
    idle: Arc<Mutex<Idle>>,
    /// How long an idle line may be taken again.
    kept: Duration,
}

#[derive(Default)]
struct Idle {
    /// In the order in which they were put back.
    lines: Vec<IdleLine>,
    /// What closes old ones when no letter comes.
    watch: Option<AbortHandle>,
}

struct IdleLine {
    line: AsyncSmtpConnection,
    since: Instant,
    /// A socket wakes up by the runtime that opened it: on another one a letter would wait for a stranger, or for ever.
    runtime: Id,
}

impl Lines {
    /// No line yet.
    pub(super) fn new(server: Server) -> Self {
        Self {
            server,
            idle: Arc::default(),
            kept: KEPT,
        }
    }

    /// Sends one letter; when this returns, the server has taken it.
    ///
    /// A kept line on which the server has hung up meanwhile costs a second try on a new one. Should the server have taken the letter
    /// and hung up before it said so, it gets the letter twice, and knows it by its `Message-ID`.
    pub(super) async fn send(&self, letter: &Message) -> Result<(), MailError> {
        let text = letter.formatted();
        if let Some(line) = self.take(Instant::now()) {
            match self.send_on(line, letter.envelope(), &text).await {
                Err(error) if has_hung_up(&error) => {}
                sent => return sent.map_err(|error| refusal(&error)),
            }
        }
        let line = self.server.open().await?;
        let sent = self.send_on(line, letter.envelope(), &text).await;
        sent.map_err(|error| refusal(&error))
    }

    /// INVARIANT: after an error the line is not kept, its conversation may be out of step.
    async fn send_on(
        &self,
        mut line: AsyncSmtpConnection,
        envelope: &Envelope,
        text: &[u8],
    ) -> Result<(), Error> {
        let sent = converse(&mut line, envelope, text).await;
        match &sent {
            Ok(()) => self.keep(line),
            Err(_) => drop(tokio::spawn(part(line))),
        }
        sent
    }

    /// Whether the server answers on a new line, signed in.
    pub(super) async fn check(&self) -> Result<bool, MailError> {
        let mut line = self.server.open().await?;
        let answers = line.test_connected().await;
        part(line).await;
        Ok(answers)
    }

    /// The line of this runtime that was used last.
    fn take(&self, now: Instant) -> Option<AsyncSmtpConnection> {
        let mut idle = lock(&self.idle);
        idle.close_old(now, self.kept);
        let runtime = Handle::current().id();
        let place = idle
            .lines
            .iter()
            .rposition(|line| line.runtime == runtime)?;
        Some(idle.lines.remove(place).line)
    }

    fn keep(&self, line: AsyncSmtpConnection) {
        let mut idle = lock(&self.idle);
        if idle.lines.len() >= MOST {
            tokio::spawn(part(idle.lines.remove(0).line));
        }
        idle.lines.push(IdleLine {
            line,
            since: Instant::now(),
            runtime: Handle::current().id(),
        });
        // The runtime of the last watch may have ended, and the watch with it.
        if idle.watch.as_ref().is_none_or(AbortHandle::is_finished) {
            let watch = tokio::spawn(watch(Arc::clone(&self.idle), self.kept));
            idle.watch = Some(watch.abort_handle());
        }
    }
}

impl Idle {
    fn close_old(&mut self, now: Instant, kept: Duration) {
        let is_old = |line: &mut IdleLine| now.saturating_duration_since(line.since) >= kept;
        for old in self.lines.extract_if(.., is_old) {
            tokio::spawn(part(old.line));
        }
    }
}

/// Closes old lines until none is left.
async fn watch(idle: Arc<Mutex<Idle>>, kept: Duration) {
    loop {
        sleep(kept).await;
        let mut idle = lock(&idle);
        idle.close_old(Instant::now(), kept);
        if idle.lines.is_empty() {
            idle.watch = None;
            return;
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The conversation for one letter.
async fn converse(
    line: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    text: &[u8],
) -> Result<(), Error> {
    let Some(text) = ascii(envelope, text) else {
        // An address beyond ASCII, which is rare: lettre knows which extensions the server must offer for it.
        return line.send(envelope, text).await.map(drop);
    };
    let sender = envelope.from().cloned();
    line.command(Mail::new(sender, Vec::new())).await?;
    for to in envelope.to() {
        line.command(Rcpt::new(to.clone(), Vec::new())).await?;
    }
    line.command(Data).await?;
    // One write: `line.send` needs two, of which the second waits where Nagle's algorithm is on.
    line.command(with_end(text)).await.map(drop)
}

/// The text, when it and the addresses need nothing beyond ASCII.
fn ascii<'a>(envelope: &Envelope, text: &'a [u8]) -> Option<&'a str> {
    let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    std::str::from_utf8(text)
        .ok()
        .filter(|text| text.is_ascii() && addresses.all(is_ascii))
}

/// A letter as it is sent, with the dot that ends it. No line of its own looks like that dot (RFC 5321, 4.5.2).
fn with_end(text: &str) -> String {
    let dot = if text.starts_with('.') { "." } else { "" };
    format!("{dot}{}\r\n.\r\n", text.replace("\r\n.", "\r\n.."))
}

async fn part(mut line: AsyncSmtpConnection) {
    // Whatever it answers, we are done with it.
    let _answer = timeout(PARTING, line.quit()).await;
}

/// Whether the server has hung up: without a word, or with 421 (RFC 5321, 3.8).
fn has_hung_up(error: &Error) -> bool {
    match error.status() {
        Some(code) => u16::from(code) == 421,
        None => !error.is_client(),
    }
}

impl Server {
    /// A line on which letters can be sent.
    async fn open(&self) -> Result<AsyncSmtpConnection, MailError> {
        let mut line = self.connect().await?;
        if let Some(credentials) = &self.credentials {
            line.auth(DEFAULT_MECHANISMS, credentials)
                .await
                .map_err(|error| refusal(&error))?;
        }
        Ok(line)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let hello = ClientId::default();
        let line = match &self.security {
            Security::Clear => {
                AsyncSmtpConnection::connect_with_transport(Box::new(self.dial().await?), &hello)
                    .await
            }
            Security::Starttls(tls) => {
                let stream = Box::new(self.dial().await?);
                starttls(stream, tls.clone(), &hello).await
            }
            // Lettre opens this socket itself and doesn't lend it, so that Nagle's algorithm stays on: it takes a stream of ours
            // in clear only, or through a type that it has deprecated. [`converse`] gives the algorithm nothing to hold back.
            Security::Tls(tls) => {
                let server = (self.host.as_str(), self.port);
                AsyncSmtpConnection::connect_tokio1(
                    server,
                    Some(DIALING),
                    &hello,
                    Some(tls.clone()),
                    None,
                )
                .await
            }
        };
        line.map_err(|error| refusal(&error))
    }

    /// The first of the server's addresses that answers.
    async fn dial(&self) -> Result<TcpStream, MailError> {
        let mut failure = broken();
        let addresses = tokio::net::lookup_host((self.host.as_str(), self.port));
        for address in addresses.await.map_err(|_| broken())? {
            match timeout(DIALING, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(|_| broken())?;
                    return Ok(stream);
                }
                Ok(Err(error)) if error.kind() != io::ErrorKind::TimedOut => failure = broken(),
                Ok(Err(_)) | Err(_) => failure = too_late(),
            }
        }
        Err(failure)
    }
}

/// A line that is secured before anything is said on it; fails when the server doesn't offer that.
async fn starttls(
    stream: Box<TcpStream>,
    tls: TlsParameters,
    hello: &ClientId,
) -> Result<AsyncSmtpConnection, Error> {
    let mut line = AsyncSmtpConnection::connect_with_transport(stream, hello).await?;
    line.starttls(tls, hello).await?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )]

    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;
    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    /// Lines to a server that is content with everything, and the commands that it hears.
    async fn lines() -> (Lines, UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (says, heard) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let says = says.clone();
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    stream.write_all(b"220 mail.test\r\n").await.unwrap();
                    let mut command = String::new();
                    while stream.read_line(&mut command).await.unwrap_or(0) > 0 {
                        let _ended = says.send(command.trim_end().to_owned());
                        stream.write_all(b"250 ok\r\n").await.unwrap();
                        command.clear();
                    }
                });
            }
        });
        let server = Server {
            host: "localhost".to_owned(),
            port,
            security: Security::Clear,
            credentials: None,
        };
        (Lines::new(server), heard)
    }

    async fn hear(heard: &mut UnboundedReceiver<String>, command: &str) {
        while heard.recv().await.unwrap() != command {}
    }

    #[test]
    fn no_line_of_a_letter_ends_it() {
        for (text, sent) in [
            ("Hello", "Hello\r\n.\r\n"),
            (".\r\n.\r\n..", "..\r\n..\r\n...\r\n.\r\n"),
            ("\r\r\n.\r\n", "\r\r\n..\r\n\r\n.\r\n"),
            ("a.\r\nb.c", "a.\r\nb.c\r\n.\r\n"),
        ] {
            assert_eq!(with_end(text), sent);
        }
    }

    fn since(lines: &Lines) -> Instant {
        lock(&lines.idle).lines[0].since
    }

    #[tokio::test]
    async fn the_end_of_a_letter_waits_for_no_acknowledgement() {
        let (lines, _heard) = lines().await;
        assert!(lines.server.dial().await.unwrap().nodelay().unwrap());
    }

    #[tokio::test]
    async fn a_line_is_taken_again_while_it_is_fresh_and_closed_when_it_is_old() {
        let (lines, mut heard) = lines().await;
        lines.keep(lines.server.open().await.unwrap());
        let nearly = since(&lines) + KEPT - Duration::from_nanos(1);
        lines.keep(lines.take(nearly).unwrap());
        assert!(lines.take(since(&lines) + KEPT).is_none());
        hear(&mut heard, "QUIT").await;
        assert!(lock(&lines.idle).lines.is_empty());
    }

    #[tokio::test]
    async fn an_idle_line_is_closed_when_no_letter_comes() {
        let (mut lines, mut heard) = lines().await;
        lines.kept = Duration::ZERO;
        for _ in 0..2 {
            lines.keep(lines.server.open().await.unwrap());
            hear(&mut heard, "QUIT").await;
            assert!(lock(&lines.idle).lines.is_empty());
        }
    }

    #[tokio::test]
    async fn the_oldest_of_too_many_idle_lines_is_closed() {
        let (lines, mut heard) = lines().await;
        for _ in 0..=MOST {
            lines.keep(lines.server.open().await.unwrap());
        }
        hear(&mut heard, "QUIT").await;
        assert_eq!(lock(&lines.idle).lines.len(), MOST);
    }

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_line_whose_runtime_has_ended_counts_as_hung_up() {
        let servers = Builder::new_multi_thread().enable_all().build().unwrap();
        let (lines, _heard) = servers.block_on(lines());
        let (first, second) = (runtime(), runtime());
        let line = || first.block_on(lines.server.open()).unwrap();
        let (mut sends, parts) = (line(), line());
        drop(first);
        let address = || "mia@bakery.example".parse().unwrap();
        let envelope = Envelope::new(Some(address()), vec![address()]).unwrap();
        let error = second
            .block_on(converse(&mut sends, &envelope, b""))
            .unwrap_err();
        assert!(has_hung_up(&error), "{error}");
        second.block_on(part(parts));
    }
}
