//! The mail server speaks SMTP, and its page shows what it took.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use demo::mailbox;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::now;

/// Sends the lines one by one and answers the last line of each answer.
async fn converse(smtp: &str, lines: &[&str]) -> Vec<String> {
    let stream = TcpStream::connect(smtp.trim_start_matches("smtp://"))
        .await
        .unwrap();
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading).lines();
    let mut answers = vec![reading.next_line().await.unwrap().unwrap()];
    for line in lines {
        writing
            .write_all(format!("{line}\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = reading.next_line().await.unwrap().unwrap();
        while answer.as_bytes().get(3) == Some(&b'-') {
            answer = reading.next_line().await.unwrap().unwrap();
        }
        answers.push(answer.chars().take(3).collect());
    }
    answers
}

#[tokio::test]
async fn a_mail_is_kept_as_it_was_written_and_shown_without_its_html_taking_effect() {
    let mut servers = JoinSet::new();
    let mailbox = mailbox::start(&mut servers, now()).await.unwrap();
    let body = "From: Desk <desk@a.example>\r\nSubject: <i>Hi</i>\r\n\r\n..two points and <script>alert(1)</script> http://127.0.0.1:9/x\r\n.";
    let lines = [
        "EHLO me",
        "MAIL FROM:<desk@a.example>",
        "RCPT TO:<one@b.example>",
        "RCPT TO:<two@b.example>",
        "DATA",
        body,
        "QUIT",
    ];
    let answers = converse(&mailbox.smtp, &lines).await;
    assert_eq!(
        answers[1..],
        ["250", "250", "250", "250", "354", "250", "221"]
    );
    let mail = mailbox.wait_for(0, "two@b.example", "Hi").await.unwrap();
    assert!(mail.text.starts_with(".two points"), "{}", mail.text);
    assert_eq!(mailbox.mails().len(), 2);
    let page = reqwest::get(&mailbox.url)
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("&lt;script&gt;") && !page.contains("<script>") && !page.contains("<i>Hi")
    );
    assert!(page.contains("<a href=\"http://127.0.0.1:9/x\">"));
}

#[tokio::test]
async fn commands_out_of_order_are_refused_and_keep_nothing() {
    let mut servers = JoinSet::new();
    let mailbox = mailbox::start(&mut servers, now()).await.unwrap();
    let answers = converse(
        &mailbox.smtp,
        &[
            "RCPT TO:<one@b.example>",
            "DATA",
            "MAIL FROM:<a@b.example>",
            "DATA",
            "HELP",
            "QUIT",
        ],
    )
    .await;
    assert_eq!(answers[1..], ["503", "503", "250", "503", "502", "221"]);
    assert!(mailbox.mails().is_empty());
}
