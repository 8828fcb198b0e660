//! Mail over a real SMTP conversation, with a receiver that can be as unfriendly as real ones.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use connectors::email::{EmailChannel, EmailConfig, Mail, MailError, Mailer, SmtpConfig};
use connectors::{Channel, ChannelError};
use domain::outreach::OutreachAction;
use domain::recipient::VerificationLevel;
use domain::sensitive::Sensitive;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio_rustls::TlsAcceptor;

use crate::channel_support::{CALLBACK, notification, received, words};
use crate::http_server::Authority;

/// What a receiver answers on a line, counted from 0, after so many mails on it, to a command; as usual when `None`.
type Unfriendly = fn(usize, usize, &str) -> Option<&'static str>;

/// An answer with which a receiver hangs up.
const HANGS_UP: &str = "";
const LEAVES: &str = "421 idle for too long\r\n";

/// Receives mail: what came, and the names and addresses of the conversation.
#[derive(Clone, Default)]
struct Receiver {
    mails: Arc<Mutex<Vec<String>>>,
    commands: Arc<Mutex<Vec<String>>>,
    lines: Arc<AtomicUsize>,
    /// How many mails came in one piece with the dot that ends them.
    whole: Arc<AtomicUsize>,
    unfriendly: Option<Unfriendly>,
    /// Whether it never says anything.
    silent: bool,
    /// Whether it speaks TLS from the first byte, not by STARTTLS.
    wraps: bool,
}

impl Receiver {
    fn unfriendly(unfriendly: Unfriendly) -> Self {
        Self {
            unfriendly: Some(unfriendly),
            ..Self::default()
        }
    }

    async fn start(&self, acceptor: Option<TlsAcceptor>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if receiver.silent {
                    std::future::pending::<()>().await;
                }
                let number = receiver.lines.fetch_add(1, Ordering::Relaxed);
                let (receiver, acceptor) = (receiver.clone(), acceptor.clone());
                tokio::spawn(async move { receiver.serve(stream, acceptor, number).await });
            }
        });
        port
    }

    async fn serve(&self, mut stream: TcpStream, acceptor: Option<TlsAcceptor>, number: usize) {
        const GREETING: &[u8] = b"220 mail.test ESMTP\r\n";
        if !self.wraps {
            stream.write_all(GREETING).await.unwrap();
            let mut clear = BufReader::new(&mut stream);
            if !self.converse(&mut clear, acceptor.is_some(), number).await {
                return;
            }
        }
        // A client that doesn't trust us hangs up here.
        if let Some(acceptor) = acceptor
            && let Ok(mut stream) = acceptor.accept(stream).await
        {
            if self.wraps {
                stream.write_all(GREETING).await.unwrap();
            }
            self.converse(&mut BufReader::new(stream), false, number)
                .await;
        }
    }

    /// Speaks SMTP until QUIT, or until STARTTLS, which it says by `true`.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        offers_tls: bool,
        number: usize,
    ) -> bool {
        let mut line = String::new();
        let mut mails = 0;
        while {
            line.clear();
            stream.read_line(&mut line).await.unwrap_or(0) > 0
        } {
            self.commands
                .lock()
                .unwrap()
                .push(line.trim_end().to_owned());
            let usual = match line.split([' ', '\r']).next().unwrap_or_default() {
                "EHLO" if offers_tls => "250-mail.test\r\n250 STARTTLS\r\n",
                "EHLO" => "250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n",
                "STARTTLS" => "220 go on\r\n",
                "AUTH" => "235 welcome\r\n",
                "DATA" => "354 go on\r\n",
                "QUIT" => "221 bye\r\n",
                _ => "250 ok\r\n",
            };
            let answer = self.answer(number, mails, &line).unwrap_or(usual);
            stream.write_all(answer.as_bytes()).await.unwrap();
            if matches!(answer, HANGS_UP | LEAVES) {
                return false;
            }
            if line.starts_with("DATA") {
                let mut mail = String::new();
                let piece = stream.fill_buf().await.unwrap();
                let is_whole = piece.ends_with(b"\r\n.\r\n");
                self.whole
                    .fetch_add(usize::from(is_whole), Ordering::Relaxed);
                while {
                    line.clear();
                    stream.read_line(&mut line).await.unwrap() > 0 && line != ".\r\n"
                } {
                    mail.push_str(&line);
                }
                self.mails.lock().unwrap().push(mail);
                let answer = self.answer(number, mails, ".").unwrap_or("250 taken\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                if answer == HANGS_UP {
                    return false;
                }
                mails += 1;
            }
            if line.starts_with("STARTTLS") || line.starts_with("QUIT") {
                return line.starts_with("STARTTLS");
            }
        }
        false
    }

    fn answer(&self, number: usize, mails: usize, command: &str) -> Option<&'static str> {
        self.unfriendly
            .and_then(|unfriendly| unfriendly(number, mails, command))
    }

    fn mail(&self) -> String {
        self.mails.lock().unwrap().last().cloned().unwrap()
    }

    /// How many mails came, on how many lines.
    fn mails_and_lines(&self) -> (usize, usize) {
        (
            self.mails.lock().unwrap().len(),
            self.lines.load(Ordering::Relaxed),
        )
    }

    /// How often it heard a command.
    fn heard(&self, command: &str) -> usize {
        let commands = self.commands.lock().unwrap();
        commands
            .iter()
            .filter(|line| line.starts_with(command))
            .count()
    }
}

fn mailer(port: u16, change: Value) -> Result<Mailer, MailError> {
    let mut config = json!({"url": format!("smtp://shop:pass-word@localhost:{port}"), "tls": "none", "from": "Privacy desk <privacy@shop.example>", "timeout_seconds": 2});
    change
        .as_object()
        .unwrap()
        .iter()
        .for_each(|(name, value)| config[name.as_str()] = value.clone());
    Mailer::new(&serde_json::from_value::<SmtpConfig>(config).unwrap())
}

fn mail() -> Mail {
    Mail {
        to: Sensitive::new("mia@bakery.example".to_owned()),
        subject: "Your code".to_owned(),
        text: Sensitive::new("Your code is 123456.\n.\nThe line above is only a dot.\n".to_owned()),
        html: Some(Sensitive::new(
            "<p>Your code is <b>123456</b>.</p>".to_owned(),
        )),
        reply_to: Some("privacy-desk@shop.example".to_owned()),
        message_id: Some("code-1@shop.example".to_owned()),
    }
}

fn answer_to(command: &str, line: &str, answer: &'static str) -> Option<&'static str> {
    line.starts_with(command).then_some(answer)
}

fn mail_words(error: &MailError) -> String {
    let words = format!("{error} {error:?}");
    assert!(
        !words.contains("mia") && !words.contains("pass-word") && !words.contains("123456"),
        "{words}"
    );
    words
}

#[tokio::test]
async fn a_mail_arrives_whole_with_its_headers() {
    let receiver = Receiver::default();
    mailer(receiver.start(None).await, json!({}))
        .unwrap()
        .send(mail())
        .await
        .unwrap();
    let mail = receiver.mail();
    for header in [
        "From: \"Privacy desk\" <privacy@shop.example>",
        "To: mia@bakery.example",
        "Subject: Your code",
        "Reply-To: privacy-desk@shop.example",
        "Message-ID: <code-1@shop.example>",
        "Auto-Submitted: auto-generated",
        "Date: ",
    ] {
        assert!(mail.contains(header), "{header} is missing in\n{mail}");
    }
    assert!(
        mail.contains("multipart/alternative")
            && mail.contains("text/plain")
            && mail.contains("text/html")
    );
    assert!(mail.contains("123456") && mail.contains("The line above is only a dot."));
    let commands = receiver.commands.lock().unwrap().clone();
    // AUTH PLAIN with \0shop\0pass-word
    assert!(
        commands
            .iter()
            .any(|command| command.starts_with("AUTH PLAIN AHNob3AAcGFzcy13b3Jk")),
        "{commands:?}"
    );
    assert!(commands.contains(&"RCPT TO:<mia@bakery.example>".to_owned()));
}

#[tokio::test]
async fn nothing_can_be_smuggled_into_headers_or_the_envelope() {
    let receiver = Receiver::default();
    let mailer = mailer(receiver.start(None).await, json!({})).unwrap();
    let changes: [fn(&mut Mail); 8] = [
        |mail| mail.subject = "Hello\r\nBcc: everybody@shop.example".to_owned(),
        |mail| mail.subject = "Hello\nBcc: everybody@shop.example".to_owned(),
        |mail| {
            mail.to =
                Sensitive::new("mia@bakery.example\r\nRCPT TO:<everybody@shop.example>".to_owned())
        },
        |mail| mail.to = Sensitive::new("mia@bakery.example, everybody@shop.example".to_owned()),
        |mail| mail.to = Sensitive::new("mia@bakery.example> NOTIFY=NEVER".to_owned()),
        |mail| mail.to = Sensitive::new(String::new()),
        |mail| mail.reply_to = Some("a@b.example\r\nBcc: everybody@shop.example".to_owned()),
        |mail| mail.message_id = Some("1@shop.example>\r\nBcc: <everybody@shop.example".to_owned()),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut mail = mail();
        change(&mut mail);
        let error = mailer
            .send(mail)
            .await
            .err()
            .unwrap_or_else(|| panic!("change {number} went out"));
        assert!(
            matches!(error, MailError::Invalid(_)),
            "{}",
            mail_words(&error)
        );
    }
    assert!(receiver.commands.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_refuses_is_reported_by_its_code_alone() {
    const NO_MAILBOX: &str = "550 5.1.1 <mia@bakery.example>: no such mailbox\r\n";
    const GREYLISTED: &str = "451 4.7.1 mia@bakery.example is greylisted\r\n";
    let refusals: [(Unfriendly, &str, bool); 2] = [
        (
            |_, _, line| answer_to("RCPT", line, NO_MAILBOX),
            "550",
            false,
        ),
        (
            |_, _, line| answer_to("RCPT", line, GREYLISTED),
            "451",
            true,
        ),
    ];
    for (unfriendly, code, transient) in refusals {
        let receiver = Receiver::unfriendly(unfriendly);
        let error = mailer(receiver.start(None).await, json!({}))
            .unwrap()
            .send(mail())
            .await
            .unwrap_err();
        assert_eq!(error.is_transient(), transient);
        assert!(mail_words(&error).contains(code), "{}", mail_words(&error));
        assert!(receiver.mails.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_is_silent_or_away_can_be_tried_later() {
    let silent = Receiver {
        silent: true,
        ..Receiver::default()
    };
    let away = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for port in [silent.start(None).await, away] {
        let error = mailer(port, json!({"timeout_seconds": 1}))
            .unwrap()
            .send(mail())
            .await
            .unwrap_err();
        assert!(error.is_transient(), "{}", mail_words(&error));
    }
}

#[tokio::test]
async fn starttls_is_demanded_and_the_certificate_checked() {
    let (receiver, authority) = (Receiver::default(), Authority::new());
    let port = receiver.start(Some(authority.acceptor())).await;
    let trusting =
        |ca: &Authority| mailer(port, json!({"tls": "starttls", "trusted_ca": ca.pem()})).unwrap();
    let error = trusting(&Authority::new()).send(mail()).await.unwrap_err();
    assert!(error.is_transient(), "{}", mail_words(&error));
    assert!(receiver.mails.lock().unwrap().is_empty());
    trusting(&authority).send(mail()).await.unwrap();
    assert_eq!(receiver.mails.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn no_letter_leaves_in_clear_when_starttls_is_missing() {
    let plain = Receiver::default();
    let mailer = mailer(plain.start(None).await, json!({"tls": "starttls"})).unwrap();
    for error in [
        mailer.send(mail()).await.unwrap_err(),
        mailer.check().await.unwrap_err(),
    ] {
        assert!(mail_words(&error).contains("tls"), "{}", mail_words(&error));
    }
    assert_eq!(plain.mails_and_lines(), (0, 2));
    assert_eq!(plain.heard(""), plain.heard("EHLO"));
}

#[tokio::test]
async fn tls_from_the_first_byte_checks_the_certificate_too() {
    let authority = Authority::new();
    let receiver = Receiver {
        wraps: true,
        ..Receiver::default()
    };
    let port = receiver.start(Some(authority.acceptor())).await;
    let trusting =
        |ca: &Authority| mailer(port, json!({"tls": "tls", "trusted_ca": ca.pem()})).unwrap();
    let error = trusting(&Authority::new()).send(mail()).await.unwrap_err();
    assert!(error.is_transient(), "{}", mail_words(&error));
    assert_eq!(receiver.mails_and_lines(), (0, 1));
    let mailer = trusting(&authority);
    for _ in 0..2 {
        mailer.send(mail()).await.unwrap();
    }
    assert_eq!(receiver.mails_and_lines(), (2, 2));
    // Two pieces would come by Nagle's algorithm 40 ms apart.
    assert_eq!(receiver.whole.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_a_server_that_can_write_it() {
    const OFFERS: &str = "250-mail.test\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";
    let mut mail = mail();
    mail.to = Sensitive::new("mía@bakery.example".to_owned());
    let plain = Receiver::default();
    let error = signed_out(plain.start(None).await)
        .send(mail.clone())
        .await
        .unwrap_err();
    assert!(matches!(error, MailError::Refused(_)), "{error}");
    assert_eq!((plain.heard("MAIL"), plain.mails_and_lines().0), (0, 0));
    let able = Receiver::unfriendly(|_, _, line| answer_to("EHLO", line, OFFERS));
    let mailer = signed_out(able.start(None).await);
    mailer.send(mail).await.unwrap();
    mailer.send(self::mail()).await.unwrap();
    assert_eq!(able.mails_and_lines(), (2, 1));
    assert_eq!((able.heard("MAIL"), able.heard("RCPT TO:<mía@")), (2, 1));
}

fn signed_out(port: u16) -> Mailer {
    mailer(port, json!({"url": format!("smtp://localhost:{port}")})).unwrap()
}

#[tokio::test]
async fn letters_follow_one_another_on_one_line() {
    let (receiver, authority) = (Receiver::default(), Authority::new());
    let secure = json!({"tls": "starttls", "trusted_ca": authority.pem()});
    let secured = Receiver::default();
    for (receiver, mailer) in [
        (
            &receiver,
            mailer(receiver.start(None).await, json!({})).unwrap(),
        ),
        (
            &secured,
            mailer(secured.start(Some(authority.acceptor())).await, secure).unwrap(),
        ),
    ] {
        for _ in 0..3 {
            mailer.send(mail()).await.unwrap();
        }
        assert_eq!(receiver.mails_and_lines(), (3, 1));
        assert_eq!((receiver.heard("AUTH"), receiver.heard("NOOP")), (1, 0));
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_between_letters_costs_a_new_line_and_no_letter() {
    let ways: [Unfriendly; 2] = [
        |_, mails, _| (mails > 0).then_some(HANGS_UP),
        |_, mails, _| (mails > 0).then_some(LEAVES),
    ];
    for unfriendly in ways {
        let receiver = Receiver::unfriendly(unfriendly);
        let mailer = mailer(receiver.start(None).await, json!({})).unwrap();
        for _ in 0..3 {
            mailer.send(mail()).await.unwrap();
        }
        assert_eq!(receiver.mails_and_lines(), (3, 3));
    }
}

#[tokio::test]
async fn a_new_line_on_which_the_server_hangs_up_is_the_error() {
    let receiver = Receiver::unfriendly(|line, mails, _| (line + mails > 0).then_some(HANGS_UP));
    let mailer = mailer(receiver.start(None).await, json!({})).unwrap();
    mailer.send(mail()).await.unwrap();
    let error = mailer.send(mail()).await.unwrap_err();
    assert!(error.is_transient(), "{}", mail_words(&error));
    assert_eq!(receiver.mails_and_lines(), (1, 2));
}

#[tokio::test]
async fn a_refused_letter_is_not_repeated_and_its_line_not_taken_again() {
    let receiver = Receiver::unfriendly(|_, mails, line| {
        (mails > 0 && line.starts_with("RCPT")).then_some("451 later\r\n")
    });
    let mailer = mailer(receiver.start(None).await, json!({})).unwrap();
    mailer.send(mail()).await.unwrap();
    let error = mailer.send(mail()).await.unwrap_err();
    assert!(mail_words(&error).contains("451"), "{}", mail_words(&error));
    assert_eq!(receiver.mails_and_lines(), (1, 1));
    mailer.send(mail()).await.unwrap();
    assert_eq!(receiver.mails_and_lines(), (2, 2));
}

#[tokio::test]
async fn a_letter_that_comes_twice_is_known_by_its_message_id() {
    let receiver =
        Receiver::unfriendly(|_, mails, line| (mails > 0 && line == ".").then_some(HANGS_UP));
    let mailer = mailer(receiver.start(None).await, json!({})).unwrap();
    let mut without_id = mail();
    without_id.message_id = None;
    for _ in 0..2 {
        mailer.send(without_id.clone()).await.unwrap();
    }
    let mails = receiver.mails.lock().unwrap().clone();
    let [first, taken, repeated] = mails.as_slice() else {
        panic!("{} mails", mails.len());
    };
    assert!(taken.contains("Message-ID: <"));
    assert_eq!(taken, repeated);
    assert_ne!(taken, first);
}

#[tokio::test]
async fn a_check_signs_in_and_sends_nothing() {
    let receiver = Receiver::default();
    let mailer = mailer(receiver.start(None).await, json!({})).unwrap();
    mailer.check().await.unwrap();
    assert_eq!((receiver.heard("AUTH"), receiver.heard("QUIT")), (1, 1));
    assert_eq!(receiver.heard("MAIL"), 0);
    let strict = Receiver::unfriendly(|_, _, line| answer_to("AUTH", line, "535 no\r\n"));
    let error = self::mailer(strict.start(None).await, json!({}))
        .unwrap()
        .check()
        .await
        .unwrap_err();
    assert!(
        mail_words(&error).contains("535; check the name and password"),
        "{}",
        mail_words(&error)
    );
}

#[tokio::test]
async fn name_and_password_are_percent_decoded() {
    let receiver = Receiver::default();
    let port = receiver.start(None).await;
    let url = format!("smtp://shop%40bakery:p%3a%25+%C3%BC%2@localhost:{port}");
    mailer(port, json!({"url": url}))
        .unwrap()
        .check()
        .await
        .unwrap();
    let expected = BASE64.encode("\0shop@bakery\0p:%+ü%2");
    assert_eq!(receiver.heard(&format!("AUTH PLAIN {expected}")), 1);
}

#[test]
fn a_letter_leaves_whatever_became_of_the_runtime_of_the_letter_before() {
    let current = || {
        runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let receivers = runtime::Runtime::new().unwrap();
    for ends in [true, false] {
        let receiver = Receiver::default();
        let port = receivers.block_on(receiver.start(None));
        let mailer = mailer(port, json!({})).unwrap();
        let (first, second) = (current(), current());
        first.block_on(mailer.send(mail())).unwrap();
        // A runtime that nobody drives would leave a letter on its line waiting.
        let idle = (!ends).then_some(first);
        for _ in 0..2 {
            second.block_on(mailer.send(mail())).unwrap();
        }
        assert_eq!(receiver.mails_and_lines(), (3, 2));
        drop(idle);
    }
}

#[tokio::test]
async fn configurations_that_cannot_work_are_refused() {
    let refused = |change: Value| {
        mailer(25, change)
            .err()
            .map(|error| mail_words(&error))
            .unwrap_or_default()
    };
    assert_eq!(refused(json!({})), "");
    assert!(
        refused(json!({"url": "smtp://shop:pass-word@mail.example"})).contains("allow_insecure")
    );
    assert_eq!(
        refused(json!({"url": "smtp://shop:pass-word@mail.example", "tls": "starttls"})),
        ""
    );
    assert_eq!(
        refused(json!({"url": "smtps://shop:p%40ss@mail.example"})),
        ""
    );
    assert!(refused(json!({"url": "http://mail.example"})).contains("smtp://"));
    assert!(refused(json!({"url": "pass-word"})).contains("url"));
    assert!(refused(json!({"url": "smtps://shop:%FF@mail.example"})).contains("url"));
    assert!(refused(json!({"from": "privacy"})).contains("from"));
    assert!(refused(json!({"tls": "starttls", "trusted_ca": "x"})).contains("trusted_ca"));
}

fn channel(mailer: Mailer, to: &str) -> Result<EmailChannel, ChannelError> {
    let config: EmailConfig =
        serde_json::from_value(json!({"to": to, "reply_to": "privacy@shop.example"})).unwrap();
    EmailChannel::new("market_place".into(), config, Arc::new(mailer))
}

/// A mail's parts, decoded enough to read: soft line breaks and the few encoded characters.
fn readable(mail: &str) -> String {
    mail.replace("=\r\n", "")
        .replace("=3D", "=")
        .replace("=20", " ")
        .replace("\r\n", "\n")
}

#[tokio::test]
async fn a_privacy_desk_reads_what_to_do_for_whom_by_when_and_where_to_answer() {
    let receiver = Receiver::default();
    let channel = channel(
        mailer(receiver.start(None).await, json!({})).unwrap(),
        "desk@market.example",
    )
    .unwrap();
    let delivery = channel
        .send(&notification(OutreachAction::Delete))
        .await
        .unwrap();
    assert_eq!(
        (delivery.level, delivery.answer),
        (VerificationLevel::Sent, None)
    );
    let mail = readable(&receiver.mail());
    assert!(
        mail.contains("Subject: Please delete personal data by 2026-12-05 (Bread & Butter)"),
        "{mail}"
    );
    assert!(mail.contains("Message-ID: <out_00000000000000000000000000000001@shop.example>"));
    let (text, html) = mail.split_once("text/html").unwrap();
    assert!(
        text.contains("email: Mia@Bakery.example")
            && text.contains("customer number: C-77<b>")
            && text.contains(&format!("\n{CALLBACK}\n"))
            && text.contains("By our records you received: E-mail <b> address.")
            && text.contains("What we give you may also have held: Name.")
    );
    assert!(
        html.contains("<strong>C-77&lt;b&gt;</strong>")
            && html.contains("Bread &amp; Butter")
            && !html.contains("<b>")
    );
    assert_eq!(html.matches("href=").count(), 1);
    assert!(html.contains(&format!("href=\"{CALLBACK}\"")) && html.contains("2026-12-05"));
}

#[tokio::test]
async fn a_reminder_and_an_opt_out_say_so() {
    let receiver = Receiver::default();
    let channel = channel(
        mailer(receiver.start(None).await, json!({})).unwrap(),
        "desk@market.example",
    )
    .unwrap();
    channel
        .remind(&notification(OutreachAction::OptOut))
        .await
        .unwrap();
    let mail = readable(&receiver.mail());
    assert!(
        mail.contains("Reminder: Please stop selling and sharing personal data"),
        "{mail}"
    );
    assert!(
        mail.contains("have no answer yet")
            && !mail.contains("<out_00000000000000000000000000000001@")
    );
}

#[tokio::test]
async fn values_cannot_pretend_to_be_lines_of_the_letter() {
    let receiver = Receiver::default();
    let channel = channel(
        mailer(receiver.start(None).await, json!({})).unwrap(),
        "desk@market.example",
    )
    .unwrap();
    let mut forged = notification(OutreachAction::Delete);
    forged.business = "Bread\r\nBcc: everybody@shop.example".to_owned();
    forged.identifiers[0].1 =
        Sensitive::new("a\n\nPlease answer at https://evil.example instead".to_owned());
    channel.send(&forged).await.unwrap();
    let mail = readable(&receiver.mail());
    assert!(
        !mail.contains("\nBcc:") && !mail.contains("\nPlease answer at"),
        "{mail}"
    );
}

#[tokio::test]
async fn mail_is_never_taken_for_a_verified_answer() {
    let receiver = Receiver::default();
    let port = receiver.start(None).await;
    let channel = channel(mailer(port, json!({})).unwrap(), "desk@market.example").unwrap();
    let error = channel
        .verify_answer(&received(&[], b"done"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ChannelError::NotAuthentic { .. }),
        "{}",
        words(&error)
    );
    assert_eq!(
        channel
            .probe(&notification(OutreachAction::Delete))
            .await
            .unwrap(),
        None
    );
    let refused = self::channel(mailer(port, json!({})).unwrap(), "mia@")
        .err()
        .unwrap();
    assert!(words(&refused).contains("`to`"));
}
