//! Mail: the mailer through which every mail leaves, and recipients told by mail with a link to answer by.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::data_map::RecipientKey;
use domain::id::OutreachId;
use domain::outreach::OutreachAction;
use domain::recipient::VerificationLevel;
use domain::sensitive::Sensitive;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use lettre::{Address, Message};
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use crate::channel::{
    Channel, ChannelError, Delivery, Notification, ReceivedAnswer, VerifiedAnswer,
};

mod line;

use line::{Lines, Security, Server};

/// The SMTP server through which mail leaves.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// `smtp://name:password@host:port`, name and password percent-encoded; `smtps://` is short for `tls: tls`.
    pub url: Sensitive<String>,
    /// How the connection is secured.
    #[serde(default)]
    pub tls: SmtpTls,
    /// The sender: `Privacy desk <privacy@shop.example>`.
    pub from: String,
    /// Certificates (PEM) of the authority that signs the server's certificate, where it isn't a public one.
    #[serde(default)]
    pub trusted_ca: Option<String>,
    /// Allows `tls: none` to a host that isn't this machine. Codes and links then travel in clear.
    #[serde(default)]
    pub allow_insecure: bool,
    /// How long one mail may take.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: NonZeroU32,
}

/// How a connection to an SMTP server is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// STARTTLS, or no mail. Port 587 by default.
    #[default]
    Starttls,
    /// TLS from the first byte. Port 465 by default.
    Tls,
    /// In clear. Port 25 by default.
    None,
}

const fn default_timeout_seconds() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(29)
}

/// One mail.
#[derive(Clone)]
pub struct Mail {
    /// To whom: one address.
    pub to: Sensitive<String>,
    /// The subject line. Without personal values: it is shown on lock screens.
    pub subject: String,
    /// The plain text.
    pub text: Sensitive<String>,
    /// The same as HTML.
    pub html: Option<Sensitive<String>>,
    /// Where answers go, when not to the sender.
    pub reply_to: Option<String>,
    /// `Message-ID` without angle brackets, so that a repeated mail is recognised as the same one.
    pub message_id: Option<String>,
}

/// Why a mail did not leave. Never holds an address or what the server said, which often repeats it.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The configuration can't work.
    #[error("mail is not configured: {0}")]
    Configuration(String),
    /// The mail itself can't be sent.
    #[error("the mail can't be sent: {0}")]
    Invalid(&'static str),
    /// The server can't be reached, or asks to come back later.
    #[error("the mail server can't take the mail now: {0}")]
    Unreachable(String),
    /// The server refuses for good.
    #[error("the mail server refuses the mail: {0}")]
    Refused(String),
}

impl MailError {
    /// Whether trying again later, unchanged, can help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// Sends mail through one SMTP server.
pub struct Mailer {
    lines: Lines,
    from: Mailbox,
    timeout: Duration,
}

impl Mailer {
    /// A mailer; refuses a configuration that can't work. Connects when a mail is sent.
    pub fn new(config: &SmtpConfig) -> Result<Self, MailError> {
        let from = config.from.parse().map_err(|_| {
            misconfigured("`from` should look like `Privacy desk <privacy@shop.example>`")
        })?;
        Ok(Self {
            lines: Lines::new(server(config)?),
            from,
            timeout: Duration::from_secs(u64::from(config.timeout_seconds.get())),
        })
    }

    /// The sender's domain, for message ids.
    pub fn domain(&self) -> &str {
        self.from.email.domain()
    }

    /// Sends one mail; when this returns, the server has taken it.
    pub async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let message = self.message(&mail)?;
        match tokio::time::timeout(self.timeout, self.lines.send(&message)).await {
            Ok(sent) => sent,
            Err(_) => Err(MailError::Unreachable(
                "it did not finish within the time limit".to_owned(),
            )),
        }
    }

    /// Whether the server takes mail from us, without sending any: for `doctor`.
    pub async fn check(&self) -> Result<(), MailError> {
        match tokio::time::timeout(self.timeout, self.lines.check()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(MailError::Unreachable(
                "it hung up on a greeting".to_owned(),
            )),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(MailError::Unreachable(
                "it did not finish within the time limit".to_owned(),
            )),
        }
    }

    fn message(&self, mail: &Mail) -> Result<Message, MailError> {
        let to: Address =
            mail.to.expose().parse().map_err(|_| {
                MailError::Invalid("the recipient's address is not an e-mail address")
            })?;
        check_line(
            &mail.subject,
            "its subject line has a line break or control character",
        )?;
        let mut builder: MessageBuilder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject.as_str())
            .message_id(mail.message_id.as_deref().map(message_id).transpose()?)
            // RFC 3834: no out-of-office answers to machines.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        if let Some(reply_to) = &mail.reply_to {
            builder = builder.reply_to(reply_to.parse().map_err(|_| {
                MailError::Invalid("the address for replies is not an e-mail address")
            })?);
        }
        let text = mail.text.expose().clone();
        let built = match &mail.html {
            Some(html) => builder.multipart(MultiPart::alternative_plain_html(
                text,
                html.expose().clone(),
            )),
            None => builder.body(text),
        };
        built.map_err(|_| MailError::Invalid("it can't be put together"))
    }
}

fn server(config: &SmtpConfig) -> Result<Server, MailError> {
    let url = Url::parse(config.url.expose())
        .ok()
        .filter(|url| url.query().is_none() && matches!(url.path(), "" | "/"))
        .ok_or_else(wrong_url)?;
    let host = url
        .host_str()
        .ok_or_else(|| misconfigured("`url` names no host"))?
        .trim_matches(['[', ']']);
    let tls = match url.scheme() {
        "smtps" => SmtpTls::Tls,
        "smtp" => config.tls,
        _ => {
            return Err(misconfigured(
                "`url` must begin with `smtp://` or `smtps://`",
            ));
        }
    };
    if tls == SmtpTls::None && !is_here(host) && !config.allow_insecure {
        return Err(misconfigured(
            "codes and links would travel in clear; use `tls: starttls`, or set `allow_insecure: true`",
        ));
    }
    let (security, port) = match tls {
        SmtpTls::Starttls => (Security::Starttls(tls_parameters(host, config)?), 587),
        SmtpTls::Tls => (Security::Tls(tls_parameters(host, config)?), 465),
        SmtpTls::None => (Security::Clear, 25),
    };
    Ok(Server {
        host: host.to_owned(),
        port: url.port().unwrap_or(port),
        security,
        credentials: credentials(&url)?,
    })
}

fn misconfigured(reason: &str) -> MailError {
    MailError::Configuration(reason.to_owned())
}

fn wrong_url() -> MailError {
    misconfigured("`url` should look like `smtp://name:password@host:587`")
}

fn is_here(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// With what we sign in; a name without a password is no sign-in.
fn credentials(url: &Url) -> Result<Option<Credentials>, MailError> {
    let Some(password) = url.password() else {
        return Ok(None);
    };
    let name = percent_decode(url.username()).ok_or_else(wrong_url)?;
    let password = percent_decode(password).ok_or_else(wrong_url)?;
    Ok(Some(Credentials::new(name, password)))
}

/// The text that is meant; a percent sign without two hexadecimal digits means itself. `None` when it isn't UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escaped.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

fn tls_parameters(host: &str, config: &SmtpConfig) -> Result<TlsParameters, MailError> {
    let wrong = || misconfigured("`trusted_ca` holds no certificate in PEM form");
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(pem) = &config.trusted_ca {
        // Lettre takes a text without any certificate for an empty list.
        CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong())?;
        builder = builder
            .add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(|_| wrong())?);
    }
    builder.build_rustls().map_err(|_| wrong())
}

fn check_line(text: &str, wrong: &'static str) -> Result<(), MailError> {
    if text.chars().any(char::is_control) {
        Err(MailError::Invalid(wrong))
    } else {
        Ok(())
    }
}

fn message_id(id: &str) -> Result<String, MailError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte);
    let valid = id
        .split_once('@')
        .is_some_and(|(left, right)| !left.is_empty() && !right.is_empty() && !right.contains('@'))
        && id.bytes().all(plain);
    if valid {
        Ok(format!("<{id}>"))
    } else {
        Err(MailError::Invalid(
            "its message id should look like `letters.and-digits@domain`",
        ))
    }
}

/// The server's answer by its code alone: its words often repeat the address.
fn refusal(error: &lettre::transport::smtp::Error) -> MailError {
    match error.status() {
        Some(code) if error.is_permanent() => {
            let hint = if u16::from(code) == 535 {
                "; check the name and password in `url`"
            } else {
                ""
            };
            MailError::Refused(format!("it answered {code}{hint}"))
        }
        Some(code) => MailError::Unreachable(format!("it answered {code}")),
        None if error.is_timeout() => too_late(),
        None if error.is_tls() => MailError::Unreachable(
            "no secure connection; check its certificate, `tls` and `trusted_ca`".to_owned(),
        ),
        None if error.is_client() => MailError::Refused(
            "it lacks something that we need; check `tls` and the credentials".to_owned(),
        ),
        None => broken(),
    }
}

fn too_late() -> MailError {
    MailError::Unreachable("it did not answer in time".to_owned())
}

fn broken() -> MailError {
    MailError::Unreachable(
        "no connection, or it broke; check `url`, `tls` and `trusted_ca`".to_owned(),
    )
}

/// How one recipient is reached by mail.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// Its privacy desk's address.
    pub to: Sensitive<String>,
    /// Where its questions go: the business's own privacy desk. The sender when absent.
    #[serde(default)]
    pub reply_to: Option<String>,
}

/// Tells a recipient by mail. Its answer comes through the linked page, so that this channel never proves more than *sent*.
pub struct EmailChannel {
    recipient: RecipientKey,
    config: EmailConfig,
    mailer: Arc<Mailer>,
}

impl EmailChannel {
    /// A channel to `recipient`; refuses an address that isn't one.
    pub fn new(
        recipient: RecipientKey,
        config: EmailConfig,
        mailer: Arc<Mailer>,
    ) -> Result<Self, ChannelError> {
        let wrong = |name: &str| ChannelError::Refused {
            recipient: recipient.clone(),
            reason: format!("`{name}` is not an e-mail address"),
        };
        if config.to.expose().parse::<Address>().is_err() {
            return Err(wrong("to"));
        }
        if config
            .reply_to
            .as_ref()
            .is_some_and(|reply_to| reply_to.parse::<Mailbox>().is_err())
        {
            return Err(wrong("reply_to"));
        }
        Ok(Self {
            recipient,
            config,
            mailer,
        })
    }

    async fn tell(
        &self,
        notification: &Notification,
        reminder: bool,
    ) -> Result<Delivery, ChannelError> {
        // A mail sent twice after a crash shall look like one; a reminder shall not.
        let message_id =
            (!reminder).then(|| format!("{}@{}", notification.outreach, self.mailer.domain()));
        let letter = Letter::new(notification, reminder);
        let mail = Mail {
            to: self.config.to.clone(),
            subject: letter.subject(),
            text: letter.text(),
            html: Some(letter.html()),
            reply_to: self.config.reply_to.clone(),
            message_id,
        };
        match self.mailer.send(mail).await {
            Ok(()) => Ok(Delivery {
                level: VerificationLevel::Sent,
                answer: None,
                external_id: Some(notification.external_id.clone()),
            }),
            Err(error) if error.is_transient() => Err(ChannelError::Unreachable {
                recipient: self.recipient.clone(),
                reason: error.to_string(),
            }),
            Err(error) => Err(ChannelError::Refused {
                recipient: self.recipient.clone(),
                reason: error.to_string(),
            }),
        }
    }
}

#[async_trait]
impl Channel for EmailChannel {
    async fn send(&self, notification: &Notification) -> Result<Delivery, ChannelError> {
        self.tell(notification, false).await
    }

    async fn remind(&self, notification: &Notification) -> Result<Delivery, ChannelError> {
        self.tell(notification, true).await
    }

    async fn poll(
        &self,
        _outreach: OutreachId,
        _external_id: &str,
    ) -> Result<Option<Delivery>, ChannelError> {
        Ok(None)
    }

    async fn probe(&self, _notification: &Notification) -> Result<Option<bool>, ChannelError> {
        Ok(None)
    }

    async fn verify_answer(
        &self,
        _message: &ReceivedAnswer,
    ) -> Result<VerifiedAnswer, ChannelError> {
        let reason =
            "mail can't be verified; the recipient answers on the page that the mail links to"
                .to_owned();
        Err(ChannelError::NotAuthentic {
            recipient: self.recipient.clone(),
            reason,
        })
    }
}

/// What the mail to a recipient says.
struct Letter<'a> {
    notification: &'a Notification,
    business: String,
    reminder: bool,
}

impl<'a> Letter<'a> {
    fn new(notification: &'a Notification, reminder: bool) -> Self {
        let business = notification
            .business
            .chars()
            .map(|character| {
                if character.is_control() {
                    ' '
                } else {
                    character
                }
            })
            .collect();
        Self {
            notification,
            business,
            reminder,
        }
    }

    fn subject(&self) -> String {
        let what = match self.notification.action {
            OutreachAction::Delete => "Please delete personal data",
            OutreachAction::OptOut => "Please stop selling and sharing personal data",
        };
        let again = if self.reminder { "Reminder: " } else { "" };
        let by = self
            .notification
            .due
            .map(|due| format!(" by {due}"))
            .unwrap_or_default();
        format!("{again}{what}{by} ({})", self.business)
    }

    /// The paragraphs before the list of identifiers.
    fn before(&self) -> Vec<String> {
        let business = &self.business;
        let request = match self.notification.action {
            OutreachAction::Delete => format!(
                "A person has asked {business} to delete their personal data. You have received data about this person from {business}. \
                 Please delete it, and tell everyone to whom you passed it on to delete it as well."
            ),
            OutreachAction::OptOut => format!(
                "A person has told {business} not to sell or share their personal data. You have received data about this person from {business}. \
                 Please stop selling and sharing it from now on, and tell everyone to whom you passed it on to do the same."
            ),
        };
        let again = format!(
            "We wrote to you about this before and have no answer yet. The request came in on {}.",
            self.submitted_on()
        );
        let first = format!("The request came in on {}.", self.submitted_on());
        let when = if self.reminder { again } else { first };
        let mut paragraphs = vec![request, when];
        paragraphs.extend(self.received());
        paragraphs.push("You know the person by:".to_owned());
        paragraphs
    }

    /// What the recipient got, so that it knows what to look for.
    fn received(&self) -> Vec<String> {
        let titles = |is_recorded: bool| {
            let named = self.notification.received.iter();
            let named = named.filter(|one| one.attribute.is_some() == is_recorded);
            let titles: Vec<_> = named.map(|one| one_line(&one.title)).collect();
            (!titles.is_empty()).then(|| titles.join(", "))
        };
        let recorded = titles(true).map(|titles| format!("By our records you received: {titles}."));
        let usual =
            titles(false).map(|titles| format!("What we give you may also have held: {titles}."));
        recorded.into_iter().chain(usual).collect()
    }

    fn after(&self) -> String {
        let by = self
            .notification
            .due
            .map(|due| format!(" by {due}"))
            .unwrap_or_default();
        format!(
            "Please tell us the outcome{by} on this page. You need no account, and the page is only for this request:"
        )
    }

    fn closing(&self) -> String {
        format!(
            "There you can say that it is done, that you hold nothing about this person, or that you must keep something and why. \
             Please use these identifiers for this purpose only.\n\nReference: {}\nLaw: {}",
            self.notification.outreach,
            self.notification.law.to_uppercase()
        )
    }

    fn submitted_on(&self) -> String {
        self.notification
            .submitted_at
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date()
            .to_string()
    }

    fn identifiers(&self) -> Vec<(String, &'a str)> {
        self.notification
            .identifiers
            .iter()
            .map(|(kind, value)| (kind.0.replace('_', " "), value.expose().as_str()))
            .collect()
    }

    fn text(&self) -> Sensitive<String> {
        let list: Vec<String> = self
            .identifiers()
            .iter()
            .map(|(kind, value)| format!("  {kind}: {}", one_line(value)))
            .collect();
        let link = self.notification.answer_url.expose();
        let text = format!(
            "{}\n\n{}\n\n{}\n\n{link}\n\n{}\n",
            self.before().join("\n\n"),
            list.join("\n"),
            self.after(),
            self.closing()
        );
        Sensitive::new(text)
    }

    fn html(&self) -> Sensitive<String> {
        let paragraphs = |texts: &[String]| {
            texts
                .iter()
                .map(|text| format!("<p>{}</p>\n", escape(text)))
                .collect::<String>()
        };
        let list: String = self
            .identifiers()
            .iter()
            .map(|(kind, value)| {
                format!(
                    "<li>{}: <strong>{}</strong></li>\n",
                    escape(kind),
                    escape(&one_line(value))
                )
            })
            .collect();
        let link = escape(self.notification.answer_url.expose());
        let closing: Vec<String> = self
            .closing()
            .split("\n")
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body style=\"font-family: sans-serif; line-height: 1.5; max-width: 40em\">\n{before}<ul>\n{list}</ul>\n{after}\
             <p><a href=\"{link}\">Answer this request</a></p>\n{closing}</body>\n</html>\n",
            title = escape(&self.subject()),
            before = paragraphs(&self.before()),
            after = paragraphs(&[self.after()]),
            closing = paragraphs(&closing),
        );
        Sensitive::new(html)
    }
}

/// A value that can't pretend to be further lines of the letter.
fn one_line(value: &str) -> String {
    value
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
