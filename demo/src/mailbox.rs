//! The demo's mail server: takes every mail by SMTP (RFC 5321), delivers none, and shows them all on a page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::loopback::{self, Now};
use crate::mail::Mail;

/// More than any mail of ours ever has.
const LARGEST_MAIL: usize = 1 << 20;
/// The longest line of the protocol.
const LONGEST_LINE: u64 = 4_096;

/// Every mail that was sent. Clones share it.
#[derive(Clone)]
pub struct Mailbox {
    /// Where it takes mail: `smtp://127.0.0.1:…`.
    pub smtp: String,
    /// The page that shows the mails.
    pub url: String,
    kept: Arc<Kept>,
}

struct Kept {
    now: Now,
    mails: Mutex<Vec<(Timestamp, Mail)>>,
    arrived: Notify,
}

/// Starts the mail server and its page.
///
/// # Errors
/// No port is free.
pub async fn start(servers: &mut JoinSet<()>, now: Now) -> anyhow::Result<Mailbox> {
    let kept = Arc::new(Kept {
        now,
        mails: Mutex::default(),
        arrived: Notify::new(),
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let smtp = format!("smtp://{}", listener.local_addr()?);
    servers.spawn(accept(listener, Arc::clone(&kept)));
    let url = loopback::serve(
        servers,
        Router::new()
            .route("/", get(front))
            .with_state(Arc::clone(&kept)),
    )
    .await?;
    Ok(Mailbox { smtp, url, kept })
}

impl Mailbox {
    /// All mails, the oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.kept
            .mails()
            .iter()
            .map(|(_, mail)| mail.clone())
            .collect()
    }

    /// Waits for a mail to `to` whose subject line holds `about`, among those after the first `after` mails; `None` when none came in time.
    pub async fn wait_for(&self, after: usize, to: &str, about: &str) -> Option<Mail> {
        let found = async {
            loop {
                let arrived = self.kept.arrived.notified();
                let wanted =
                    |mail: &Mail| mail.to.eq_ignore_ascii_case(to) && mail.subject.contains(about);
                let mail = self.mails().into_iter().skip(after).find(wanted);
                if mail.is_some() {
                    return mail;
                }
                arrived.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found)
            .await
            .ok()
            .flatten()
    }
}

impl Kept {
    fn mails(&self) -> MutexGuard<'_, Vec<(Timestamp, Mail)>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, to: &[String], raw: &str) {
        self.mails()
            .extend(to.iter().map(|to| ((self.now)(), Mail::read(to, raw))));
        self.arrived.notify_waiters();
    }
}

async fn accept(listener: TcpListener, kept: Arc<Kept>) {
    while let Ok((stream, _)) = listener.accept().await {
        let kept = Arc::clone(&kept);
        tokio::spawn(async move {
            if let Err(error) = converse(stream, &kept).await {
                tracing::debug!(cause = %error, "a mail conversation broke off");
            }
        });
    }
}

/// One conversation, which may hand over several mails.
async fn converse(stream: TcpStream, kept: &Kept) -> std::io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let mut to: Vec<String> = Vec::new();
    let mut is_begun = false;
    writing.write_all(b"220 mailbox of the demo\r\n").await?;
    while let Some(line) = read_line(&mut reading).await? {
        let command = line.trim_end();
        let verb = command
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-demo\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 1048576\r\n",
            "HELO" | "NOOP" => "250 fine\r\n",
            "MAIL" => {
                (to, is_begun) = (Vec::new(), true);
                "250 go on\r\n"
            }
            "RCPT" if is_begun => {
                to.extend(address(command));
                "250 go on\r\n"
            }
            "DATA" if !to.is_empty() => {
                writing
                    .write_all(b"354 end with a point on a line of its own\r\n")
                    .await?;
                let Some(raw) = read_mail(&mut reading).await? else {
                    return writing.write_all(b"552 too large\r\n").await;
                };
                kept.keep(&to, &raw);
                (to, is_begun) = (Vec::new(), false);
                "250 kept\r\n"
            }
            "RCPT" | "DATA" => "503 not yet\r\n",
            "RSET" => {
                (to, is_begun) = (Vec::new(), false);
                "250 fine\r\n"
            }
            "QUIT" => return writing.write_all(b"221 bye\r\n").await,
            _ => "502 not spoken here\r\n",
        };
        writing.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

type Reading = BufReader<tokio::net::tcp::OwnedReadHalf>;

async fn read_line(reading: &mut Reading) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let length = reading
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut line)
        .await?;
    Ok((length > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
}

/// A mail up to its last point, with doubled points made single; `None` when it is too large.
async fn read_mail(reading: &mut Reading) -> std::io::Result<Option<String>> {
    let mut raw = String::new();
    while let Some(line) = read_line(reading).await? {
        if line.trim_end() == "." {
            return Ok(Some(raw));
        }
        raw.push_str(line.strip_prefix('.').unwrap_or(&line));
        if raw.len() > LARGEST_MAIL {
            return Ok(None);
        }
    }
    Ok(None)
}

fn address(command: &str) -> Option<String> {
    let (_, from) = command.split_once('<')?;
    from.split_once('>').map(|(address, _)| address.to_owned())
}

async fn front(State(kept): State<Arc<Kept>>) -> Html<String> {
    let articles: String = kept
        .mails()
        .iter()
        .rev()
        .map(|(at, mail)| article(*at, mail))
        .collect();
    let words = if articles.is_empty() {
        "<p>No mail was sent yet.</p>"
    } else {
        "<p>Every mail that was sent, the newest first. None of them left this machine.</p>"
    };
    Html(loopback::page("Mailbox", &format!("{words}{articles}")))
}

fn article(at: Timestamp, mail: &Mail) -> String {
    let moment = at.strftime("%-d %B %Y, %H:%M:%S UTC");
    let (subject, to, from) = (
        loopback::escape(&mail.subject),
        loopback::escape(&mail.to),
        loopback::escape(&mail.from),
    );
    format!(
        "<article><h2>{subject}</h2><p class=\"soft\">to {to} · from {from} · {moment}</p><pre>{}</pre></article>",
        with_links(&mail.text)
    )
}

/// A text as HTML in which addresses of this machine can be clicked.
fn with_links(text: &str) -> String {
    let word = |word: &str| {
        let escaped = loopback::escape(word);
        if word.starts_with("http://127.0.0.1:") {
            format!("<a href=\"{escaped}\">{escaped}</a>")
        } else {
            escaped
        }
    };
    text.split_inclusive(char::is_whitespace)
        .map(|piece| {
            let bare = piece.trim_end();
            format!(
                "{}{}",
                word(bare),
                piece.get(bare.len()..).unwrap_or_default()
            )
        })
        .collect()
}
