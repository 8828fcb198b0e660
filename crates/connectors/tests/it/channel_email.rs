//! Mail over a real SMTP conversation, with a receiver that can be as unfriendly as real ones.

use std::sync::{Arc, Mutex};

use connectors::email::{EmailChannel, EmailConfig, Mail, MailError, Mailer, SmtpConfig};
use connectors::{Channel, ChannelError};
use domain::outreach::OutreachAction;
use domain::recipient::VerificationLevel;
use domain::sensitive::Sensitive;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::channel_support::{CALLBACK, notification, received, words};
use crate::http_server::Authority;

/// Receives mail: what came, and the names and addresses of the conversation.
#[derive(Clone, Default)]
struct Receiver {
    mails: Arc<Mutex<Vec<String>>>,
    commands: Arc<Mutex<Vec<String>>>,
    /// What it answers to RCPT instead of taking it.
    refuses: Option<&'static str>,
    /// Whether it never says anything.
    silent: bool,
}

impl Receiver {
    async fn start(&self, acceptor: Option<TlsAcceptor>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = self.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                if receiver.silent {
                    std::future::pending::<()>().await;
                }
                stream.write_all(b"220 mail.test ESMTP\r\n").await.unwrap();
                let (receiver, acceptor) = (receiver.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let upgraded = receiver
                        .converse(&mut BufReader::new(&mut stream), acceptor.is_some())
                        .await;
                    if let (true, Some(acceptor)) = (upgraded, acceptor)
                        && let Ok(stream) = acceptor.accept(stream).await
                    {
                        receiver.converse(&mut BufReader::new(stream), false).await;
                    }
                });
            }
        });
        port
    }

    /// Speaks SMTP until QUIT, or until STARTTLS, which it says by `true`.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        offers_tls: bool,
    ) -> bool {
        let mut line = String::new();
        while {
            line.clear();
            stream.read_line(&mut line).await.unwrap_or(0) > 0
        } {
            self.commands
                .lock()
                .unwrap()
                .push(line.trim_end().to_owned());
            let answer = match line.split([' ', '\r']).next().unwrap_or_default() {
                "EHLO" if offers_tls => "250-mail.test\r\n250 STARTTLS\r\n",
                "EHLO" => "250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n",
                "STARTTLS" => "220 go on\r\n",
                "AUTH" => "235 welcome\r\n",
                "RCPT" => self.refuses.unwrap_or("250 ok\r\n"),
                "DATA" => "354 go on\r\n",
                "QUIT" => "221 bye\r\n",
                _ => "250 ok\r\n",
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
            if line.starts_with("DATA") {
                let mut mail = String::new();
                while {
                    line.clear();
                    stream.read_line(&mut line).await.unwrap() > 0 && line != ".\r\n"
                } {
                    mail.push_str(&line);
                }
                self.mails.lock().unwrap().push(mail);
                stream.write_all(b"250 taken\r\n").await.unwrap();
            }
            if line.starts_with("STARTTLS") || line.starts_with("QUIT") {
                return line.starts_with("STARTTLS");
            }
        }
        false
    }

    fn mail(&self) -> String {
        self.mails.lock().unwrap().last().cloned().unwrap()
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
    for (answer, transient) in [
        ("550 5.1.1 <mia@bakery.example>: no such mailbox\r\n", false),
        ("451 4.7.1 mia@bakery.example is greylisted\r\n", true),
    ] {
        let receiver = Receiver {
            refuses: Some(answer),
            ..Receiver::default()
        };
        let error = mailer(receiver.start(None).await, json!({}))
            .unwrap()
            .send(mail())
            .await
            .unwrap_err();
        assert_eq!(error.is_transient(), transient);
        assert!(
            mail_words(&error).contains(&answer[..3]),
            "{}",
            mail_words(&error)
        );
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
    let plain = Receiver::default();
    let error = mailer(plain.start(None).await, json!({"tls": "starttls"}))
        .unwrap()
        .send(mail())
        .await
        .unwrap_err();
    assert!(mail_words(&error).contains("tls"), "{}", mail_words(&error));
    assert!(
        !plain
            .commands
            .lock()
            .unwrap()
            .iter()
            .any(|command| command.starts_with("AUTH") || command.starts_with("MAIL"))
    );
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
